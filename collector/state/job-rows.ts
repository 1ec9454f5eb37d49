import { and, asc, count, eq, inArray, lte, min, sql } from 'drizzle-orm';
import { gathered } from './gathered.ts';
import { jobs } from './schema.ts';
import type { Database } from './state.ts';

type NewJob = { queue: string; id: string; payload: unknown; runAt: number };

export type JobRow = { id: string; payload: unknown; attemptCount: number };

/** The `jobs` table's every statement; each is atomic by itself. */
export const createJobRows = (db: Database) => ({
  /**
   * A new row, or: nothing where its namesake waits; a mark to run it once more where it runs; a
   * fresh start where it had failed for good.
   */
  put: gathered(async (asked: readonly NewJob[]): Promise<undefined[]> => {
    // One statement may touch a row once; the second of the same would have changed nothing.
    const once = new Map<string, NewJob>();
    for (const job of asked) {
      const key = `${job.queue} ${job.id}`;
      if (!once.has(key)) once.set(key, job);
    }
    const fresh = { state: 'waiting', attemptCount: 0, again: false, lastError: null } as const;
    await db
      .insert(jobs)
      .values([...once.values()].map((job) => ({ ...job, ...fresh })))
      .onConflictDoUpdate({
        target: [jobs.queue, jobs.id],
        set: {
          again: sql`${jobs.state} = 'active'`,
          state: sql`case when ${jobs.state} = 'failed' then 'waiting' else ${jobs.state} end`,
          payload: sql`excluded.payload`,
          runAt: sql`excluded.run_at`,
          attemptCount: sql`case when ${jobs.state} = 'failed' then 0 else ${jobs.attemptCount} end`,
        },
        setWhere: sql`${jobs.state} <> 'waiting'`,
      });
    return asked.map(() => undefined);
  }),

  /** Takes up to `limit` due jobs, oldest due first. Two claimers never take the same one. */
  async claim(queue: string, nowMs: number, limit: number): Promise<JobRow[]> {
    const due = db
      .select({ id: jobs.id })
      .from(jobs)
      .where(and(eq(jobs.queue, queue), eq(jobs.state, 'waiting'), lte(jobs.runAt, nowMs)))
      .orderBy(asc(jobs.runAt))
      .limit(limit)
      .for('update', { skipLocked: true });
    return db
      .update(jobs)
      .set({ state: 'active', attemptCount: sql`${jobs.attemptCount} + 1` })
      .where(and(eq(jobs.queue, queue), inArray(jobs.id, due)))
      .returning({ id: jobs.id, payload: jobs.payload, attemptCount: jobs.attemptCount });
  },

  /** Done. Where it was asked for again meanwhile it waits anew, due when that asked. */
  async finish(queue: string, id: string): Promise<'gone' | 'again'> {
    const key = and(eq(jobs.queue, queue), eq(jobs.id, id), eq(jobs.state, 'active'));
    // `again` only ever rises while a job is active, so looking at "not again" first is safe.
    const gone = await db
      .delete(jobs)
      .where(and(key, eq(jobs.again, false)))
      .returning({ id: jobs.id });
    if (gone.length > 0) return 'gone';
    await db
      .update(jobs)
      .set({ state: 'waiting', again: false, attemptCount: 0, lastError: null })
      .where(key);
    return 'again';
  },

  /** Failed: tried again at `retryAt`, or, where that is null, given up unless asked for again. */
  async fail(
    queue: string,
    id: string,
    failure: { message: string; retryAt: number | null },
  ): Promise<void> {
    const { message, retryAt } = failure;
    const givenUp = retryAt === null;
    await db
      .update(jobs)
      .set({
        state: givenUp
          ? sql`case when ${jobs.again} then 'waiting' else 'failed' end`
          : sql`'waiting'`,
        attemptCount: sql`case when ${jobs.again} then 0 else ${jobs.attemptCount} end`,
        runAt: givenUp ? sql`${jobs.runAt}` : retryAt,
        again: false,
        lastError: message,
      })
      .where(and(eq(jobs.queue, queue), eq(jobs.id, id), eq(jobs.state, 'active')));
  },

  /** Jobs a process died over wait again; one that has used up its attempts is given up. */
  async recover(queue: string, attemptLimit: number): Promise<void> {
    await db
      .update(jobs)
      .set({
        state: sql`case when ${jobs.attemptCount} >= ${attemptLimit} and not ${jobs.again} then 'failed' else 'waiting' end`,
        attemptCount: sql`case when ${jobs.again} then 0 else ${jobs.attemptCount} end`,
        again: false,
        lastError: 'the process ended while the job ran',
      })
      .where(and(eq(jobs.queue, queue), eq(jobs.state, 'active')));
  },

  /** When the next waiting job is due; null when none waits. */
  async nextDueMs(queue: string): Promise<number | null> {
    const [row] = await db
      .select({ at: min(jobs.runAt) })
      .from(jobs)
      .where(and(eq(jobs.queue, queue), eq(jobs.state, 'waiting')));
    return row?.at ?? null;
  },

  counts: (): Promise<{ queue: string; state: 'waiting' | 'active' | 'failed'; count: number }[]> =>
    db
      .select({ queue: jobs.queue, state: jobs.state, count: count() })
      .from(jobs)
      .groupBy(jobs.queue, jobs.state),

  /** Forgets jobs given up before a time, so that the table stays small. */
  async forgetFailed(beforeMs: number): Promise<void> {
    await db.delete(jobs).where(and(eq(jobs.state, 'failed'), lte(jobs.runAt, beforeMs)));
  },
});

export type JobRows = ReturnType<typeof createJobRows>;
