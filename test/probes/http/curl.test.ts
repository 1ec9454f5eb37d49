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

beforeAll(async () => {
  const authority = await createTestAuthority();
  caPem = authority.certificatePem;
  writeFileSync(ca, caPem);
  origin = await startOrigin({ authority });
  origin.on('/', { thinkMs: 80, bodyMs: 120, body: 'x'.repeat(20_000) });
  relay = await startRelay({ target: origin, firstBytesDelayMs: 100 });
});
afterAll(async () => {
  await Promise.all([origin.stop(), relay.stop()]);
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
  const prober = createHttpProber();
  const { body } = await prober.run(httpProbe(url), probeContext({ extraCa: [caPem] }));
  const phases = body.exchanges[0]?.phases;
  return {
    connectMs: phases?.connectMs ?? Number.NaN,
    tlsMs: phases?.tlsMs ?? Number.NaN,
    waitMs: phases?.waitMs ?? Number.NaN,
    receiveMs: phases?.receiveMs ?? Number.NaN,
  };
};

const medians = (runs: Phases[]): Phases => {
  const median = (name: keyof Phases) =>
    runs.map((phases) => phases[name]).sort((a, b) => a - b)[Math.floor(runs.length / 2)] ??
    Number.NaN;
  return {
    connectMs: median('connectMs'),
    tlsMs: median('tlsMs'),
    waitMs: median('waitMs'),
    receiveMs: median('receiveMs'),
  };
};

describe('http probe beside curl', () => {
  it('splits the same request into the same phases', async () => {
    const url = `https://127.0.0.1:${relay.port}/`;
    const ours: Phases[] = [];
    const theirs: Phases[] = [];
    for (let i = 0; i < 7; i++) {
      ours.push(await byUs(url));
      theirs.push(await byCurl(url));
    }
    const [our, their] = [medians(ours), medians(theirs)];
    // Both run on a machine shared with other tests: 20 ms of slack against pauses of 80 to 120.
    for (const name of ['connectMs', 'tlsMs', 'waitMs', 'receiveMs'] as const) {
      expect(
        Math.abs(our[name] - their[name]),
        `${name}: ${our[name]}, curl ${their[name]}`,
      ).toBeLessThan(20);
    }
  });
});
