import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLabelRows } from '#collector/state/label-rows.ts';
import type { State } from '#collector/state/state.ts';
import { openStore } from '#collector/store/open.ts';
import { PointsRefused, StoreUnavailable } from '#collector/store/store.ts';
import { openEmptyState } from '#test/support/empty-state.ts';
import { type InfluxdbServer, startInfluxdb } from '#test/support/influxdb.ts';
import { makePoint } from './make-point.ts';
import { storeContract } from './store.contract.ts';

let folder: string;
let state: State;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'whyslow-labels-'));
  state = await openEmptyState(join(folder, 'state'));
});
afterAll(async () => {
  await state?.stop();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

/** As each collector has it: by a cache of its own over the same state. */
const openOn = (
  server: InfluxdbServer,
  database: string,
  more: { username?: string; password?: string; retentionPolicy?: string } = {},
) =>
  openStore({
    engine: 'influxdb',
    url: server.url,
    database,
    labelNumbers: createLabelRows(state.db),
    ...more,
  });

storeContract('InfluxDB 1.6', async () => {
  const server = await startInfluxdb();
  const store = await openOn(server, 'whyslow').catch(async (error: unknown) => {
    await server.stop();
    throw error;
  });
  return {
    store,
    async stop() {
      await store.stop();
      await server.stop();
    },
  };
});

const wide = { fromMs: 0, toMs: 4_102_444_800_000, limit: 100_000 };

describe('a store on an InfluxDB that fails', () => {
  let server: InfluxdbServer;
  beforeAll(async () => {
    server = await startInfluxdb({ maxValuesPerTag: 5 });
  });
  afterAll(() => server?.stop());

  const open = (database = 'failing') => openOn(server, database);

  it('stores the good points of a call when InfluxDB refuses others, and says how many', async () => {
    const store = await open('partial');
    const points = (count: number, fromMs: number) =>
      Array.from({ length: count }, (_, i) =>
        makePoint('device', fromMs + i, { device: `d${i % 8}` }, { load1: 1 }),
      );
    // The limit of 5 is held against what was there before a request.
    await store.write(points(5, 0));
    const error = await store.write(points(40, 100)).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(PointsRefused);
    expect(error).toMatchObject({ refusedCount: 15 });
    expect(error).not.toBeInstanceOf(StoreUnavailable);
    const found = await store.select({ measurement: 'device', ...wide });
    expect(found.filter(({ timeMs }) => timeMs >= 100)).toEqual(
      points(40, 100).filter((_, i) => i % 8 < 5),
    );
    await store.stop();
  });

  it('stores the good points beside one whose field has another kind there', async () => {
    const store = await open('kinds');
    const write = (body: string) =>
      fetch(`${server.url}/write?db=kinds&precision=ms`, { method: 'POST', body });
    expect((await write('device,device=d load1="text" 5')).status).toBe(204);
    const good = makePoint('device', 5, { device: 'd' }, { spool_bytes: 1 });
    const bad = makePoint('device', 6, { device: 'd' }, { load1: 0.5 });
    const refused = store.write([good, bad]);
    await expect(refused).rejects.toThrow(/load1.*type float, already exists as type string/);
    await expect(refused).rejects.toMatchObject({ refusedCount: 1 });
    const found = await store.select({ measurement: 'device', fromMs: 5, toMs: 7, limit: 10 });
    expect(found).toEqual([good]);
    await store.stop();
  });

  it('is unavailable while the server is away, and loses nothing acknowledged over its crash', async () => {
    const store = await open();
    const [before, meanwhile] = [1, 2].map((ms) =>
      makePoint('device', ms, { device: 'd' }, { load1: ms }),
    );
    await store.write([before as never]);
    await server.kill();
    await expect(store.write([meanwhile as never])).rejects.toThrow(StoreUnavailable);
    await expect(store.select({ measurement: 'device', ...wide })).rejects.toThrow(
      StoreUnavailable,
    );
    await expect(store.ping()).rejects.toThrow(StoreUnavailable);
    await expect(open()).rejects.toThrow(StoreUnavailable);
    await server.restart();
    expect(await store.select({ measurement: 'device', ...wide })).toEqual([before]);
    await store.write([meanwhile as never]);
    expect(await store.select({ measurement: 'device', ...wide })).toHaveLength(2);
    await store.stop();
  });

  it('is unavailable, within seconds, when the server does not answer', async () => {
    const store = await open();
    server.pause();
    try {
      const before = performance.now();
      await expect(store.ping()).rejects.toThrow(StoreUnavailable);
      expect(performance.now() - before).toBeLessThan(20_000);
    } finally {
      server.resume();
      await store.stop();
    }
  });

  it('is unavailable when its database is dropped, as a sender then keeps its points', async () => {
    const store = await open('dropped');
    await fetch(`${server.url}/query`, {
      method: 'POST',
      body: new URLSearchParams({ q: 'DROP DATABASE dropped' }),
    });
    const point = makePoint('device', 1, { device: 'd' }, { load1: 1 });
    await expect(store.write([point])).rejects.toThrow(StoreUnavailable);
    await expect(store.select({ measurement: 'device', ...wide })).rejects.toThrow(
      StoreUnavailable,
    );
    await store.stop();
  });
});

describe('labels in InfluxDB', () => {
  let server: InfluxdbServer;
  beforeAll(async () => {
    server = await startInfluxdb();
  });
  afterAll(() => server?.stop());

  const ask = async (database: string, q: string): Promise<unknown[][]> => {
    const response = await fetch(`${server.url}/query`, {
      method: 'POST',
      body: new URLSearchParams({ q, db: database }),
    });
    const { results } = (await response.json()) as {
      results: { series?: { values: unknown[][] }[] }[];
    };
    return (results[0]?.series ?? []).flatMap(({ values }) => values);
  };

  it('make no series: a device has one of each measurement, whatever it measures', async () => {
    const store = await openOn(server, 'series');
    const runs = Array.from({ length: 200 }, (_, n) =>
      makePoint('http', 1_000, { device: `d${n % 2}`, app: `a${n}`, probe: `p${n}` }, { ok: 1 }),
    );
    await store.write(runs);
    expect(await ask('series', 'SHOW SERIES')).toEqual([['http,device=d0'], ['http,device=d1']]);
    expect(await store.select({ measurement: 'http', ...wide })).toHaveLength(200);
    await store.stop();
  });

  it('are numbered alike by collectors that write at once and see them for the first time', async () => {
    const stores = await Promise.all([1, 2, 3].map(() => openOn(server, 'at-once')));
    const points = Array.from({ length: 90 }, (_, n) =>
      makePoint('leg', 5, { device: 'd', app: `new-${n % 9}`, segment: `s${n}` }, { ms: n }),
    );
    await Promise.all(stores.map((store, i) => store.write(points.slice(i * 20))));
    await Promise.all(stores.map((store) => store.write(points)));
    for (const store of stores) {
      const found = await store.select({ measurement: 'leg', ...wide });
      expect(found.map(({ fields }) => fields.ms).sort((a, b) => Number(a) - Number(b))).toEqual(
        points.map((_, n) => n),
      );
      await store.stop();
    }
  });

  it('that find no number free are refused by name, and all other points are stored', async () => {
    const all = createLabelRows(state.db);
    const store = await openStore({
      engine: 'influxdb',
      url: server.url,
      database: 'full',
      // The same table, full sooner.
      labelNumbers: {
        numbersOf: (asked) =>
          all
            .numbersOf(
              asked.map((one) => ({ ...one, measurement: `full-${one.measurement}` })),
              2,
            )
            .then((found) =>
              found.map((one) => ({ ...one, measurement: one.measurement.slice('full-'.length) })),
            ),
      },
    });
    const of = (app: string) => makePoint('verdict', 7, { device: 'd', app }, { score: 1 });
    await store.write([of('a'), of('b')]);
    const other = makePoint('device', 7, { device: 'd' }, { load1: 1 });
    const refused = store.write([of('a'), of('c'), of('d'), other]);
    await expect(refused).rejects.toThrow(/1000000 combinations of labels that verdict can have/);
    await expect(refused).rejects.toMatchObject({ name: 'PointsRefused', refusedCount: 2 });
    expect(await store.select({ measurement: 'verdict', ...wide })).toEqual([of('a'), of('b')]);
    expect(await store.select({ measurement: 'device', ...wide })).toEqual([other]);
    await store.stop();
  });

  it('are not mixed with the tags of an older version: such a database is refused by name', async () => {
    const store = await openOn(server, 'older');
    await store.stop();
    const write = await fetch(`${server.url}/write?db=older&precision=ms`, {
      method: 'POST',
      body: 'other,app=a value=1 1\nhttp,device=d,app=a,probe=p ok=1i 1',
    });
    expect(write.status).toBe(204);
    await expect(openOn(server, 'older')).rejects.toThrow(
      /database older was written by an older whyslow \(its http has the tags app, probe\).*new database/,
    );
  });
});

describe('a store on an InfluxDB with users', () => {
  let server: InfluxdbServer;
  beforeAll(async () => {
    server = await startInfluxdb({ auth: true });
    const create = `CREATE USER "admin" WITH PASSWORD 'pa:ss wörd' WITH ALL PRIVILEGES`;
    await fetch(`${server.url}/query`, {
      method: 'POST',
      body: new URLSearchParams({ q: create }),
    });
  });
  afterAll(() => server?.stop());

  it('gives its name and password, and is unavailable with wrong ones', async () => {
    await expect(openOn(server, 'secret')).rejects.toThrow(StoreUnavailable);
    const wrong = openOn(server, 'secret', { username: 'admin', password: 'wrong' });
    await expect(wrong).rejects.toThrow(/authorization|401/);
    const store = await openOn(server, 'secret', { username: 'admin', password: 'pa:ss wörd' });
    const point = makePoint('device', 1, { device: 'd' }, { load1: 1 });
    await store.write([point]);
    expect(await store.select({ measurement: 'device', ...wide })).toEqual([point]);
    await store.stop();
  });

  it('writes to and reads from the retention policy it is given', async () => {
    const login = { username: 'admin', password: 'pa:ss wörd' };
    const standard = await openOn(server, 'kept', login);
    const q = 'CREATE RETENTION POLICY "long" ON "kept" DURATION INF REPLICATION 1';
    const authorization = `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`;
    await fetch(`${server.url}/query`, {
      method: 'POST',
      headers: { authorization },
      body: new URLSearchParams({ q }),
    });
    const store = await openOn(server, 'kept', { ...login, retentionPolicy: 'long' });
    const point = makePoint('device', 1, { device: 'd' }, { load1: 1 });
    await store.write([point]);
    expect(await store.select({ measurement: 'device', ...wide })).toEqual([point]);
    expect(await standard.select({ measurement: 'device', ...wide })).toEqual([]);
    await store.stop();
    await standard.stop();
  });
});
