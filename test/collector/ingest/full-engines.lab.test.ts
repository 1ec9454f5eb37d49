import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { openStore } from '#collector/store/open.ts';
import { startChildScript } from '#test/support/child-script.ts';
import {
  type CollectorLab,
  collectorHands,
  startCollectorLab,
} from '#test/support/collector-lab.ts';
import { type InfluxdbServer, startInfluxdb } from '#test/support/influxdb.ts';
import { type PostgresServer, startPostgres } from '#test/support/postgres.ts';
import { type RedisServer, startRedis } from '#test/support/redis.ts';
import { slowResults } from '#test/support/slow-results.ts';
import { mountSmallDisk, type SmallDisk } from '#test/support/small-disk.ts';
import { storedResultIds } from '#test/support/stored-results.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const makeDisk = (megabytes: number): SmallDisk => {
  const disk = mountSmallDisk(megabytes);
  onTestFinished(() => disk.remove());
  return disk;
};

type Hands = Pick<CollectorLab, 'operator' | 'postBatch' | 'enrollDevice'>;

/** A device's batches, and what became of each. */
const startSender = async (hands: Hands) => {
  const device = await hands.enrollDevice();
  const applications = [{ id: 'crm', name: 'CRM', hosts: [], probes: [] }];
  await hands.operator('/v1/organisation', { method: 'PUT', body: { version: 1, applications } });
  const batches: {
    id: ReturnType<typeof randomUUID>;
    records: ReturnType<typeof slowResults>;
    taken: boolean;
  }[] = [];
  const endMs = Date.now();
  const post = async (batch: (typeof batches)[number]) => {
    const answer = await hands.postBatch(device, batch.records, batch.id);
    batch.taken = answer.status === 200;
    return answer;
  };
  return {
    sendNew: async () => {
      const end = endMs - batches.length * 600_000;
      const records = slowResults({
        deviceId: device.id,
        appId: 'crm',
        endMs: end,
        usualCount: 50,
        slowCount: 0,
      });
      const batch = { id: randomUUID(), records, taken: false };
      batches.push(batch);
      return post(batch);
    },
    /** As agents do, until nothing is left. */
    sendRest: () =>
      waitUntil(async () => {
        for (const batch of batches) if (!batch.taken) await post(batch);
        return batches.every(({ taken }) => taken);
      }, 60_000),
    sentIds: () => batches.flatMap(({ records }) => records.map(({ id }) => id)).sort(),
  };
};

const storedInDuckdb = async (folder: string) => {
  const store = await openStore({ engine: 'duckdb', file: `${folder}/series.duckdb` });
  const all = { measurement: 'http', fromMs: 0, toMs: Date.now() + 1, limit: 10_000 } as const;
  const points = await store.select(all);
  await store.stop();
  return points.map(({ fields }) => String(fields.result_id)).sort();
};

const expectRefusal = (answer: Awaited<ReturnType<Hands['postBatch']>>, detail: RegExp): void => {
  expect(answer.json).toMatchObject({
    type: 'urn:whyslow:problem:engine-unavailable',
    status: 503,
    detail: expect.stringMatching(detail),
  });
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
};

test('a disk that is full for the engines inside the process ends in 503, and nothing is lost once there is room', async () => {
  const disk = makeDisk(160);
  const folder = `${disk.folder}/state`;
  const child = startChildScript('test/support/collector-child.ts', [folder, '600000']);
  onTestFinished(() => child.kill());
  const hands = collectorHands(JSON.parse(await child.line()));
  const sender = await startSender(hands);
  expect((await sender.sendNew()).status).toBe(200);
  // PGlite keeps away from a full disk, on which it would hang; the store goes on to the last byte.
  disk.fill(30_000_000);
  await waitUntil(async () => (await hands.operator('/readyz')).status === 503);
  expectRefusal(await sender.sendNew(), /^the state: it has no room left$/);
  disk.fill(0);
  expectRefusal(await sender.sendNew(), /no room left$/);
  disk.makeRoom();
  await sender.sendRest();
  expect((await hands.operator('/readyz')).status).toBe(200);
  await child.kill();
  expect(await storedInDuckdb(folder)).toEqual(sender.sentIds());
}, 120_000);

test('servers that are full or do not answer are 503 with their name, and nothing is lost once they are well', async () => {
  const [influxDisk, postgresDisk] = [makeDisk(48), makeDisk(160)];
  const [influxdb, postgres, redis] = await startServers(influxDisk, postgresDisk);
  const store = { engine: 'influxdb', url: influxdb.url, database: 'whyslow' } as const;
  const lab = await startCollectorLab({
    store,
    state: { engine: 'postgres', url: postgres.url },
    jobs: { engine: 'bullmq', redisUrl: redis.url },
    diagnoseDelayMs: 600_000,
  });
  onTestFinished(() => lab.stop());
  const sender = await startSender(lab);
  expect((await sender.sendNew()).status).toBe(200);
  const untilRefused = async (detail: RegExp, most = 50) => {
    let answer = await sender.sendNew();
    for (let more = 0; answer.status === 200 && more < most; more += 1) {
      answer = await sender.sendNew();
    }
    expectRefusal(answer, detail);
  };

  influxDisk.fill();
  await untilRefused(/^the series store: it has no room left$/);
  influxDisk.makeRoom();
  // InfluxDB 1.x refuses every write from then on, room or not, until it is restarted.
  await influxdb.restart();
  await sender.sendRest();

  // Tables that cannot grow; its log's next segment has its room already.
  postgresDisk.fill();
  await untilRefused(/^the state: it has no room left$/, 400);
  postgresDisk.makeRoom();
  await sender.sendRest();

  await redis.command('CONFIG SET maxmemory 1');
  await untilRefused(/^the queue of jobs: it has no room left$/);
  await redis.command('CONFIG SET maxmemory 0');
  await sender.sendRest();
  expect(await storedResultIds(influxdb.url, 'whyslow')).toEqual(sender.sentIds());
}, 120_000);

const startServers = async (
  influxDisk: SmallDisk,
  postgresDisk: SmallDisk,
): Promise<[InfluxdbServer, PostgresServer, RedisServer]> => {
  const servers = await Promise.all([
    startInfluxdb({ folder: influxDisk.folder }),
    startPostgres({ folder: postgresDisk.folder }),
    startRedis(),
  ]);
  onTestFinished(async () => {
    await Promise.all(servers.map((server) => server.kill()));
  });
  return servers;
};
