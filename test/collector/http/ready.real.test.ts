import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CollectorLab, startCollectorLab } from '#test/support/collector-lab.ts';
import { type InfluxdbServer, startInfluxdb } from '#test/support/influxdb.ts';
import { type PostgresServer, startPostgres } from '#test/support/postgres.ts';
import { type RedisServer, startRedis } from '#test/support/redis.ts';
import { waitUntil } from '#test/support/wait-until.ts';

let postgres: PostgresServer;
let redis: RedisServer;
let influxdb: InfluxdbServer;
let lab: CollectorLab;
beforeAll(async () => {
  [postgres, redis, influxdb] = await Promise.all([startPostgres(), startRedis(), startInfluxdb()]);
  lab = await startCollectorLab({
    store: { engine: 'influxdb', url: influxdb.url, database: 'whyslow' },
    state: { engine: 'postgres', url: postgres.url },
    jobs: { engine: 'bullmq', redisUrl: redis.url },
  });
}, 180_000);
afterAll(async () => {
  await lab?.stop();
  await Promise.all([postgres?.stop(), redis?.stop(), influxdb?.stop()]);
}, 120_000);

const ready = () => lab.operator('/readyz', { token: null });

test('engines that hang are named in bounded time, alive is alive, and all is well when they go on', async () => {
  expect((await ready()).json).toMatchObject({ status: 'ok' });
  // PostgreSQL answers each connection by a process of its own.
  const backends = readFileSync(`/proc/${postgres.pid}/task/${postgres.pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .map(Number);
  const signalBackends = (signal: NodeJS.Signals) => {
    for (const pid of backends) process.kill(pid, signal);
  };
  for (const server of [postgres, redis, influxdb]) server.pause();
  signalBackends('SIGSTOP');
  try {
    const [answer, alive] = await Promise.all([ready(), lab.operator('/healthz', { token: null })]);
    expect(alive.status).toBe(200);
    expect(answer.status).toBe(503);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    const { engines } = answer.json as { engines: Record<string, string> };
    expect(Object.keys(engines).sort()).toEqual(['jobs', 'state', 'store']);
    for (const what of Object.values(engines)) {
      expect(what).toMatch(/^(gave no answer in 5000 ms|is not available)$/);
    }
  } finally {
    signalBackends('SIGCONT');
    for (const server of [postgres, redis, influxdb]) server.resume();
  }
  await waitUntil(async () => (await ready()).status === 200, 60_000);
}, 120_000);

test('one that is gone is named alone', async () => {
  await redis.kill();
  const answer = await ready();
  expect(answer.status).toBe(503);
  expect(Object.keys(answer.json['engines'] as object)).toEqual(['jobs']);
  await redis.restart();
  await waitUntil(async () => (await ready()).status === 200, 60_000);
}, 120_000);

test('a collector that stops is not ready from the first moment', async () => {
  // On a connection that is there already: the listener may be closed before another comes.
  const stopped = lab.stop();
  const status = await new Promise((resolve) => {
    httpRequest(`${lab.operatorUrl}/readyz`, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    })
      .on('error', () => resolve('refused'))
      .end();
  });
  expect([503, 'refused']).toContain(status);
  await stopped;
}, 60_000);
