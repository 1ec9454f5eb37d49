import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMeasuring } from '#agent/measuring.ts';
import { openRunLedger } from '#agent/run-ledger.ts';
import { createSelfChecks } from '#agent/self-check.ts';
import type { HttpProbe } from '#contract/plan.ts';
import type { Result } from '#contract/result.ts';
import { createProbers, stopProbers } from '#probes/registry.ts';
import { sleep } from '#runtime/backoff.ts';
import { silentLog } from '#runtime/log.ts';
import { openSpool } from '#runtime/spool.ts';
import { httpProbe, probeContext } from '#test/support/probe-context.ts';
import type { Servers } from '../http/servers.ts';
import { percentile, type Row, rounded } from '../rows.ts';

const deviceId = '3f1f6c9e-7b51-4f52-9e2a-111111111111';
const probesAMinute = 500;
/** Beside them, of one application whose server takes connections and never answers. */
const hangingProbes = 40;
const intervalMs = 60_000;
/** The first interval loads and compiles what an agent has long loaded. */
const warmUpMs = 15_000;
const targetMs = 20;

/**
 * The agent's own scheduler, book, probers and spool at 500 probes a minute, for a minute each: as
 * they are, and with an application that hangs beside them.
 */
export const latenessRows = async (servers: Servers): Promise<Row[]> => [
  ...(await measure('500 probes a minute', servers, [])),
  ...(await withHangingServer((url) =>
    measure('the same beside 40 that hang', servers, hangingPlan(url)),
  )),
];

const measure = async (
  name: string,
  servers: Servers,
  beside: readonly HttpProbe[],
): Promise<Row[]> => {
  const { results, missedCount } = await runPlan(servers, [...plan(servers), ...beside]);
  const sound = results.filter(({ appId }) => appId !== 'hung');
  const lateMs = sound.map(({ self }) => self.latenessMs ?? Number.NaN);
  const failed = sound.filter(({ availability }) => availability === 0).length;
  const at = (share: number) => percentile(lateMs, share);
  const row = (what: string, ours: number, met: boolean | null, target: string): Row => ({
    name: `${name}: lateness ${what} (${sound.length} runs, ${failed} failed, ${missedCount} missed)`,
    unit: 'ms',
    ours: rounded(ours),
    peer: null,
    ratio: null,
    target,
    met,
  });
  return [
    row('p50', at(0.5), null, ''),
    row('p99', at(0.99), at(0.99) <= targetMs, `≤ ${targetMs}`),
    row('longest', at(1), null, ''),
  ];
};

/** A fifth of them under TLS. */
const plan = (servers: Servers): HttpProbe[] =>
  Array.from({ length: probesAMinute }, (_, i) =>
    httpProbe(i % 5 === 0 ? servers.https : servers.http, {
      id: `p${i}`,
      appId: `app-${i % 25}`,
      intervalMs,
    }),
  );

const hangingPlan = (url: string): HttpProbe[] =>
  Array.from({ length: hangingProbes }, (_, i) =>
    httpProbe(url, { id: `h${i}`, appId: 'hung', intervalMs, timeoutMs: 60_000 }),
  );

const runPlan = async (servers: Servers, probes: readonly HttpProbe[]) => {
  const folder = mkdtempSync(join(tmpdir(), 'whyslow-bench-'));
  const log = silentLog();
  const ledger = openRunLedger({ folder, deviceId });
  const spool = await openSpool({ folder: join(folder, 'spool'), maxBytes: 64_000_000, log });
  const probers = createProbers();
  const results: Result[] = [];
  let missedCount = 0;
  const measuring = startMeasuring({
    probers,
    deviceId,
    edgeId: () => null,
    edge: () => null,
    network: { check: async () => ({ state: 'unknown', reason: '', at: 0 }) },
    context: probeContext({ extraCa: [servers.caPem], workFolder: folder }),
    proxy: () => ({ host: '127.0.0.1', port: 1 }),
    bypassOf: () => undefined,
    selfChecks: createSelfChecks(),
    ledger: {
      ...ledger,
      count: (probeId, reason, count) => {
        if (reason === 'overrun' && !probeId.startsWith('h')) missedCount += count;
        ledger.count(probeId, reason, count);
      },
    },
    append: async (record) => {
      if (record.kind === 'result') results.push(record);
      return spool.append(record);
    },
    log,
  });
  measuring.setPlan(probes);
  await sleep(warmUpMs);
  results.length = 0;
  await sleep(intervalMs);
  const measured = results.filter(({ repeats }) => repeats === undefined);
  await measuring.stop();
  await stopProbers(probers);
  await spool.close();
  rmSync(folder, { recursive: true, force: true });
  return { results: measured, missedCount };
};

const withHangingServer = async <T>(use: (url: string) => Promise<T>): Promise<T> => {
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return await use(`http://127.0.0.1:${port}/${randomUUID()}`);
  } finally {
    server.close();
  }
};
