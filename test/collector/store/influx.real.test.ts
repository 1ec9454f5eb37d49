import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '#collector/store/open.ts';
import { PointsRefused, StoreUnavailable } from '#collector/store/store.ts';
import { type InfluxdbServer, startInfluxdb } from '#test/support/influxdb.ts';
import { makePoint } from './make-point.ts';
import { storeContract } from './store.contract.ts';

storeContract('InfluxDB 1.6', async () => {
  const server = await startInfluxdb();
  const store = await openStore({
    engine: 'influxdb',
    url: server.url,
    database: 'whyslow',
  }).catch(async (error: unknown) => {
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

  const open = (database = 'failing') =>
    openStore({ engine: 'influxdb', url: server.url, database });

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
    const config = { engine: 'influxdb', url: server.url, database: 'secret' } as const;
    await expect(openStore(config)).rejects.toThrow(StoreUnavailable);
    const wrong = openStore({ ...config, username: 'admin', password: 'wrong' });
    await expect(wrong).rejects.toThrow(/authorization|401/);
    const store = await openStore({ ...config, username: 'admin', password: 'pa:ss wörd' });
    const point = makePoint('device', 1, { device: 'd' }, { load1: 1 });
    await store.write([point]);
    expect(await store.select({ measurement: 'device', ...wide })).toEqual([point]);
    await store.stop();
  });

  it('writes to and reads from the retention policy it is given', async () => {
    const login = { username: 'admin', password: 'pa:ss wörd' };
    const config = { engine: 'influxdb', url: server.url, database: 'kept', ...login } as const;
    const standard = await openStore(config);
    const q = 'CREATE RETENTION POLICY "long" ON "kept" DURATION INF REPLICATION 1';
    const authorization = `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`;
    await fetch(`${server.url}/query`, {
      method: 'POST',
      headers: { authorization },
      body: new URLSearchParams({ q }),
    });
    const store = await openStore({ ...config, retentionPolicy: 'long' });
    const point = makePoint('device', 1, { device: 'd' }, { load1: 1 });
    await store.write([point]);
    expect(await store.select({ measurement: 'device', ...wide })).toEqual([point]);
    expect(await standard.select({ measurement: 'device', ...wide })).toEqual([]);
    await store.stop();
    await standard.stop();
  });
});
