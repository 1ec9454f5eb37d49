import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createRollupRows } from '#collector/control/rollup-rows.ts';
import { defaultRetention, tiersOf } from '#collector/retention.ts';
import { createRollup } from '#collector/rollup/job.ts';
import { binMs } from '#collector/rollup/tiers.ts';
import { createLabelRows } from '#collector/state/label-rows.ts';
import { organisationVersions } from '#collector/state/schema.ts';
import type { State } from '#collector/state/state.ts';
import { openStore } from '#collector/store/open.ts';
import type { Store } from '#collector/store/store.ts';
import { applicationView } from '#collector/triage/application.ts';
import { listApplications } from '#collector/triage/applications.ts';
import { windowOf } from '#collector/triage/window.ts';
import { silentLog } from '#runtime/log.ts';
import { asGrafana } from '#test/dashboards/as-grafana.ts';
import { allQueries } from '#test/dashboards/read-dashboards.ts';
import { openEmptyState } from '#test/support/empty-state.ts';
import { startInfluxdb } from '#test/support/influxdb.ts';
import { makeFolder, removeFolder } from '#test/support/server-process.ts';
import { appIds, createMonth, deviceIdOf, type Month } from './collector/month.ts';
import { ownRow, type Row } from './rows.ts';

/**
 * Thirty days of an organisation in each engine, rolled up by the collector's own code; then what the
 * dashboards and the triage pages ask over all of it, each question timed, the slowest of three.
 * `tsx test/bench/collector-dashboards.ts [--points 10000000] [--engine duckdb|influxdb] [--json FILE]`
 */
const targetMs = 1_000;

const dashboardRows = async (pointCount: number, engines: readonly string[]): Promise<Row[]> => {
  const rows: Row[] = [];
  for (const engine of engines) {
    const folder = makeFolder('bench-dashboards');
    const state = await openEmptyState(join(folder, 'state'));
    try {
      await declare(state);
      const month = createMonth(pointCount);
      rows.push(
        ...(engine === 'duckdb'
          ? await onDuckdb(folder, state, month)
          : await onInfluxdb(state, month)),
      );
    } finally {
      await state.stop();
      removeFolder(folder);
    }
  }
  return rows;
};

const declare = async (state: State): Promise<void> => {
  const applications = appIds.map((id) => ({ id, name: id, hosts: [], probes: [] }));
  const document = { version: 1, applications };
  const row = { version: 1, document, author: 'bench', appliedAt: 0 };
  await state.db.insert(organisationVersions).values(row);
};

const onDuckdb = async (folder: string, state: State, month: Month): Promise<Row[]> => {
  const store = await openStore({ engine: 'duckdb', file: join(folder, 'series.duckdb') });
  try {
    const rows = await fillAndRollUp(store, state, month);
    rows.push(...(await triageRows(store, state, month)));
    return [...rows, ...(await expiryRows(store, month))];
  } finally {
    await store.stop();
  }
};

const onInfluxdb = async (state: State, month: Month): Promise<Row[]> => {
  const server = await startInfluxdb();
  const labelNumbers = createLabelRows(state.db);
  const options = { url: server.url, database: 'bench', labelNumbers };
  const store = await openStore({ engine: 'influxdb', ...options });
  try {
    const rows = await fillAndRollUp(store, state, month);
    rows.push(...(await grafanaRows(server.url, month)));
    rows.push(...(await triageRows(store, state, month)));
    return [...rows, ...(await expiryRows(store, month))];
  } finally {
    await store.stop();
    await server.stop();
  }
};

const fillAndRollUp = async (store: Store, state: State, month: Month): Promise<Row[]> => {
  const said = names[store.engine];
  let written = 0;
  const startedMs = performance.now();
  for (const batch of month.batches()) {
    await store.write(batch);
    written += batch.length;
  }
  const fillSeconds = (performance.now() - startedMs) / 1_000;
  console.error(`${said}: ${written} raw points in ${fillSeconds.toFixed(0)} s`);
  const cpuBefore = process.cpuUsage();
  const rolledFromMs = performance.now();
  await rollUp(store, state, month.endMs);
  const seconds = (performance.now() - rolledFromMs) / 1_000;
  const cpu = process.cpuUsage(cpuBefore);
  await checkCounts(store, month);
  const cpuUs = (cpu.user + cpu.system) / month.rolledUpCount;
  return [
    ownRow(`${said}: raw points over 30 days`, 'points', written),
    ownRow(`${said}: points rolled up a second`, 'points/s', month.rolledUpCount / seconds),
    ownRow(`${said}: processor of the collector a point rolled up`, 'µs', cpuUs),
  ];
};

const names = { duckdb: 'DuckDB', influxdb: 'InfluxDB' } as const;

/** The job as a collector runs it, without its pauses. */
const rollUp = async (store: Store, state: State, nowMs: number): Promise<void> => {
  let isMore = true;
  const enqueue = async (): Promise<void> => {
    isMore = true;
  };
  const job = createRollup({
    ...{ store, rows: createRollupRows(state.db), rawMs: 31 * 86_400_000, worker: 'bench' },
    ...{ jobs: { engine: 'in-process', enqueue }, now: () => nowMs, log: silentLog() },
  });
  while (isMore) {
    isMore = false;
    await job();
  }
};

/** All that is over is in both tiers, or the times below are of nothing. */
const checkCounts = async (store: Store, month: Month): Promise<void> => {
  const madeToMs = Math.floor((month.endMs - 150_000) / binMs) * binMs;
  const range = { fromMs: 0, toMs: madeToMs };
  const query = { measurement: 'http', field: 'received_at_ms', statistics: ['count'] } as const;
  const [raw] = await store.aggregate({ ...query, ...range });
  const fields = ['run_count'] as const;
  const [rolled] = await store.merge({ measurement: 'http_5m', fields, ...range });
  if (raw === undefined || rolled?.values['run_count'] !== raw.values.count) {
    throw new Error(`${rolled?.values['run_count']} runs rolled up of ${raw?.values.count}`);
  }
};

/** Every query of every panel as Grafana sends it over 30 days, drawn in hours. */
const grafanaRows = async (url: string, month: Month): Promise<Row[]> => {
  const range = { fromMs: month.startMs, toMs: month.endMs };
  const chosen = { device: [deviceIdOf(0)], app: [appIds[0] ?? ''], edge: ['edge-0'] };
  const slowest = new Map<string, { ms: number; from: string; count: number; over: number }>();
  for (const { from, query, variables } of allQueries()) {
    const hourly = query.replaceAll('$__interval', '1h');
    const several = variables.filter(({ multi }) => multi).map(({ name }) => [name, 'All']);
    for (const choice of [chosen, { ...chosen, ...Object.fromEntries(several) }]) {
      const text = asGrafana(hourly, variables, choice, range);
      const ms = await slowestOf(() => askInfluxdb(url, text));
      const [title = ''] = from.split(' / ');
      const known = slowest.get(title) ?? { ms: 0, from, count: 0, over: 0 };
      const isSlower = ms > known.ms;
      slowest.set(title, {
        ...(isSlower ? { ms, from } : { ms: known.ms, from: known.from }),
        count: known.count + 1,
        over: known.over + (ms > targetMs ? 1 : 0),
      });
    }
  }
  return [...slowest].map(([title, { ms, from, count, over }]) => {
    const panel = from.split(' / ').slice(1).join(' / ');
    const what = `${over} of ${count} over 1 s, slowest ${panel}`;
    return timed(`InfluxDB, Grafana: ${title}: ${what}`, ms);
  });
};

const askInfluxdb = async (url: string, q: string): Promise<void> => {
  const body = new URLSearchParams({ q });
  const response = await fetch(`${url}/query?db=bench&epoch=ms`, { method: 'POST', body });
  const answer = (await response.json()) as { error?: string; results?: { error?: string }[] };
  const error = answer.error ?? answer.results?.[0]?.error;
  if (error !== undefined) throw new Error(`${error}: ${q}`);
};

const triageRows = async (store: Store, state: State, { endMs }: Month): Promise<Row[]> => {
  const parts = { store, state };
  const window = windowOf('30d', endMs);
  const said = names[store.engine];
  const views = {
    'all applications': async () => {
      const found = await listApplications(parts, window, endMs);
      const isDrawn = found.every(({ trend }) => trend.lines[0]?.values.some((v) => v !== null));
      if (found.length !== appIds.length || !isDrawn) throw new Error('an empty list');
    },
    'one application': async () => {
      const found = await applicationView(parts, appIds[0] ?? '', window, endMs);
      if ((found?.charts.length ?? 0) < 3) throw new Error('an empty view');
    },
  };
  const rows: Row[] = [];
  for (const [name, ask] of Object.entries(views)) {
    rows.push(timed(`${said}: triage view of ${name}, 30 days`, await slowestOf(ask)));
  }
  return rows;
};

/** What an hourly expiry finds to delete, of each tier. */
const expiryRows = async (store: Store, { startMs }: Month): Promise<Row[]> => {
  const beforeMs = performance.now();
  for (const { of } of tiersOf(defaultRetention)) await store.deleteBefore(startMs + 3_600_000, of);
  const ms = performance.now() - beforeMs;
  return [ownRow(`${names[store.engine]}: the oldest hour deleted, all tiers`, 'ms', ms)];
};

const slowestOf = async (ask: () => Promise<unknown>): Promise<number> => {
  let slowest = 0;
  for (let times = 0; times < 3; times += 1) {
    const before = performance.now();
    await ask();
    slowest = Math.max(slowest, performance.now() - before);
  }
  return slowest;
};

const timed = (name: string, ms: number): Row => ownRow(name, 'ms', ms, '< 1000', ms < targetMs);

const { values } = parseArgs({
  options: {
    points: { type: 'string', default: '10000000' },
    engine: { type: 'string', default: 'duckdb,influxdb' },
    json: { type: 'string' },
  },
});
const rows = await dashboardRows(Number(values.points), values.engine.split(','));
for (const { name, unit, ours, target, met } of rows) {
  const judged = met === null ? '' : `  ${target}: ${met ? 'met' : 'MISSED'}`;
  console.log(`${String(ours).padStart(10)} ${unit.padEnd(8)} ${name}${judged}`);
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
