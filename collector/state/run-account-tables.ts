import { sql } from 'drizzle-orm';
import {
  bigint,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uuid,
} from 'drizzle-orm/pg-core';
import type { RunAccount } from '#contract/telemetry.ts';

const at = (name: string) => bigint(name, { mode: 'number' });

/** What became of a device's planned runs of one day, summed over its probes. */
export type AccountSums = {
  plannedCount: number;
  storedCount: number;
  lost: Record<string, number>;
  lostCount: number;
  underwayCount: number;
};

/** What devices tell of their planned runs: the newest account of each day and book. */
export const runAccounts = pgTable(
  'run_accounts',
  {
    deviceId: uuid('device_id').notNull(),
    /** Midnight, UTC. */
    dayAt: at('day_at').notNull(),
    bookId: uuid('book_id').notNull(),
    sequence: at('sequence').notNull(),
    /** The device's clock, within the day. */
    fromAt: at('from_at').notNull(),
    untilAt: at('until_at').notNull(),
    /** The collector's clock. */
    toldAt: at('told_at').notNull(),
    probes: jsonb('probes').$type<RunAccount['probes']>().notNull(),
    /** The account that was last compared with the store, and what came of it. */
    checkedSequence: at('checked_sequence').notNull().default(-1),
    checkedAt: at('checked_at').notNull().default(0),
    sums: jsonb('sums').$type<AccountSums>(),
    unexplainedCount: integer('unexplained_count'),
  },
  (table) => [
    primaryKey({ columns: [table.deviceId, table.dayAt, table.bookId] }),
    index('run_accounts_day').on(table.dayAt),
    index('run_accounts_unchecked').on(table.toldAt).where(sql`checked_sequence < sequence`),
    index('run_accounts_unexplained').on(table.checkedAt).where(sql`unexplained_count <> 0`),
  ],
);

/** Results of planned runs that ingest refused, counted once for each batch. */
export const refusedRuns = pgTable(
  'refused_runs',
  {
    deviceId: uuid('device_id').notNull(),
    batchId: uuid('batch_id').notNull(),
    dayAt: at('day_at').notNull(),
    probeId: text('probe_id').notNull(),
    runCount: integer('run_count').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.deviceId, table.batchId, table.dayAt, table.probeId] }),
    index('refused_runs_device_day').on(table.deviceId, table.dayAt),
    index('refused_runs_day').on(table.dayAt),
  ],
);
