import { randomUUID } from 'node:crypto';
import { and, asc, eq, gt, inArray, lt } from 'drizzle-orm';
import { type RunOrder, type RunRequest, ticksOf } from '#contract/run-request.ts';
import type { RunReport } from '#contract/telemetry.ts';
import { Problem } from '../http/problems.ts';
import { runRequests } from '../state/schema.ts';
import type { Database } from '../state/state.ts';
import { writeAudit } from './audit.ts';

/** A helpdesk waits on the line: what is not picked up by then is of no use any more. */
export const expiresAfterMs = 5 * 60_000;
/** Requests of one device that are not done. They are made one after the other. */
const mostOpen = 4;
/** Longest a device can need for one: four bursts before it, and its own. */
export const longestOrderMs = 40 * 60_000;

export type RunRequestRow = typeof runRequests.$inferSelect;

/** What operators asked devices to measure, and how far it is. */
export const createRunRequests = (db: Database) => ({
  /** Refused where the device has enough to do already. */
  create: (
    wish: { deviceId: string; order: RunOrder },
    actor: string,
    now: number,
  ): Promise<RunRequestRow> =>
    db.transaction(async (tx) => {
      const { deviceId, order } = wish;
      const open = await tx
        .select({ id: runRequests.id, state: runRequests.state, expiresAt: runRequests.expiresAt })
        .from(runRequests)
        .where(
          and(
            eq(runRequests.deviceId, deviceId),
            inArray(runRequests.state, ['queued', 'picked-up', 'running']),
            gt(runRequests.createdAt, now - longestOrderMs),
          ),
        );
      const underway = open.filter((each) => each.state !== 'queued' || each.expiresAt > now);
      if (underway.length >= mostOpen) {
        const detail = `${underway.length} requests of this device are not done yet`;
        throw new Problem('too-many-requests', { detail });
      }
      const row: RunRequestRow = {
        id: randomUUID(),
        deviceId,
        order,
        runCount: order.probes.length * ticksOf(order.burst),
        actor,
        createdAt: now,
        expiresAt: now + expiresAfterMs,
        state: 'queued',
        pickedUpAt: null,
        reportedAt: null,
        madeCount: 0,
        lostCount: 0,
        reason: '',
      };
      await tx.insert(runRequests).values(row);
      const detail = { requestId: row.id, ...order };
      const entry = { actor, action: 'device.runs-requested', subject: deviceId, detail };
      await writeAudit(tx, entry, now);
      return row;
    }),

  async find(deviceId: string, id: string): Promise<RunRequestRow | undefined> {
    const [row] = await db
      .select()
      .from(runRequests)
      .where(and(eq(runRequests.id, id), eq(runRequests.deviceId, deviceId)));
    return row;
  },

  /** What the device has not picked up and still may, the oldest first. */
  async openFor(deviceId: string, now: number): Promise<RunRequest[]> {
    const rows = await db
      .select()
      .from(runRequests)
      .where(
        and(
          eq(runRequests.deviceId, deviceId),
          gt(runRequests.expiresAt, now),
          eq(runRequests.state, 'queued'),
        ),
      )
      .orderBy(asc(runRequests.createdAt));
    return rows.map(({ id, order, expiresAt }) => ({ id, order: order as RunOrder, expiresAt }));
  },

  /** Devices somebody asked something of since then, at whatever collector. */
  async devicesAskedSince(timeMs: number): Promise<string[]> {
    const rows = await db
      .selectDistinct({ deviceId: runRequests.deviceId })
      .from(runRequests)
      .where(gt(runRequests.createdAt, timeMs));
    return rows.map(({ deviceId }) => deviceId);
  },

  /** Takes what a device says of a request of its own; one that comes again changes nothing. */
  async settle(report: RunReport): Promise<void> {
    const { state, at, madeCount, lostCount, reason } = report;
    const before = statesBefore[state];
    const pickedUp = state === 'picked-up' ? { pickedUpAt: Math.round(at) } : {};
    await db
      .update(runRequests)
      .set({ state, reportedAt: Math.round(at), madeCount, lostCount, reason, ...pickedUp })
      .where(
        and(
          eq(runRequests.id, report.requestId),
          eq(runRequests.deviceId, report.deviceId),
          inArray(runRequests.state, [...before]),
        ),
      );
  },

  async deleteBefore(timeMs: number): Promise<void> {
    await db.delete(runRequests).where(lt(runRequests.createdAt, timeMs));
  },
});

export type RunRequests = ReturnType<typeof createRunRequests>;

/** What a state may follow. */
const statesBefore = {
  'picked-up': ['queued'],
  running: ['queued', 'picked-up', 'running'],
  done: ['queued', 'picked-up', 'running'],
} as const satisfies Record<RunReport['state'], readonly RunRequestRow['state'][]>;

/** As an operator is told: what nobody picked up in time never will be. */
export const shownState = (
  { state, expiresAt }: RunRequestRow,
  now: number,
): RunRequestRow['state'] | 'expired' =>
  state === 'queued' && expiresAt <= now ? 'expired' : state;
