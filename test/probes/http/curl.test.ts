import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHttpProber } from '#probes/http/http.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { type Origin, startOrigin } from '#test/support/origin.ts';
import { httpProbe, probeContext } from '#test/support/probe-context.ts';
import { startRelay } from '#test/support/relay.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'whyslow-curl-'));
const ca = join(folder, 'ca.pem');
let origin: Origin;
let relay: Awaited<ReturnType<typeof startRelay>>;
let caPem: string;
const prober = createHttpProber();

beforeAll(async () => {
  const authority = await createTestAuthority();
  caPem = authority.certificatePem;
  writeFileSync(ca, caPem);
  origin = await startOrigin({ authority });
  origin.on('/', { thinkMs: 80, bodyMs: 120, body: 'x'.repeat(20_000) });
  relay = await startRelay({ target: origin, firstBytesDelayMs: 100 });
});
afterAll(async () => {
  await Promise.all([origin.stop(), relay.stop(), prober.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

type Phases = Record<'connectMs' | 'tlsMs' | 'waitMs' | 'receiveMs', number>;

/** curl's times are since the start; its phases are their differences. */
const byCurl = async (url: string): Promise<Phases> => {
  const format =
    '%{time_namelookup} %{time_connect} %{time_appconnect} %{time_starttransfer} %{time_total}';
  const { stdout } = await run('curl', [
    '-s',
    '--http1.1',
    '--cacert',
    ca,
    '-o',
    join(folder, 'body'),
    '-w',
    format,
    url,
  ]);
  const [dns = 0, connect = 0, tls = 0, first = 0, total = 0] = stdout
    .split(' ')
    .map((seconds) => Number(seconds) * 1_000);
  return {
    connectMs: connect - dns,
    tlsMs: tls - connect,
    waitMs: first - tls,
    receiveMs: total - first,
  };
};

const byUs = async (url: string): Promise<Phases> => {
  const { body } = await prober.run(httpProbe(url), probeContext({ extraCa: [caPem] }));
  const phases = body.exchanges[0]?.phases;
  return {
    connectMs: phases?.connectMs ?? Number.NaN,
    tlsMs: phases?.tlsMs ?? Number.NaN,
    waitMs: phases?.waitMs ?? Number.NaN,
    receiveMs: phases?.receiveMs ?? Number.NaN,
  };
};

const names = ['connectMs', 'tlsMs', 'waitMs', 'receiveMs'] as const;
/** Against pauses of 80 to 120 ms in three of the phases. */
const slackMs = 15;

/** A busy machine only ever adds: the least of several runs is nearest to what there is to measure. */
const least = (runs: readonly Phases[], name: keyof Phases): number =>
  Math.min(...runs.map((phases) => phases[name]));

const differencesOf = (ours: readonly Phases[], theirs: readonly Phases[]) =>
  names.map((name) => ({ name, ours: least(ours, name), curl: least(theirs, name) }));

describe('http probe beside curl', () => {
  it('splits the same request into the same phases', async () => {
    const url = `https://127.0.0.1:${relay.port}/`;
    const ours: Phases[] = [];
    const theirs: Phases[] = [];
    const apart = () =>
      differencesOf(ours, theirs).filter((phase) => !(Math.abs(phase.ours - phase.curl) < slackMs));
    // More runs can only bring the floors nearer to the truth; a real difference stays.
    for (let i = 0; i < 25 && (i < 5 || apart().length > 0); i++) {
      ours.push(await byUs(url));
      theirs.push(await byCurl(url));
    }
    expect(apart()).toEqual([]);
    expect(least(ours, 'tlsMs')).toBeGreaterThan(95);
  }, 60_000);
});
