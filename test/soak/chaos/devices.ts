import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '#runtime/backoff.ts';
import { createCollectorClient } from '#runtime/collector-client.ts';
import { loadOrEnroll } from '#runtime/identity.ts';
import { silentLog } from '#runtime/log.ts';
import { makeUpload } from '#runtime/shipper.ts';
import type { Fates } from './judge.ts';
import { superviseProgram } from './member.ts';

export type Ids = { [name in 'begun' | 'safe' | 'dropped' | 'refused']: Set<string> };
export const noIds = (): Ids => ({
  begun: new Set(),
  safe: new Set(),
  dropped: new Set(),
  refused: new Set(),
});

/** What a line of a device says of an id. */
const fates: Record<string, keyof Omit<Fates, 'stored'>> = {
  begin: 'begun',
  safe: 'safe',
  dropped: 'dropped',
  refused: 'refused',
};

export const createDevice = (options: {
  name: string;
  folder: string;
  collectorUrl: string;
  token: string;
  everyMs: number;
  ids: Ids;
}) => {
  const { folder, collectorUrl, ids } = options;
  let everyMs = options.everyMs;
  let pending = Number.POSITIVE_INFINITY;
  const program = superviseProgram({
    name: options.name,
    file: join(import.meta.dirname, 'device.ts'),
    args: () => [folder, collectorUrl, String(everyMs), options.token],
    onLine: (line) => {
      const [word = '', about = ''] = line.split(' ');
      const fate = fates[word];
      if (fate !== undefined) ids[fate].add(about);
      if (word === 'pending') pending = Number(about);
      return word === 'up';
    },
  });
  return {
    ...program,
    async kill(): Promise<void> {
      await program.kill();
      pending = Number.POSITIVE_INFINITY;
    },
    /** Six hours' results at once, as after a night without a network. */
    makeNight: () => program.signal('SIGUSR2'),
    /** It makes no more, also after a restart. */
    rest(): void {
      everyMs = 0;
      program.signal('SIGHUP');
    },
    isEmpty: () => pending === 0,
    /** All it ever made, cut into other batches and in another order; it must be stopped. */
    async replay(cut: (lines: string[]) => string[][]): Promise<void> {
      const log = silentLog();
      const parts = { collectorUrl, log };
      const about = { name: options.name, platform: 'linux', programVersion: '0.1.0' };
      const identity = await loadOrEnroll({
        ...parts,
        ...about,
        folder,
        token: undefined,
        role: 'device',
      });
      const client = createCollectorClient({ ...parts, identity: identity.current });
      for (const lines of cut(madeLines(folder))) {
        const upload = makeUpload({ lines, byteCount: 0 }, Date.now());
        const signal = AbortSignal.timeout(60_000);
        while ((await client.postBatch(upload, signal)).kind !== 'stored') {
          if (signal.aborted) throw new Error(`${options.name}: a replayed batch is not taken`);
          await sleep(500);
        }
      }
      await client.stop();
      await identity.stop();
    },
  };
};

/** Without a last line that a kill cut off. */
const madeLines = (folder: string): string[] =>
  readFileSync(join(folder, 'made.ndjson'), 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'));
