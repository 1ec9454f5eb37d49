import {
  and,
  asc,
  between,
  count,
  desc,
  eq,
  getTableColumns,
  gt,
  gte,
  inArray,
  isNull,
  lt,
  ne,
  notExists,
  or,
  sql,
} from 'drizzle-orm';
import type { RunAccount } from '#contract/telemetry.ts';
import { type AccountSums, refusedRuns, runAccounts } from '../state/run-account-tables.ts';
import { devices } from '../state/schema.ts';
import type { Database } from '../state/state.ts';
import { dayMs, dayOf } from '../zero-loss/day.ts';

export type AccountRow = typeof runAccounts.$inferSelect;
export type RefusedRuns = { dayAt: number; probeId: string; runCount: number };
export type CheckedAccount = Pick<AccountRow, 'deviceId' | 'dayAt' | 'bookId' | 'sequence'> & {
  sums: AccountSums;
  unexplainedCount: number;
};

/** What devices tell of their planned runs, and what ingest refused of them. */
export const createAccountRows = (db: Database) => ({
  /** One statement. An account that is older than the one that is kept changes nothing. */
  async keep(accounts: readonly RunAccount[], toldAt: number): Promise<void> {
    const newest = new Map<string, RunAccount>();
    for (const account of accounts) {
      const key = `${account.deviceId} ${dayOf(account.fromAt)} ${account.bookId}`;
      if (account.sequence >= (newest.get(key)?.sequence ?? 0)) newest.set(key, account);
    }
    await db
      .insert(runAccounts)
      .values([...newest.values()].map((account) => rowOf(account, toldAt)))
      .onConflictDoUpdate({
        target: [runAccounts.deviceId, runAccounts.dayAt, runAccounts.bookId],
        set: {
          sequence: sql`excluded.sequence`,
          fromAt: sql`excluded.from_at`,
          untilAt: sql`excluded.until_at`,
          toldAt: sql`excluded.told_at`,
          probes: sql`excluded.probes`,
        },
        setWhere: sql`${runAccounts.sequence} < excluded.sequence`,
      });
  },

  /** The same batch counts once. */
  async keepRefused(
    deviceId: string,
    batchId: string,
    refused: readonly RefusedRuns[],
  ): Promise<void> {
    await db
      .insert(refusedRuns)
      .values(refused.map((one) => ({ deviceId, batchId, ...one })))
      .onConflictDoNothing();
  },

  /** Days from the first to the last, both included; by day. */
  ofDevice: (deviceId: string, fromDay: number, toDay: number): Promise<AccountRow[]> =>
    db
      .select()
      .from(runAccounts)
      .where(and(eq(runAccounts.deviceId, deviceId), between(runAccounts.dayAt, fromDay, toDay)))
      .orderBy(asc(runAccounts.dayAt), asc(runAccounts.fromAt)),

  refusedOf: (
    deviceIds: readonly string[],
    fromDay: number,
    toDay: number,
  ): Promise<({ deviceId: string } & RefusedRuns)[]> =>
    db
      .select({
        deviceId: refusedRuns.deviceId,
        dayAt: refusedRuns.dayAt,
        probeId: refusedRuns.probeId,
        runCount: sql<number>`sum(${refusedRuns.runCount})`.mapWith(Number),
      })
      .from(refusedRuns)
      .where(
        and(
          inArray(refusedRuns.deviceId, [...deviceIds]),
          between(refusedRuns.dayAt, fromDay, toDay),
        ),
      )
      .groupBy(refusedRuns.deviceId, refusedRuns.dayAt, refusedRuns.probeId),

  /** Told since they were last compared with the store, or did not come out then; longest waiting first. */
  toCheck: (wanted: {
    fromDay: number;
    againBefore: number;
    limit: number;
  }): Promise<AccountRow[]> =>
    db
      .select()
      .from(runAccounts)
      .where(
        or(
          lt(runAccounts.checkedSequence, runAccounts.sequence),
          and(
            ne(runAccounts.unexplainedCount, 0),
            lt(runAccounts.checkedAt, wanted.againBefore),
            gt(runAccounts.dayAt, wanted.fromDay),
          ),
        ),
      )
      .orderBy(asc(runAccounts.toldAt))
      .limit(wanted.limit),

  /** One statement for all of them. */
  async setChecked(checked: readonly CheckedAccount[], checkedAt: number): Promise<void> {
    await db.execute(sql`
      update run_accounts as kept
      set checked_sequence = new.sequence, checked_at = ${checkedAt}, sums = new.sums,
        unexplained_count = new."unexplainedCount"
      from jsonb_to_recordset(${JSON.stringify(checked)}::jsonb) as new(
        "deviceId" uuid, "dayAt" bigint, "bookId" uuid, sequence bigint, sums jsonb,
        "unexplainedCount" integer)
      where kept.device_id = new."deviceId" and kept.day_at = new."dayAt"
        and kept.book_id = new."bookId"`);
  },

  /** A day's accounts as they were last checked: those that do not come out first. */
  worstOf: (dayAt: number, limit: number): Promise<(AccountRow & { name: string | null })[]> =>
    db
      .select({ ...getTableColumns(runAccounts), name: devices.name })
      .from(runAccounts)
      .leftJoin(devices, eq(devices.id, runAccounts.deviceId))
      .where(eq(runAccounts.dayAt, dayAt))
      .orderBy(
        desc(sql`abs(coalesce(${runAccounts.unexplainedCount}, 0))`),
        desc(sql`coalesce((${runAccounts.sums}->>'lostCount')::bigint, 0)`),
        asc(runAccounts.deviceId),
      )
      .limit(limit),

  /** Devices that were seen since the day began and told no account of it. */
  async notTold(dayAt: number): Promise<number> {
    const told = db
      .select({ one: sql`1` })
      .from(runAccounts)
      .where(and(eq(runAccounts.deviceId, devices.id), eq(runAccounts.dayAt, dayAt)));
    const [row] = await db
      .select({ count: count() })
      .from(devices)
      .where(and(gte(devices.lastSeenAt, dayAt), isNull(devices.revokedAt), notExists(told)));
    return row?.count ?? 0;
  },

  async totalsOf(dayAt: number): Promise<DayTotals> {
    const sumOf = (name: string) =>
      sql<number>`coalesce(sum((${runAccounts.sums}->>'${sql.raw(name)}')::bigint), 0)`.mapWith(
        Number,
      );
    const lostOf = (reason: string) =>
      sql<number>`coalesce(sum((${runAccounts.sums}->'lost'->>'${sql.raw(reason)}')::bigint), 0)`.mapWith(
        Number,
      );
    const [row] = await db
      .select({
        deviceCount: sql<number>`count(distinct ${runAccounts.deviceId})`.mapWith(Number),
        checkedCount:
          sql<number>`count(distinct ${runAccounts.deviceId}) filter (where ${runAccounts.checkedSequence} >= 0)`.mapWith(
            Number,
          ),
        openCount:
          sql<number>`count(distinct ${runAccounts.deviceId}) filter (where ${runAccounts.unexplainedCount} <> 0)`.mapWith(
            Number,
          ),
        plannedCount: sumOf('plannedCount'),
        storedCount: sumOf('storedCount'),
        underwayCount: sumOf('underwayCount'),
        asleep: lostOf('asleep'),
        'spool-full': lostOf('spool-full'),
        stopped: lostOf('stopped'),
        overrun: lostOf('overrun'),
        refused: lostOf('refused'),
        unexplainedCount: sql<number>`coalesce(sum(${runAccounts.unexplainedCount}), 0)`.mapWith(
          Number,
        ),
        oldestCheckAt: sql<
          number | null
        >`min(${runAccounts.checkedAt}) filter (where ${runAccounts.checkedSequence} >= 0)`.mapWith(
          Number,
        ),
      })
      .from(runAccounts)
      .where(eq(runAccounts.dayAt, dayAt));
    return row as DayTotals;
  },

  async deleteBefore(timeMs: number): Promise<void> {
    await db.delete(runAccounts).where(lt(runAccounts.dayAt, timeMs));
    await db.delete(refusedRuns).where(lt(refusedRuns.dayAt, timeMs));
  },
});

export type AccountRows = ReturnType<typeof createAccountRows>;

/** Sums over a day's checked accounts. */
export type DayTotals = {
  deviceCount: number;
  checkedCount: number;
  /** Devices with runs that are not accounted for. */
  openCount: number;
  plannedCount: number;
  storedCount: number;
  underwayCount: number;
  asleep: number;
  'spool-full': number;
  stopped: number;
  overrun: number;
  refused: number;
  unexplainedCount: number;
  oldestCheckAt: number | null;
};

/** What it says lies within one day, whatever the sender means. */
const rowOf = (account: RunAccount, toldAt: number) => {
  const { deviceId, bookId, sequence, fromAt, probes } = account;
  const dayAt = dayOf(fromAt);
  const untilAt = Math.round(Math.min(Math.max(account.untilAt, fromAt), dayAt + dayMs));
  const place = { deviceId, dayAt, bookId, sequence };
  return { ...place, fromAt: Math.floor(fromAt), untilAt, toldAt, probes };
};
