import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { createLabelRows } from '#collector/state/label-rows.ts';
import { toLine } from '#collector/store/influx-line.ts';
import { openStore } from '#collector/store/open.ts';
import { tableOf, toRows } from '#collector/store/row.ts';
import type { Point } from '#collector/store/schema.ts';
import type { AggregateRow, Store } from '#collector/store/store.ts';
import { makePoint, seededRandom } from '#test/collector/store/make-point.ts';
import { openEmptyState } from '#test/support/empty-state.ts';
import { startInfluxdb } from '#test/support/influxdb.ts';

/**
 * Points written a second and the 95th percentile of query times on DuckDB and on Debian's
 * InfluxDB. The peer of writing is the engine by itself with nothing of ours around it: DuckDB's
 * SQL from its own generator, InfluxDB fed with lines made beforehand. What was written is checked
 * by count and sum, and the two engines' answers against each other by hash.
 */
type Row = {
  name: string;
  unit: string;
  ours: number;
  peer: number | null;
  ratio: number | null;
  target: number | null;
  met: boolean | null;
};

const { values: options } = parseArgs({
  options: { json: { type: 'string' }, points: { type: 'string', default: '200000' } },
});
const pointCount = Number(options.points);
const batchSize = 5_000;
const deviceCount = 50;
const startMs = 1_700_000_000_000 - (1_700_000_000_000 % 3_600_000);
const stepMs = 100;
const range = { fromMs: startMs, toMs: startMs + pointCount * stepMs };

/** As HTTP results come in: 50 devices, 10 applications, two ways, in order of time. */
const batch = (number: number): Point<'http'>[] => {
  const random = seededRandom(number);
  return Array.from({ length: batchSize }, (_, i) => {
    const n = number * batchSize + i;
    const device = `00000000-0000-4000-8000-${String(n % deviceCount).padStart(12, '0')}`;
    const tags = {
      device,
      app: `app-${Math.floor(n / deviceCount) % 10}`,
      probe: 'http',
      via: n % 2 === 0 ? 'tunnel' : 'direct',
      edge: 'fra-1',
    };
    return makePoint('http', startMs + n * stepMs, tags, {
      result_id: `${device.slice(0, 24)}${String(n).padStart(12, '0')}`,
      ok: 1,
      distorted: 0,
      run_ms: 400 + random() * 100,
      loop_delay_ms: random(),
      received_at_ms: startMs + n * stepMs + 1_200,
      url: 'https://application.example/home',
      status: 200,
      redirect_count: 0,
      duration_ms: 300 + random() * 100,
      proxy_connect_ms: random() * 20,
      tls_ms: random() * 40,
      wait_ms: Math.round(random() * 200_000) / 1_000,
      receive_ms: random() * 10,
      body_bytes: 50_000,
      remote_address: '127.0.0.1',
      attempt_count: 1,
      edge_queue_ms: random(),
      edge_dns_ms: random() * 3,
      edge_connect_ms: random() * 15,
      edge_address: '192.0.2.7',
      certificate_days_left: 60,
    });
  });
};

const batchNumbers = Array.from({ length: pointCount / batchSize }, (_, n) => n);

const rowOf = (
  name: string,
  unit: string,
  ours: number,
  more: { peer?: number; target?: number; lessIsBetter?: boolean } = {},
): Row => {
  const { peer = null, target = null, lessIsBetter = false } = more;
  const round = (value: number) => Math.round(value * 100) / 100;
  return {
    name,
    unit,
    ours: round(ours),
    peer: peer === null ? null : round(peer),
    ratio: peer === null ? null : round(ours / peer),
    target,
    met: target === null ? null : lessIsBetter ? ours <= target : ours >= target,
  };
};

/** Seconds that the work itself took; making the points is not counted. */
const writeAll = async (store: Store): Promise<number> => {
  let tookMs = 0;
  for (const number of batchNumbers) {
    const points = batch(number);
    const before = performance.now();
    await store.write(points);
    tookMs += performance.now() - before;
  }
  return tookMs / 1_000;
};

/** As ingest does: eight senders at once, 50 points each, over and over. */
const writeSmall = async (store: Store): Promise<number> => {
  const points = batch(0);
  const small = Array.from({ length: 100 }, (_, i) => points.slice(i * 50, i * 50 + 50));
  const before = performance.now();
  await Promise.all(
    [0, 1, 2, 3, 4, 5, 6, 7].map(async (sender) => {
      for (let i = sender; i < small.length; i += 8) await store.write(small[i] ?? []);
    }),
  );
  return points.length / ((performance.now() - before) / 1_000);
};

const all = { measurement: 'http', ...range } as const;

const checkStored = async (store: Store): Promise<string> => {
  const [total] = await store.aggregate({ ...all, field: 'wait_ms', statistics: ['count', 'sum'] });
  const expected = batchNumbers
    .flatMap((n) => batch(n).map((point) => point.fields.wait_ms ?? 0))
    .reduce((sum, value) => sum + value, 0);
  const { count, sum } = total?.values ?? {};
  if (count !== pointCount) throw new Error(`${store.engine} has ${count} of ${pointCount} points`);
  if (Math.abs((sum ?? 0) - expected) > 0.01) throw new Error(`${store.engine} sums to ${sum}`);
  const answers = await Promise.all([
    store.aggregate({
      ...all,
      field: 'wait_ms',
      statistics: ['count', 'min', 'max', 'median', 'p95'],
      by: ['app', 'via'],
    }),
    store.aggregate({
      ...all,
      field: 'wait_ms',
      statistics: ['p95'],
      by: ['device'],
      everyMs: 600_000,
    }),
  ]);
  return hashOf(answers.flat());
};

const hashOf = (rows: readonly AggregateRow[]): string =>
  createHash('sha256')
    .update(
      JSON.stringify(rows, (_, value) =>
        typeof value === 'number' ? Number(value.toFixed(6)) : value,
      ),
    )
    .digest('hex');

const p95Ms = async (ask: (n: number) => Promise<unknown[]>, times = 60): Promise<number> => {
  const took: number[] = [];
  for (let n = 0; n < times; n += 1) {
    const before = performance.now();
    const rows = await ask(n);
    took.push(performance.now() - before);
    if (rows.length === 0) throw new Error('a query without an answer is no measurement');
  }
  took.sort((a, b) => a - b);
  return took[Math.ceil(times * 0.95) - 1] ?? Number.NaN;
};

const queries = (store: Store, engine: string): Promise<Row[]> => {
  const tags = (n: number) => ({
    device: `00000000-0000-4000-8000-${String(n % deviceCount).padStart(12, '0')}`,
    app: `app-${n % 10}`,
  });
  const timed = async (
    name: string,
    ask: (n: number) => Promise<unknown[]>,
    target: number,
    times?: number,
  ) =>
    rowOf(`${engine}: ${name}, p95`, 'ms', await p95Ms(ask, times), { target, lessIsBetter: true });
  return inOrder([
    () =>
      timed(
        'newest 500 runs of one device and application',
        (n) => store.select({ ...all, tags: tags(n), order: 'newest-first', limit: 500 }),
        200,
      ),
    () =>
      timed(
        'one device and application in 1-minute buckets',
        (n) =>
          store.aggregate({
            ...all,
            field: 'wait_ms',
            statistics: ['median', 'p95'],
            tags: tags(n),
            everyMs: 60_000,
          }),
        200,
      ),
    () =>
      timed(
        'every application over all devices',
        () =>
          store.aggregate({
            ...all,
            field: 'wait_ms',
            statistics: ['count', 'median', 'p95'],
            by: ['app'],
          }),
        1_000,
        20,
      ),
    () => timed('values of a tag', () => store.tagValues({ ...all, tag: 'device' }), 500, 20),
  ]);
};

const inOrder = async <T>(work: readonly (() => Promise<T>)[]): Promise<T[]> => {
  const results: T[] = [];
  for (const one of work) results.push(await one());
  return results;
};

/** DuckDB's own speed into a table of the same width, from numbers it makes itself: no JavaScript. */
const duckdbByItself = async (folder: string): Promise<number> => {
  const instance = await DuckDBInstance.create(join(folder, 'peer.duckdb'));
  const connection = await instance.connect();
  const { tags, fields } = tableOf('http');
  const texts = [
    ...tags,
    ...Object.entries(fields).flatMap(([f, kind]) => (kind === 'string' ? [f] : [])),
  ];
  const numbers = Object.entries(fields).flatMap(([f, kind]) => (kind === 'string' ? [] : [f]));
  const columns = [
    'range as time_ms',
    ...texts.map((name) => `'text-' || range % 50 as "${name}"`),
    ...numbers.map((name) => `random() as "${name}"`),
  ].join(', ');
  await connection.run(`create table peer as select ${columns} from range(0)`);
  const before = performance.now();
  for (const n of batchNumbers) {
    await connection.run(
      `insert into peer select ${columns} from range(${n * batchSize}, ${(n + 1) * batchSize})`,
    );
  }
  const took = (performance.now() - before) / 1_000;
  connection.disconnectSync();
  instance.closeSync();
  return pointCount / took;
};

const benchDuckdb = async (folder: string): Promise<{ rows: Row[]; hash: string }> => {
  const peer = await duckdbByItself(folder);
  const store = await openStore({ engine: 'duckdb', file: join(folder, 'series.duckdb') });
  const perSecond = pointCount / (await writeAll(store));
  const small = await writeSmall(store);
  const hash = await checkStored(store);
  const rows = [
    rowOf('DuckDB: points written, 5,000 a call', 'points/s', perSecond, { peer, target: 50_000 }),
    rowOf('DuckDB: points written, 8 senders of 50', 'points/s', small),
    ...(await queries(store, 'DuckDB')),
  ];
  await store.stop();
  return { rows, hash };
};

const influxByItself = async (url: string): Promise<number> => {
  await fetch(`${url}/query`, {
    method: 'POST',
    body: new URLSearchParams({ q: 'CREATE DATABASE peer' }),
  });
  let tookMs = 0;
  for (const number of batchNumbers) {
    const rows = [...(toRows(batch(number)).get('http')?.values() ?? [])];
    const body = rows.map((row) => toLine('http', tableOf('http'), row, 0)).join('\n');
    const before = performance.now();
    const answer = await fetch(`${url}/write?db=peer&precision=ns`, { method: 'POST', body });
    tookMs += performance.now() - before;
    if (answer.status !== 204) throw new Error(await answer.text());
  }
  await fetch(`${url}/query`, {
    method: 'POST',
    body: new URLSearchParams({ q: 'DROP DATABASE peer' }),
  });
  return pointCount / (tookMs / 1_000);
};

const benchInfluxdb = async (): Promise<{ rows: Row[]; hash: string }> => {
  const server = await startInfluxdb();
  const folder = mkdtempSync(join(tmpdir(), 'whyslow-bench-'));
  const state = await openEmptyState(join(folder, 'state'));
  try {
    const peer = await influxByItself(server.url);
    const store = await openStore({
      engine: 'influxdb',
      url: server.url,
      database: 'bench',
      labelNumbers: createLabelRows(state.db),
    });
    const perSecond = pointCount / (await writeAll(store));
    const small = await writeSmall(store);
    const hash = await checkStored(store);
    const rows = [
      rowOf('InfluxDB: points written, 5,000 a call', 'points/s', perSecond, { peer }),
      rowOf('InfluxDB: points written, 8 senders of 50', 'points/s', small),
      ...(await queries(store, 'InfluxDB')),
    ];
    await store.stop();
    return { rows, hash };
  } finally {
    await state.stop();
    rmSync(folder, { recursive: true, force: true });
    await server.stop();
  }
};

const folder = mkdtempSync(join(tmpdir(), 'whyslow-bench-'));
try {
  const duckdb = await benchDuckdb(folder);
  const influxdb = await benchInfluxdb();
  const same = duckdb.hash === influxdb.hash ? 1 : 0;
  const rows = [
    ...duckdb.rows,
    ...influxdb.rows,
    rowOf('both engines give the same answers (hash)', '0 or 1', same, { target: 1 }),
  ];
  for (const { name, unit, ours, peer, target, met } of rows) {
    const beside = peer === null ? '' : ` (engine by itself ${peer})`;
    const judged = target === null ? '' : ` target ${target} ${met ? 'met' : 'MISSED'}`;
    console.log(`${name.padEnd(64)} ${String(ours).padStart(10)} ${unit}${beside}${judged}`);
  }
  console.log(`memory of this process ${Math.round(process.memoryUsage().rss / 1e6)} MB`);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
  if (same !== 1) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
