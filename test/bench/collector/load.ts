import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createLabelRows } from '#collector/state/label-rows.ts';
import { openState } from '#collector/state/open.ts';
import { openStore } from '#collector/store/open.ts';
import type { Store } from '#collector/store/store.ts';
import {
  type CollectorProcess,
  startCollectorProcess,
  type Usage,
  usageOf,
} from '#test/load/collector-process.ts';
import type { Rates } from '#test/load/device.ts';
import { runFleet, type Summary } from '#test/load/fleet.ts';
import { type Kits, makeKits } from '#test/load/forms.ts';
import { enrollDevices } from '#test/load/identities.ts';
import { type InfluxdbServer, startInfluxdb } from '#test/support/influxdb.ts';

export type Engine = 'duckdb' | 'influxdb';

export type LoadOptions = {
  engine: Engine;
  devices: number;
  rates: Rates;
  lingerMs: number;
  slowRatio: number;
  diagnoseDelayMs: number;
  forMs: number;
  /** Node's own arguments for the collector: `--cpu-prof` and the like. */
  nodeArguments?: readonly string[];
};

/** One look at everything while it runs. */
type Look = { atMs: number; acknowledged: number; collector: Usage; engineMb: number };

export type Loaded = {
  summary: Summary;
  looks: Look[];
  /** CPU of all, in microseconds a result. */
  cpu: { collector: number; engine: number; simulator: number };
  /** Results that were acknowledged and are not in the store. */
  missing: number;
  /** Results that are stored beyond those that were ever sent: twice, that is. */
  more: number;
};

const lookEveryMs = 2_000;
/** Devices whose ids are compared one by one; of all others they are counted. */
const comparedDevices = 5;

/** A collector with its engine and a fleet, one process each, from nothing to what is in the store. */
export const load = async (
  options: LoadOptions,
  during: (parts: {
    collector: CollectorProcess;
    influxdb: InfluxdbServer | undefined;
    kits: Kits;
    acknowledged: () => number;
  }) => Promise<void> = async () => undefined,
): Promise<Loaded> => {
  const influxdb = options.engine === 'influxdb' ? await startInfluxdb() : undefined;
  const store = influxdb && { engine: 'influxdb', url: influxdb.url, database: 'whyslow' };
  const collector = await startCollectorProcess({
    config: { diagnoseDelayMs: options.diagnoseDelayMs, ...(store === undefined ? {} : { store }) },
    nodeArguments: options.nodeArguments ?? [],
  });
  try {
    const kits = makeKits(1);
    const token = await collector.admit(options.devices + 1, kits.applications);
    const collectorUrl = collector.deviceUrl;
    const enrolling = { collectorUrl, token: () => token, count: options.devices };
    const devices = await enrollDevices({ ...enrolling, onProgress: () => undefined });
    const looks: Look[] = [];
    let acknowledged = 0;
    const startedMs = performance.now();
    const look = (): Look => ({
      atMs: performance.now() - startedMs,
      acknowledged,
      collector: collector.usage(),
      engineMb: engineUsage(influxdb).residentMb,
    });
    const before = { collector: collector.usage(), engine: engineSeconds(influxdb) };
    const timer = setInterval(() => looks.push(look()), lookEveryMs);
    const running = runFleet({
      ...options,
      ...{ collectorUrl, devices, kits, slowAfterMs: 0, configEveryMs: 0, inFlight: 64 },
      run: randomBytes(4).toString('hex'),
      signal: new AbortController().signal,
      onProgress: ({ counts }) => {
        acknowledged = counts.acknowledgedResults;
      },
    });
    const [summary] = await Promise.all([
      running,
      during({ collector, influxdb, kits, acknowledged: () => acknowledged }),
    ]);
    clearInterval(timer);
    const each = (seconds: number) => (1e6 * seconds) / summary.acknowledgedResults;
    const cpu = {
      collector: each(collector.usage().cpuSeconds - before.collector.cpuSeconds),
      engine: each(engineSeconds(influxdb) - before.engine),
      simulator: each(summary.cpuSeconds),
    };
    await collector.stop();
    return { summary, looks, cpu, ...(await compare(collector, influxdb, summary)) };
  } finally {
    await collector.stop();
    collector.remove();
    await influxdb?.stop();
  }
};

const engineSeconds = (influxdb: InfluxdbServer | undefined): number =>
  engineUsage(influxdb).cpuSeconds;

/** Nothing where the engine is this collector's own, or was killed a moment ago. */
const engineUsage = (influxdb: InfluxdbServer | undefined): Usage => {
  try {
    if (influxdb !== undefined) return usageOf(influxdb.pid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return { cpuSeconds: 0, residentMb: 0 };
};

/** What was acknowledged against what is stored; the collector has stopped. */
const compare = async (
  collector: CollectorProcess,
  influxdb: InfluxdbServer | undefined,
  summary: Summary,
): Promise<{ missing: number; more: number }> => {
  const state = await openState({ engine: 'pglite', folder: join(collector.stateFolder, 'state') });
  const store = await openStore(
    influxdb === undefined
      ? { engine: 'duckdb', file: join(collector.stateFolder, 'series.duckdb') }
      : {
          ...{ engine: 'influxdb', url: influxdb.url, database: 'whyslow' },
          labelNumbers: createLabelRows(state.db),
        },
  );
  try {
    const counted = await countByDevice(store);
    const found = { missing: 0, more: 0 };
    for (const [index, { id, results, pending }] of summary.acknowledgedOf.entries()) {
      const stored =
        index < comparedDevices ? await idsOf(store, id, summary.run) : (counted.get(id) ?? 0);
      found.missing += Math.max(0, results - stored);
      found.more += Math.max(0, (counted.get(id) ?? 0) - results - pending);
    }
    return found;
  } finally {
    await store.stop();
    await state.stop();
  }
};

const measurements = ['http', 'path', 'page_load', 'dns'] as const;
const allTime = () => ({ fromMs: 0, toMs: Date.now() + 3_600_000 });

const countByDevice = async (store: Store): Promise<Map<string, number>> => {
  const counts = new Map<string, number>();
  for (const measurement of measurements) {
    const rows = await store.aggregate({
      ...{ measurement, ...allTime() },
      ...{ field: 'result_id', statistics: ['count'], by: ['device'] },
    });
    for (const { tags, values } of rows) {
      const device = tags['device'] ?? '';
      counts.set(device, (counts.get(device) ?? 0) + (values.count ?? 0));
    }
  }
  return counts;
};

/** Different ids of this run that are stored of a device. */
const idsOf = async (store: Store, device: string, run: string): Promise<number> => {
  const ids = new Set<string>();
  for (const measurement of measurements) {
    const limit = 1_000_000;
    const points = await store.select({ measurement, ...allTime(), tags: { device }, limit });
    for (const { fields } of points) ids.add(String(fields.result_id));
  }
  return [...ids].filter((id) => id.startsWith(run)).length;
};

/** Change a minute by the least squares of what comes after the first third, when all is warm. */
export const slopeAMinute = (looks: readonly Look[], value: (look: Look) => number): number => {
  const warm = looks.slice(Math.floor(looks.length / 3));
  const mean = (of: (look: Look) => number) =>
    warm.reduce((sum, look) => sum + of(look), 0) / warm.length;
  const [meanAt, meanValue] = [mean(({ atMs }) => atMs), mean(value)];
  const over = warm.reduce(
    (sum, look) => sum + (look.atMs - meanAt) * (value(look) - meanValue),
    0,
  );
  const under = warm.reduce((sum, { atMs }) => sum + (atMs - meanAt) ** 2, 0);
  return under === 0 ? 0 : (60_000 * over) / under;
};
