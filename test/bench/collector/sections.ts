import { toLine } from '#collector/store/influx-line.ts';
import { toPoints } from '#collector/store/points.ts';
import { tableOf, toRows } from '#collector/store/row.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { ownRow, type Row, rounded } from '#test/bench/rows.ts';
import { usageOf } from '#test/load/collector-process.ts';
import { Device } from '#test/load/device.ts';
import { makeKits } from '#test/load/forms.ts';
import { startInfluxdb } from '#test/support/influxdb.ts';
import { type Engine, type Loaded, load, slopeAMinute } from './load.ts';

export type BenchOptions = { minutes: number; devices: number; nodeArguments: readonly string[] };

const names = { duckdb: 'DuckDB', influxdb: 'InfluxDB' } as const;
const targets = { duckdb: 20_000, influxdb: 10_000 } as const;
/** Offered to the collector: more than it is to take, so that what it takes is its own speed. */
const offered = { devices: 40, resultsPerMinute: 60_000 };
/** A run is no growth where it gains less than this a minute once it is warm. */
const growthMbAMinute = 10;
/** No judging within the run: that is measured by `devices`. */
const notWithinTheRun = 600_000;

const flooded = (engine: Engine, options: BenchOptions): Promise<Loaded> =>
  load({
    ...{ engine, devices: offered.devices, lingerMs: 0, slowRatio: 0 },
    rates: { resultsPerMinute: offered.resultsPerMinute, sampleSeconds: 60 },
    ...{ diagnoseDelayMs: notWithinTheRun, forMs: options.minutes * 60_000 },
    nodeArguments: options.nodeArguments,
  });

/** Results acknowledged and found in the store again, a second; memory over the run. */
export const ingest = async (engine: Engine, options: BenchOptions): Promise<Row[]> =>
  ingestRows(engine, await flooded(engine, options));

const ingestRows = (engine: Engine, { summary, looks, cpu, missing, more }: Loaded): Row[] => {
  const name = `ingest, ${names[engine]}`;
  const perSecond = summary.resultsPerSecond;
  const target = targets[engine];
  const growth = slopeAMinute(looks, ({ collector }) => collector.residentMb);
  return [
    ownRow(
      `${name}: stored end to end`,
      'results/s',
      perSecond,
      `>= ${target}`,
      perSecond >= target,
    ),
    ownRow(`${name}: CPU of the collector`, 'µs/result', cpu.collector),
    ownRow(`${name}: CPU of the engine's process`, 'µs/result', cpu.engine),
    ownRow(`${name}: CPU of the simulator`, 'µs/result', cpu.simulator),
    ownRow(`${name}: acknowledged, p95`, 'ms', summary.acknowledgeMs.p95 ?? Number.NaN),
    ownRow(`${name}: collector's memory grows`, 'MB/min', growth, '< 10', growth < growthMbAMinute),
    ownRow(
      `${name}: largest memory`,
      'MB',
      Math.max(...looks.map((look) => look.collector.residentMb)),
    ),
    ownRow(`${name}: acknowledged and not stored`, 'results', missing, '0', missing === 0),
    ownRow(`${name}: stored twice`, 'results', more, '0', more === 0),
  ];
};

/** The same kinds of points as ready-made lines, 5,000 a request, by the plain HTTP of InfluxDB. */
const straight = async (seconds: number): Promise<{ perSecond: number; cpu: number }> => {
  const server = await startInfluxdb();
  try {
    const query = new URLSearchParams({ q: 'CREATE DATABASE straight' });
    await fetch(`${server.url}/query`, { method: 'POST', body: query });
    const before = usageOf(server.pid).cpuSeconds;
    let [count, tookMs] = [0, 0];
    for (const body of linesOfFleet()) {
      const startedMs = performance.now();
      const answer = await fetch(`${server.url}/write?db=straight&precision=ns`, {
        method: 'POST',
        body,
      });
      tookMs += performance.now() - startedMs;
      if (answer.status !== 204) throw new Error((await answer.text()).slice(0, 500));
      count += body.split('\n').length;
      if (tookMs > seconds * 1_000) break;
    }
    const cpu = (1e6 * (usageOf(server.pid).cpuSeconds - before)) / count;
    return { perSecond: (1_000 * count) / tookMs, cpu };
  } finally {
    await server.stop();
  }
};

function* linesOfFleet(): Generator<string> {
  const { usual } = makeKits(1);
  const rates = { resultsPerMinute: offered.resultsPerMinute, sampleSeconds: 60 };
  const from = Date.now() - 3_600_000;
  const devices = Array.from({ length: offered.devices }, (_, index) => {
    const kit = usual[index % usual.length];
    if (kit === undefined) throw new Error('no kits');
    const id = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
    return new Device({ ...{ index, id, kit, rates, run: '00000000', from } });
  });
  let lines: string[] = [];
  for (let at = from + 500; at < Date.now(); at += 500) {
    for (const device of devices) {
      const batch = device.next(at);
      device.acknowledged();
      if (batch !== undefined) lines.push(...linesOf(batch.text, at));
      if (lines.length < 5_000) continue;
      yield lines.join('\n');
      lines = [];
    }
  }
}

const linesOf = (text: string, receivedAt: number): string[] => {
  const { records } = JSON.parse(text) as { records: TelemetryRecord[] };
  const points = records.flatMap((record) => toPoints(record, receivedAt));
  return [...toRows(points)].flatMap(([name, rows]) =>
    [...rows.values()].map((row) => toLine(name, tableOf(name), row, 0)),
  );
};

/** End to end through the collector, as a share of the same lines written straight to InfluxDB. */
export const ratio = async (options: BenchOptions): Promise<Row[]> => {
  const peer = await straight(Math.max(10, 20 * options.minutes));
  const ours = await flooded('influxdb', options);
  const share = ours.summary.resultsPerSecond / peer.perSecond;
  return [
    {
      name: 'ratio to lines written straight to InfluxDB',
      unit: 'results/s',
      ours: rounded(ours.summary.resultsPerSecond),
      peer: rounded(peer.perSecond),
      ratio: rounded(share),
      target: 'ratio >= 0.6',
      met: share >= 0.6,
    },
    ownRow('ratio: CPU of InfluxDB, lines written straight', 'µs/line', peer.cpu),
    ownRow('ratio: CPU of InfluxDB behind the collector', 'µs/result', ours.cpu.engine),
  ];
};

/** Devices at ten results a minute each, with verdicts. */
export const devices = async (options: BenchOptions): Promise<Row[]> => {
  let verdicts = 0;
  const forMs = options.minutes * 60_000;
  const loaded = await load(
    {
      ...{ engine: 'duckdb', devices: options.devices, lingerMs: 30_000, slowRatio: 0.02 },
      rates: { resultsPerMinute: 10, sampleSeconds: 60 },
      ...{ diagnoseDelayMs: 2_000, forMs, nodeArguments: options.nodeArguments },
    },
    async ({ collector }) => {
      await new Promise((resume) => setTimeout(resume, forMs));
      const found = await collector.ask('/v1/verdicts?limit=1000').catch(() => ({}));
      verdicts = Object.values(found).find(Array.isArray)?.length ?? 0;
    },
  );
  const { summary, cpu } = loaded;
  const name = `${summary.devices} devices`;
  const due = (summary.devices * 10 * forMs) / 60_000;
  const kept = (due - summary.owedResults) / due;
  const isEnough =
    summary.devices >= 20_000 && kept >= 0.99 && summary.seconds < forMs / 1_000 + 60;
  return [
    ownRow(
      `${name}: at ten results a minute each`,
      'devices',
      summary.devices,
      '>= 20000 kept up with',
      isEnough,
    ),
    ownRow(`${name}: taken after the last was made`, 's', summary.seconds - forMs / 1_000),
    ownRow(`${name}: verdicts at the end (of 1,000 asked for)`, 'verdicts', verdicts),
    ownRow(`${name}: CPU of the collector`, 'µs/result', cpu.collector),
    ownRow(
      `${name}: CPU of the collector`,
      'cores',
      (cpu.collector * summary.resultsPerSecond) / 1e6,
    ),
    ownRow(`${name}: acknowledged, p95`, 'ms', summary.acknowledgeMs.p95 ?? Number.NaN),
    ownRow(
      `${name}: acknowledged and not stored`,
      'results',
      loaded.missing,
      '0',
      loaded.missing === 0,
    ),
  ];
};

/** InfluxDB is killed under load and started again: from then until results are acknowledged again. */
export const recovery = async (options: BenchOptions): Promise<Row[]> => {
  let tookMs = Number.NaN;
  const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms));
  const { missing, more } = await load(
    {
      ...{ engine: 'influxdb', devices: 100, lingerMs: 1_000, slowRatio: 0 },
      rates: { resultsPerMinute: 600, sampleSeconds: 60 },
      ...{ diagnoseDelayMs: notWithinTheRun, forMs: 60_000 * Math.max(1, options.minutes) },
    },
    async ({ influxdb, acknowledged }) => {
      await pause(15_000);
      await influxdb?.kill();
      await pause(5_000);
      const startedMs = performance.now();
      await influxdb?.restart();
      // Progress is told every five seconds: what was acknowledged before the kill is told by now.
      await pause(100);
      const before = acknowledged();
      while (acknowledged() <= before) await pause(50);
      tookMs = performance.now() - startedMs;
    },
  );
  return [
    ownRow(
      'recovery: InfluxDB started again to the next acknowledgement',
      's',
      tookMs / 1_000,
      '<= 30',
      tookMs <= 30_000,
    ),
    ownRow('recovery: acknowledged and not stored', 'results', missing, '0', missing === 0),
    ownRow('recovery: stored twice', 'results', more, '0', more === 0),
  ];
};
