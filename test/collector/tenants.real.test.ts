import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openJobs } from '#collector/jobs/open.ts';
import { openState } from '#collector/state/open.ts';
import { silentLog } from '#runtime/log.ts';
import {
  type Answer,
  type CollectorLab,
  type Holder,
  startCollectorLab,
} from '#test/support/collector-lab.ts';
import { type InfluxdbServer, startInfluxdb } from '#test/support/influxdb.ts';
import { type PostgresServer, startPostgres } from '#test/support/postgres.ts';
import { type RedisServer, startRedis } from '#test/support/redis.ts';
import { makeFolder, removeFolder } from '#test/support/server-process.ts';
import { slowResults } from '#test/support/slow-results.ts';
import { makeEvent } from '#test/support/telemetry.ts';
import { waitUntil } from '#test/support/wait-until.ts';

/** A tenant with something of its own in every place, and words that stand nowhere else. */
type Tenant = {
  name: string;
  canary: RegExp;
  lab: CollectorLab;
  device: Holder;
  edge: Holder;
  cookie: string;
  ids: Record<string, string>;
};

let postgres: PostgresServer;
let redis: RedisServer;
let influxdb: InfluxdbServer;
let folder: string;
let acme: Tenant;
let bolt: Tenant;

beforeAll(async () => {
  [postgres, redis, influxdb] = await Promise.all([startPostgres(), startRedis(), startInfluxdb()]);
  // One folder for both: what is a tenant's own must be so by itself.
  folder = makeFolder('tenants');
  [acme, bolt] = await Promise.all([furnish('acme'), furnish('bolt')]);
}, 240_000);
afterAll(async () => {
  await Promise.all([acme?.lab.stop(), bolt?.lab.stop()]);
  await Promise.all([postgres?.stop(), redis?.stop(), influxdb?.stop()]);
  removeFolder(folder);
}, 120_000);

const furnish = async (name: string): Promise<Tenant> => {
  const lab = await startCollectorLab({
    tenant: name,
    stateFolder: folder,
    store: { engine: 'influxdb', url: influxdb.url, database: 'whyslow' },
    state: { engine: 'postgres', url: postgres.url },
    jobs: { engine: 'bullmq', redisUrl: redis.url },
  });
  const canary = `canary${name}`;
  const appId = `${canary}-crm`;
  const applications = [{ id: appId, name: `${canary} CRM`, hosts: [], probes: [] }];
  const webhooks = [
    {
      id: `${canary}-hook`,
      url: `http://127.0.0.1:9/${canary}`,
      secret: `whsec_${Buffer.from(`${canary}-secret-of-32-bytes-length`).toString('base64')}`,
    },
  ];
  const body = { version: 1, applications, webhooks };
  const applied = await lab.operator('/v1/organisation', { method: 'PUT', body });
  expect(applied.text).toContain('"changed":true');
  await lab.operator('/v1/operators', { method: 'POST', body: { name: canary, role: 'viewer' } });
  await lab.makeToken({ role: 'device', note: canary });
  const device = await lab.enrollDevice(`${canary}-laptop`);
  const edge = await lab.enrollEdge(`${canary}-edge`);
  const results = slowResults({
    deviceId: device.id,
    appId,
    endMs: Date.now(),
    usualCount: 30,
    slowCount: 6,
  });
  const records = [...results, makeEvent(device.id, `${canary} moved`)];
  expect((await lab.postBatch(device, records)).status).toBe(200);
  const entered = await lab.operator(`/enter?token=${lab.operatorToken}`, { token: null });
  const [result] = results;
  return {
    name,
    canary: new RegExp(`${canary}|${device.id}`),
    lab,
    device,
    edge,
    cookie: String(entered.headers['set-cookie']).split(';')[0] ?? '',
    ids: {
      id: device.id,
      deviceId: device.id,
      appId,
      resultId: result?.id ?? '',
      runRequestId: randomUUID(),
      incidentId: randomUUID(),
      version: '1',
      kind: 'screenshot',
      name: 'batch',
      edgeId: edge.id,
    },
  };
};

/** Readable without any right, and about no tenant; `/v1/ca` is each one's public certificate. */
const open = new Set([
  '/healthz',
  '/readyz',
  '/generate_204',
  '/v1/schemas',
  '/v1/schemas/{name}',
  '/openapi.json',
  '/enter',
  '/v1/ca',
]);
const pages = [
  '/',
  '/applications/{appId}',
  '/devices',
  '/devices/{deviceId}',
  '/devices/{deviceId}/applications/{appId}',
  '/incidents',
  '/incidents/shared/{incidentId}',
  '/edges',
];

/** Every path that reads, from the document the collector gives out itself, and the pages. */
const readable = async (tenant: Tenant) => {
  const { paths } = (await tenant.lab.operator('/openapi.json')).json as {
    paths: Record<string, { get?: object; servers: { description: string }[] }>;
  };
  const documented = Object.entries(paths).filter(([path, { get }]) => get && !open.has(path));
  const of = (isDevice: boolean) =>
    documented
      .filter(([, { servers }]) => servers[0]?.description.startsWith('devices') === isDevice)
      .map(([path]) => path);
  return { operator: [...of(false), ...pages], device: of(true) };
};

const fill = (path: string, ids: Record<string, string>): string =>
  path.replace(/\{(\w+)\}/g, (_all, name: string) => {
    const id = path.startsWith('/v1/edges/') ? ids['edgeId'] : ids[name];
    if (id === undefined) throw new Error(`${path}: no ${name} to ask for`);
    return encodeURIComponent(id);
  });

const refused = (answer: Answer, of: Tenant, what: string): void => {
  expect([401, 403, 404], `${what}: ${answer.text.slice(0, 200)}`).toContain(answer.status);
  expect(answer.text, what).not.toMatch(of.canary);
};

const pairs: [string, () => [Tenant, Tenant]][] = [
  ['acme’s at bolt', () => [acme, bolt]],
  ['bolt’s at acme', () => [bolt, acme]],
];

test('the canaries are there for their own: what the rest looks for can be found', async () => {
  for (const { lab, canary, ids, device } of [acme, bolt]) {
    for (const path of [
      '/v1/organisation',
      '/v1/devices',
      '/v1/edges',
      '/v1/audit',
      '/',
      '/devices',
    ]) {
      expect((await lab.operator(path)).text, path).toMatch(canary);
    }
    expect((await lab.operator(fill('/devices/{deviceId}', ids))).text).toMatch(canary);
    expect((await lab.device('/v1/config', { as: device })).status).toBe(200);
    await waitUntil(async () => canary.test((await lab.operator('/v1/verdicts')).text), 60_000);
  }
}, 120_000);

describe.each(pairs)('%s', (_name, pair) => {
  test('token, cookie and certificate open no route', async () => {
    const [own, other] = pair();
    const { operator, device } = await readable(other);
    expect(operator.length).toBeGreaterThan(28);
    for (const path of operator) {
      for (const ids of [own.ids, other.ids]) {
        const at = fill(path, ids);
        const token = await other.lab.operator(at, { token: own.lab.operatorToken ?? '' });
        refused(token, other, `token ${at}`);
        const headers = { cookie: own.cookie };
        refused(await other.lab.operator(at, { token: null, headers }), other, `cookie ${at}`);
      }
    }
    for (const as of [own.device, own.edge]) {
      for (const path of device) {
        refused(
          await other.lab.device(fill(path, other.ids), { as }),
          other,
          `certificate ${path}`,
        );
      }
      const batch = await other.lab.postBatch(as, [makeEvent(own.device.id, 'stray')]);
      refused(batch, other, 'certificate /v1/ingest');
    }
  }, 120_000);

  test('a good token finds nothing by the other’s ids', async () => {
    const [own, other] = pair();
    const { operator } = await readable(own);
    for (const path of operator) {
      const answer = await own.lab.operator(fill(path, other.ids));
      // A page says for which id it found nothing.
      const text = answer.text.replaceAll(fill(path, other.ids), '');
      if (answer.status === 404) continue;
      expect(answer.status, path).toBe(200);
      const named = path.includes('{') ? text.replaceAll(other.ids['appId'] ?? '', '') : text;
      expect(named.replaceAll(other.device.id, ''), path).not.toMatch(other.canary);
    }
  }, 120_000);

  test('an enrollment token of one lets nobody into the other', async () => {
    const [own, other] = pair();
    const token = await own.lab.makeToken({ role: 'device' });
    refused((await other.lab.enrollWith(token)).answer, other, 'enrol');
  });
});

test('one CA, one first operator, one schema, one database and one prefix for each', async () => {
  expect((await acme.lab.device('/v1/ca')).text).not.toBe((await bolt.lab.device('/v1/ca')).text);
  expect(acme.lab.operatorToken).not.toBe(bolt.lab.operatorToken);
  const query = new URLSearchParams({ q: 'SHOW DATABASES' });
  const databases = await (await fetch(`${influxdb.url}/query?${query}`)).text();
  for (const name of ['acme', 'bolt']) expect(databases).toContain(`["whyslow_${name}"]`);
  expect(databases).not.toContain('["whyslow"]');
  const keys = (await redis.command('KEYS *')).split('\r\n').filter((line) => /^\w+:/.test(line));
  expect(keys.length).toBeGreaterThan(4);
  expect(keys.filter((key) => !/^whyslow_(acme|bolt):/.test(key))).toEqual([]);
});

test('a job of one is left alone by the other, however long it waits', async () => {
  const state = await openState({
    engine: 'postgres',
    url: postgres.url,
    schema: 'whyslow_other',
  });
  const jobs = await openJobs(
    { engine: 'bullmq', redisUrl: redis.url, prefix: 'whyslow_other' },
    { state, log: silentLog() },
  );
  try {
    const about = { deviceId: acme.device.id, appId: acme.ids['appId'] ?? '' };
    await jobs.enqueue('diagnose', about, { id: 'waits' });
    // Both tenants' workers have work of their own meanwhile.
    for (const { lab, device, canary } of [acme, bolt]) {
      const at = async () => (await lab.operator('/v1/verdicts')).text.match(/"at":(\d+)/)?.[1];
      const before = await at();
      const [result] = slowResults({
        deviceId: device.id,
        appId: `${canary.source.split('|')[0]}-crm`,
        endMs: Date.now(),
        usualCount: 1,
        slowCount: 0,
      });
      await lab.postBatch(device, [result]);
      await waitUntil(async () => (await at()) !== before, 60_000);
    }
    expect((await jobs.counts()).diagnose).toEqual({ waiting: 1, active: 0, failed: 0 });
  } finally {
    await jobs.stop();
    await state.stop();
  }
}, 150_000);

test('a connection that does not keep to the schema is refused before a row is touched', async () => {
  const url = `${postgres.url}?options=${encodeURIComponent('-c search_path=public')}`;
  await expect(openState({ engine: 'postgres', url, schema: 'whyslow_acme' })).rejects.toThrow(
    /does not keep to schema whyslow_acme/,
  );
});

test('one tenant dropped leaves the other whole', async () => {
  const before = await bolt.lab.operator('/v1/verdicts');
  await acme.lab.stop();
  const state = await openState({ engine: 'postgres', url: postgres.url, schema: 'whyslow_drop' });
  await state.db.execute('drop schema whyslow_acme cascade');
  await state.stop();
  const query = new URLSearchParams({ q: 'DROP DATABASE "whyslow_acme"' });
  await fetch(`${influxdb.url}/query?${query}`, { method: 'POST' });
  removeFolder(join(folder, 'tenants', 'acme'));

  expect((await bolt.lab.operator('/v1/verdicts')).text).toBe(before.text);
  expect((await bolt.lab.device('/v1/config', { as: bolt.device })).status).toBe(200);
  const more = await bolt.lab.postBatch(bolt.device, [makeEvent(bolt.device.id, 'still here')]);
  expect(more.json).toMatchObject({ acceptedCount: 1, duplicate: false });
  expect((await bolt.lab.operator('/readyz')).status).toBe(200);
}, 60_000);
