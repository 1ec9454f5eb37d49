import { type Job, type JobsOptions, Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { backoffMs, sleep } from '#runtime/backoff.ts';
import type { Log } from '#runtime/log.ts';
import {
  type JobPayloads,
  type Jobs,
  JobsUnavailable,
  type QueueCounts,
  type QueueName,
  queueNames,
  retryPolicy,
} from './jobs.ts';

export type BullmqOptions = {
  redisUrl: string;
  /** First part of every key, so that several whyslows share one Redis. */
  prefix?: string;
  log: Log;
  /** How long `stop` waits for running handlers; what still runs then is run again elsewhere. */
  stopTimeoutMs?: number;
};

/** A caller waits no longer than this for Redis. */
const commandTimeoutMs = 5_000;
/**
 * A worker renews its hold on a job every half of this. One that died has its jobs taken over
 * after `lockMs + stalledCheckMs` at the latest: within 10 s. Where an event loop is blocked for 3 s a
 * job may run twice, which handlers bear.
 */
const lockMs = 6_000;
const stalledCheckMs = 3_000;

const keep = {
  removeOnComplete: { age: 3_600, count: 1_000 },
  removeOnFail: { age: 7 * 86_400, count: 10_000 },
} as const satisfies JobsOptions;

/** Jobs in Redis by BullMQ, for any number of collectors. Throws when Redis would lose jobs. */
export const openBullmqJobs = async (options: BullmqOptions): Promise<Jobs> => {
  const { log } = options;
  const prefix = options.prefix ?? 'whyslow';
  const connection = connect(options.redisUrl, log, { commandTimeout: commandTimeoutMs });
  try {
    await withUnavailable(() => refuseEviction(connection));
  } catch (error) {
    connection.disconnect();
    throw error;
  }
  const queues = openQueues(connection, prefix, log);
  const workers = new Map<QueueName, ReturnType<typeof startWorker>>();
  let stopping: Promise<void> | undefined;

  const stopAll = async () => {
    const timeoutMs = options.stopTimeoutMs ?? 10_000;
    await Promise.all([...workers.values()].map((worker) => worker.stop(timeoutMs)));
    await within(1_000, Promise.allSettled([...queues.values()].map((queue) => queue.close())));
    connection.disconnect();
  };

  return {
    engine: 'bullmq',
    async enqueue(queue, payload, { id, delayMs = 0 }) {
      await withUnavailable(() =>
        queueOf(queues, queue).add(queue, payload, jobOptions(queue, id, delayMs)),
      );
    },
    work(queue, handler, { concurrency = 1 } = {}) {
      if (stopping !== undefined) throw new Error(`jobs are stopping: no worker for ${queue}`);
      if (workers.has(queue))
        throw new Error(`queue ${queue} has a worker in this process already`);
      const run = (job: Job) =>
        handler(job.data as JobPayloads[typeof queue], attemptOf(queue, job));
      workers.set(queue, startWorker({ ...options, prefix, queue, run, concurrency }));
    },
    counts: () => withUnavailable(() => countsOf(queues)),
    async ping() {
      await withUnavailable(() => connection.ping());
    },
    stop() {
      stopping ??= stopAll();
      return stopping;
    },
  };
};

const connect = (url: string, log: Log, more: Record<string, unknown>): Redis => {
  const connection = new Redis(url, {
    connectTimeout: commandTimeoutMs,
    // The caller hears of a missing Redis at once and its sender tries again; workers wait instead.
    maxRetriesPerRequest: 1,
    retryStrategy: (attempt) => backoffMs(attempt, { firstMs: 100, capMs: 5_000 }),
    ...more,
  });
  // One line when it goes and one when it is back, not one an attempt.
  let away = false;
  connection.on('error', (error) => {
    if (!away) log.warn({ component: 'jobs', err: error }, 'redis is away');
    away = true;
  });
  connection.on('ready', () => {
    if (away) log.info({ component: 'jobs' }, 'redis is back');
    away = false;
  });
  return connection;
};

/** With any other policy Redis, when full, drops keys: jobs. */
const refuseEviction = async (connection: Redis): Promise<void> => {
  // INFO, not CONFIG GET: hosted Redis refuses CONFIG.
  const info = await connection.info('memory');
  const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1];
  if (policy === 'noeviction') return;
  throw new Error(
    `redis has maxmemory-policy ${policy ?? 'unknown'} and would drop jobs when it is full: set ` +
      '"maxmemory-policy noeviction" in redis.conf (or CONFIG SET maxmemory-policy noeviction)',
  );
};

const openQueues = (connection: Redis, prefix: string, log: Log): Map<QueueName, Queue> =>
  new Map(
    queueNames.map((name) => {
      const queue = new Queue(name, { connection, prefix, defaultJobOptions: keep });
      queue.on('error', (error) => {
        log.debug({ component: 'jobs', queue: name, err: error }, 'queue error');
      });
      return [name, queue];
    }),
  );

const queueOf = (queues: Map<QueueName, Queue>, name: QueueName): Queue => {
  const queue = queues.get(name);
  if (!queue) throw new Error(`no queue ${name}`);
  return queue;
};

/**
 * The id goes into `deduplication`, not into `jobId`: a second job of the same `jobId` is dropped
 * while the first runs, and as long as its remains are kept. `keepLastIfActive` puts it after the
 * running one instead (docs/decisions/012).
 */
const jobOptions = (queue: QueueName, id: string, delayMs: number): JobsOptions => ({
  deduplication: { id, keepLastIfActive: true },
  delay: delayMs,
  attempts: retryPolicy[queue].attempts,
  backoff: { type: 'custom' },
});

/** `attemptsMade` counts finished attempts; a job taken over from a dead worker counts as begun. */
const attemptOf = (queue: QueueName, job: Job) => ({
  number: job.attemptsMade + 1,
  last: job.attemptsMade + 1 >= retryPolicy[queue].attempts,
});

const withUnavailable = async <T>(ask: () => Promise<T>): Promise<T> => {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof Error) || !speaksOfAbsence.test(`${error.name} ${error.message}`)) {
      throw error;
    }
    throw new JobsUnavailable(`jobs: ${error.message}`, { cause: error });
  }
};

/** Redis gone, starting, full, or no longer the primary. */
const speaksOfAbsence =
  /MaxRetriesPerRequest|Connection is closed|Command timed out|ECONN|ETIMEDOUT|ENOTFOUND|EPIPE|LOADING|READONLY|MASTERDOWN|OOM|MISCONF|Stream isn't writeable/;

const countsOf = async (queues: Map<QueueName, Queue>): Promise<Record<QueueName, QueueCounts>> => {
  const entries = [...queues].map(async ([name, queue]) => {
    const found = await queue.getJobCounts('wait', 'delayed', 'active', 'failed');
    const of = (state: string) => found[state] ?? 0;
    const waiting = of('wait') + of('delayed');
    return [name, { waiting, active: of('active'), failed: of('failed') }] as const;
  });
  return Object.fromEntries(await Promise.all(entries)) as Record<QueueName, QueueCounts>;
};

type WorkerParts = BullmqOptions & {
  queue: QueueName;
  prefix: string;
  run: (job: Job) => Promise<void>;
  concurrency: number;
};

const startWorker = ({ queue, prefix, run, concurrency, redisUrl, log }: WorkerParts) => {
  // Its own connection: it blocks waiting for jobs, so it must never give up on a command.
  const connection = connect(redisUrl, log, { maxRetriesPerRequest: null });
  const worker = new Worker(queue, run, {
    connection,
    prefix,
    concurrency,
    lockDuration: lockMs,
    stalledInterval: stalledCheckMs,
    maxStalledCount: retryPolicy[queue].attempts,
    settings: { backoffStrategy: (attemptsMade) => backoffMs(attemptsMade, retryPolicy[queue]) },
    ...keep,
  });
  worker.on('error', (error) => {
    log.debug({ component: 'jobs', queue, err: error }, 'worker error');
  });
  worker.on('failed', (job, error) => {
    const attempt = job?.attemptsMade ?? 0;
    const say = { component: 'jobs', queue, job: job?.deduplicationId, attempt, err: error };
    if (attempt >= retryPolicy[queue].attempts) log.error(say, 'job given up');
    else log.warn(say, 'job failed, will be tried again');
  });
  return {
    async stop(timeoutMs: number): Promise<void> {
      const closed = await within(timeoutMs, worker.close());
      if (!closed) await within(1_000, worker.close(true));
      connection.disconnect();
    },
  };
};

/** Whether the work settled in time; its failure counts as settled. */
const within = async (timeoutMs: number, work: Promise<unknown>): Promise<boolean> => {
  const timer = new AbortController();
  const settled = work.then(
    () => true,
    () => true,
  );
  const late = sleep(timeoutMs, timer.signal).then(() => false);
  const first = await Promise.race([settled, late]);
  timer.abort();
  return first;
};
