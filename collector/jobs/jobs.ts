/** Every queue and what its jobs carry. Payloads are small: ids, never data. */
export type JobPayloads = {
  diagnose: { deviceId: string; appId: string };
  notify: { deliveryId: string };
  /** Closes a shard's bins up to this one. `passed`: how often it was left to the collector that has it. */
  tick: { shard: string; bin: number; passed: number };
  /** Makes the roll-ups of what is over. */
  rollup: Record<string, never>;
  /** Compares what devices tell of their planned runs with the store. */
  'zero-loss': Record<string, never>;
  expire: Record<string, never>;
};
export type QueueName = keyof JobPayloads;
export const queueNames = [
  'diagnose',
  'notify',
  'tick',
  'rollup',
  'zero-loss',
  'expire',
] as const satisfies QueueName[];

/** How often a failing job is tried, and how long it waits (exponential, with jitter). */
export const retryPolicy = {
  diagnose: { attempts: 5, firstMs: 500, capMs: 30_000 },
  notify: { attempts: 12, firstMs: 1_000, capMs: 600_000 },
  tick: { attempts: 4, firstMs: 1_000, capMs: 30_000 },
  rollup: { attempts: 3, firstMs: 2_000, capMs: 30_000 },
  'zero-loss': { attempts: 3, firstMs: 2_000, capMs: 30_000 },
  expire: { attempts: 3, firstMs: 5_000, capMs: 60_000 },
} as const satisfies Record<QueueName, { attempts: number; firstMs: number; capMs: number }>;

export type QueueCounts = { waiting: number; active: number; failed: number };

/** The engine does not take jobs now; the caller answers 503 and the sender tries again. */
export class JobsUnavailable extends Error {
  override name = 'JobsUnavailable';
}

/**
 * Durable at-least-once jobs. A job enqueued under an id that still waits is the same job: no-op.
 * One enqueued while its namesake runs is run once more afterwards. Handlers must bear being run twice.
 */
export type Jobs = {
  readonly engine: 'in-process' | 'bullmq';
  enqueue<Q extends QueueName>(
    queue: Q,
    payload: JobPayloads[Q],
    options: { id: string; delayMs?: number },
  ): Promise<void>;
  /** At most one worker a queue and process. A handler that throws is retried by `retryPolicy`. */
  work<Q extends QueueName>(
    queue: Q,
    handler: (payload: JobPayloads[Q], attempt: { number: number; last: boolean }) => Promise<void>,
    options?: { concurrency?: number },
  ): void;
  counts(): Promise<Record<QueueName, QueueCounts>>;
  ping(): Promise<void>;
  /** Lets running handlers finish (bounded), leaves waiting jobs for the next start. */
  stop(): Promise<void>;
};
