import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openJobs } from '#collector/jobs/open.ts';
import { openState } from '#collector/state/open.ts';
import { fleetShards } from '#collector/state/schema.ts';
import { silentLog } from '#runtime/log.ts';
import { type CollectorLab, startCollectorLab } from '#test/support/collector-lab.ts';
import { type InfluxdbServer, startInfluxdb } from '#test/support/influxdb.ts';
import { type PostgresServer, startPostgres } from '#test/support/postgres.ts';
import { type RedisServer, startRedis } from '#test/support/redis.ts';
import { slowResults } from '#test/support/slow-results.ts';
import { waitUntil } from '#test/support/wait-until.ts';

let postgres: PostgresServer;
let redis: RedisServer;
let influxdb: InfluxdbServer;
const labs: CollectorLab[] = [];

beforeAll(async () => {
  [postgres, redis, influxdb] = await Promise.all([startPostgres(), startRedis(), startInfluxdb()]);
  const changes = () =>
    ({
      store: { engine: 'influxdb', url: influxdb.url, database: 'whyslow' },
      state: { engine: 'postgres', url: postgres.url },
      jobs: { engine: 'bullmq', redisUrl: redis.url, prefix: 'two' },
      diagnosis: { binSeconds: 2, graceSeconds: 0.5, shardBy: 'organisation' },
    }) as const;
  labs.push(...(await Promise.all([startCollectorLab(changes()), startCollectorLab(changes())])));
}, 180_000);
afterAll(async () => {
  for (const lab of labs) await lab.stop();
  await Promise.all([postgres?.stop(), redis?.stop(), influxdb?.stop()]);
}, 120_000);

const both = (): [CollectorLab, CollectorLab] => labs as [CollectorLab, CollectorLab];

test('two collectors that start at once on empty engines are one tenant with one first operator', async () => {
  const [one, two] = both();
  const [first, second] = await Promise.all([one.device('/v1/ca'), two.device('/v1/ca')]);
  expect(first.text).toBe(second.text);
  expect(
    [one.operatorToken, two.operatorToken].filter((token) => token !== undefined),
  ).toHaveLength(1);
});

test('what one is told the other knows: enrolment, configuration, batches, verdicts', async () => {
  const [one, two] = both();
  const token = one.operatorToken ?? two.operatorToken ?? '';
  const wish = { method: 'POST', token, body: { role: 'device' } };
  const made = (await two.operator('/v1/enrollment-tokens', wish)).json['token'];
  const { holder: device } = await one.enrollWith(String(made));
  expect((await two.device('/v1/config', { as: device })).status).toBe(200);

  const applications = [{ id: 'crm', name: 'CRM', hosts: [], probes: [] }];
  const body = { version: 1, applications };
  const applied = await one.operator('/v1/organisation', { method: 'PUT', token, body });
  expect(applied.status).toBe(200);
  const records = slowResults({
    deviceId: device.id,
    appId: 'crm',
    endMs: Date.now(),
    usualCount: 30,
    slowCount: 6,
  });
  const id = randomUUID();
  const answers = await Promise.all([
    one.postBatch(device, records, id),
    two.postBatch(device, records, id),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  expect(answers.filter(({ json }) => json['duplicate'] === false)).toHaveLength(1);

  const incidents = async (lab: CollectorLab) =>
    (await lab.operator('/v1/incidents', { token })).json['incidents'] as { segment: string }[];
  await waitUntil(async () => (await incidents(two)).length > 0, 60_000);
  expect(await incidents(one)).toMatchObject([{ segment: 'server' }]);
}, 120_000);

test('bins of the fleet’s evidence go on, each closed by one of them, and none is given up', async () => {
  const state = await openState({ engine: 'postgres', url: postgres.url });
  const jobs = await openJobs(
    { engine: 'bullmq', redisUrl: redis.url, prefix: 'two' },
    { state, log: silentLog() },
  );
  try {
    const shard = async () => {
      const [row] = await state.db.select().from(fleetShards);
      return row?.bin ?? -1;
    };
    const before = await shard();
    await waitUntil(async () => (await shard()) >= before + 2, 60_000);
    expect((await jobs.counts()).tick.failed).toBe(0);
  } finally {
    await jobs.stop();
    await state.stop();
  }
}, 120_000);

test('of enrolments at both with a one-use token exactly one succeeds', async () => {
  const [one, two] = both();
  const token = one.operatorToken ?? two.operatorToken ?? '';
  const wish = { method: 'POST', token, body: { role: 'device', uses: 1 } };
  const made = String((await one.operator('/v1/enrollment-tokens', wish)).json['token']);
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) => (index % 2 ? one : two).enrollWith(made)),
  );
  expect(answers.filter(({ answer }) => answer.status === 200)).toHaveLength(1);
});

test('of two applying at once no one overwrites the other unseen', async () => {
  const [one, two] = both();
  const token = one.operatorToken ?? two.operatorToken ?? '';
  const inForce = (await one.operator('/v1/organisation', { token })).headers['etag'];
  const put = (id: string) => ({
    method: 'PUT',
    token,
    headers: { 'if-match': String(inForce) },
    body: { version: 1, applications: [{ id, name: id, hosts: [], probes: [] }] },
  });
  const answers = await Promise.all([
    one.operator('/v1/organisation', put('a')),
    two.operator('/v1/organisation', put('b')),
  ]);
  const statuses = answers.map(({ status }) => status).sort();
  expect(statuses[0]).toBe(200);
  expect([409, 412]).toContain(statuses[1]);
});

test('with an engine away nothing is acknowledged, and nothing is lost once it is back', async () => {
  const [one, two] = both();
  const token = one.operatorToken ?? two.operatorToken ?? '';
  const wish = { method: 'POST', token, body: { role: 'device' } };
  const made = (await one.operator('/v1/enrollment-tokens', wish)).json['token'];
  const { holder: device } = await one.enrollWith(String(made));
  const records = slowResults({
    deviceId: device.id,
    appId: createHash('md5').update('away').digest('hex').slice(0, 8),
    endMs: Date.now(),
    usualCount: 2,
    slowCount: 0,
  });
  const id = randomUUID();
  await influxdb.kill();
  const refused = await one.postBatch(device, records, id);
  expect(refused.status).toBe(503);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect((await one.operator('/readyz')).json).toMatchObject({
    status: 503,
    detail: expect.stringMatching(/store/),
  });
  await influxdb.restart();
  await waitUntil(async () => (await one.operator('/readyz')).status === 200, 60_000);
  const taken = await one.postBatch(device, records, id);
  expect(taken.json).toMatchObject({ acceptedCount: 4, duplicate: false });
}, 180_000);
