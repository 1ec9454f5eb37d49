import { createJobRows, type JobRow, type JobRows } from '#collector/state/job-rows.ts';
import type { State } from '#collector/state/state.ts';
import { isStateUnavailable } from '#collector/state/unavailable.ts';
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

export type InProcessOptions = {
  state: State;
  log: Log;
  /** How long `stop` waits for running handlers; what still runs then is run again at the next start. */
  stopTimeoutMs?: number;
};

/** Jobs put by another process on the same state are seen within this. */
const pollMs = 1_000;
/** A job given up is kept this long for `counts().failed` and for a person to look at. */
const keepFailedMs = 7 * 86_400_000;

/**
 * Jobs in the state's own `jobs` table, run in this process: durable because the row is, without
 * another server. One process per state: a second one's start would take over what the first runs.
 */
export const openInProcessJobs = (options: InProcessOptions): Jobs => {
  const rows = createJobRows(options.state.db);
  const workers = new Map<QueueName, ReturnType<typeof startWorker>>();
  let stopping: Promise<void> | undefined;
  return {
    engine: 'in-process',
    async enqueue(queue, payload, { id, delayMs = 0 }) {
      await withUnavailable(() => rows.put({ queue, id, payload, runAt: Date.now() + delayMs }));
      workers.get(queue)?.wake();
    },
    work(queue, handler, { concurrency = 1 } = {}) {
      if (stopping !== undefined)
        throw new Error(`jobs are stopping: no worker for ${queue} can start`);
      if (workers.has(queue))
        throw new Error(`queue ${queue} has a worker in this process already`);
      const run = (row: JobRow) =>
        handler(row.payload as JobPayloads[typeof queue], attemptOf(queue, row));
      workers.set(queue, startWorker({ queue, run, concurrency, rows, log: options.log }));
    },
    async counts() {
      return countsOf(await withUnavailable(() => rows.counts()));
    },
    async ping() {
      await withUnavailable(() => options.state.ping());
    },
    stop() {
      const timeoutMs = options.stopTimeoutMs ?? 10_000;
      stopping ??= Promise.all([...workers.values()].map((worker) => worker.stop(timeoutMs))).then(
        () => undefined,
      );
      return stopping;
    },
  };
};

const attemptOf = (queue: QueueName, row: JobRow) => ({
  number: row.attemptCount,
  last: row.attemptCount >= retryPolicy[queue].attempts,
});

const withUnavailable = async <T>(ask: () => Promise<T>): Promise<T> => {
  try {
    return await ask();
  } catch (error) {
    if (!isStateUnavailable(error)) throw error;
    throw new JobsUnavailable(`jobs: ${(error as Error).message}`, { cause: error });
  }
};

const countsOf = (
  found: Awaited<ReturnType<JobRows['counts']>>,
): Record<QueueName, QueueCounts> => {
  const counts = Object.fromEntries(
    queueNames.map((name) => [name, { waiting: 0, active: 0, failed: 0 }]),
  ) as Record<QueueName, QueueCounts>;
  for (const { queue, state, count } of found) {
    const of = counts[queue as QueueName];
    if (of) of[state] = count;
  }
  return counts;
};

type WorkerParts = {
  queue: QueueName;
  run: (row: JobRow) => Promise<void>;
  concurrency: number;
  rows: JobRows;
  log: Log;
};

const startWorker = ({ queue, run, concurrency, rows, log }: WorkerParts) => {
  const running = new Set<Promise<void>>();
  const stopped = new AbortController();
  let wakeUp = new AbortController();

  const runOne = async (row: JobRow): Promise<void> => {
    const failure = await run(row).then(
      () => null,
      (error: unknown) => ({ error }),
    );
    await untilSettled(() => (failure ? giveBack(row, failure.error) : rows.finish(queue, row.id)));
  };

  const giveBack = async (row: JobRow, error: unknown): Promise<void> => {
    const attempt = attemptOf(queue, row);
    const retryAt = attempt.last
      ? null
      : Date.now() + backoffMs(attempt.number, retryPolicy[queue]);
    const message = (error instanceof Error ? error.message : String(error)).slice(0, 1_000);
    const say = { component: 'jobs', queue, job: row.id, attempt: attempt.number, err: error };
    if (attempt.last) log.error(say, 'job given up');
    else log.warn(say, 'job failed, will be tried again');
    await rows.fail(queue, row.id, { message, retryAt });
  };

  /** The state may be away just then: what happened is told to it until it listens, or we stop. */
  const untilSettled = async (tell: () => Promise<unknown>): Promise<void> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await tell();
        return;
      } catch (error) {
        log.warn({ component: 'jobs', queue, err: error }, 'cannot record the end of a job');
        if (stopped.signal.aborted) return;
        await sleep(backoffMs(attempt, { firstMs: 200, capMs: 5_000 }), stopped.signal);
      }
    }
  };

  const takeDue = async (): Promise<void> => {
    const free = concurrency - running.size;
    if (free <= 0) return;
    for (const row of await rows.claim(queue, Date.now(), free)) {
      const job = runOne(row).finally(() => {
        running.delete(job);
        wakeUp.abort();
      });
      running.add(job);
    }
  };

  const idleMs = async (): Promise<number> => {
    if (running.size >= concurrency) return pollMs;
    const dueMs = await rows.nextDueMs(queue);
    return dueMs === null ? pollMs : Math.min(pollMs, Math.max(0, dueMs - Date.now()));
  };

  const loop = async (): Promise<void> => {
    let troubles = 0;
    let recovered = false;
    while (!stopped.signal.aborted) {
      wakeUp = new AbortController();
      const woken = wakeUp.signal;
      let waitMs: number;
      try {
        if (!recovered) await rows.recover(queue, retryPolicy[queue].attempts);
        if (!recovered) await rows.forgetFailed(Date.now() - keepFailedMs);
        recovered = true;
        await takeDue();
        waitMs = await idleMs();
        troubles = 0;
      } catch (error) {
        troubles += 1;
        if (troubles === 1) log.warn({ component: 'jobs', queue, err: error }, 'cannot take jobs');
        waitMs = backoffMs(troubles, { firstMs: 200, capMs: 5_000 });
      }
      if (!stopped.signal.aborted) await sleep(waitMs, woken);
    }
  };

  const looping = loop();
  return {
    wake: () => wakeUp.abort(),
    async stop(timeoutMs: number): Promise<void> {
      stopped.abort();
      wakeUp.abort();
      await looping;
      const timedOut = new AbortController();
      await Promise.race([Promise.allSettled(running), sleep(timeoutMs, timedOut.signal)]);
      timedOut.abort();
    },
  };
};
