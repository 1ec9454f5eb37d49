import { randomUUID } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openBullmqJobs } from '#collector/jobs/bullmq.ts';
import { JobsUnavailable } from '#collector/jobs/jobs.ts';
import { silentLog } from '#runtime/log.ts';
import { startRedis } from '#test/support/redis.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import { jobsContract } from './jobs.contract.ts';

const log = silentLog();

jobsContract('BullMQ', async () => {
  const redis = await startRedis();
  return {
    async fresh() {
      const prefix = `test-${randomUUID()}`;
      return {
        lend: async () => ['bullmq', redis.url, prefix],
        async open(options = {}) {
          const jobs = await openBullmqJobs({ ...options, redisUrl: redis.url, prefix, log });
          return { jobs, close: () => jobs.stop() };
        },
      };
    },
    stop: () => redis.stop(),
  };
});

const startOwnRedis = async (options: { maxmemoryPolicy?: string } = {}) => {
  const redis = await startRedis(options);
  onTestFinished(() => redis.stop());
  return redis;
};

describe('BullMQ jobs', () => {
  it('refuse a Redis that would drop jobs when it is full, and say what to set', async () => {
    const redis = await startOwnRedis({ maxmemoryPolicy: 'allkeys-lru' });
    await expect(openBullmqJobs({ redisUrl: redis.url, log })).rejects.toThrow(
      /allkeys-lru.*maxmemory-policy noeviction/,
    );
  });

  it('say that they are unavailable while Redis is away, and go on when it is back', async () => {
    const redis = await startOwnRedis();
    const jobs = await openBullmqJobs({ redisUrl: redis.url, log });
    onTestFinished(() => jobs.stop());
    const seen: string[] = [];
    await jobs.enqueue('notify', { deliveryId: 'before' }, { id: 'before' });
    await redis.kill();
    await expect(jobs.enqueue('notify', { deliveryId: 'n' }, { id: 'n' })).rejects.toThrow(
      JobsUnavailable,
    );
    await expect(jobs.ping()).rejects.toThrow(JobsUnavailable);
    jobs.work('notify', async ({ deliveryId }) => void seen.push(deliveryId));
    await redis.restart();
    await waitUntil(() => seen.includes('before'), 40_000);
    await jobs.enqueue('notify', { deliveryId: 'after' }, { id: 'after' });
    await waitUntil(() => seen.includes('after'));
  });

  it('say that they are unavailable when Redis does not answer', async () => {
    const redis = await startOwnRedis();
    const jobs = await openBullmqJobs({ redisUrl: redis.url, log });
    redis.pause();
    try {
      await expect(jobs.ping()).rejects.toThrow(JobsUnavailable);
    } finally {
      redis.resume();
      await jobs.stop();
    }
  });

  it('stop in time though Redis is gone', async () => {
    const redis = await startOwnRedis();
    const jobs = await openBullmqJobs({ redisUrl: redis.url, log, stopTimeoutMs: 500 });
    jobs.work('notify', async () => undefined);
    await redis.kill();
    const before = performance.now();
    await jobs.stop();
    expect(performance.now() - before).toBeLessThan(10_000);
  });

  it('cannot be opened on a Redis that is not there', async () => {
    const redis = await startOwnRedis();
    await redis.kill();
    await expect(openBullmqJobs({ redisUrl: redis.url, log })).rejects.toThrow(JobsUnavailable);
  });
});
