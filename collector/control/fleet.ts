import { and, asc, eq, gt, isNotNull, isNull, max } from 'drizzle-orm';
import type { DeviceAssignment } from '#contract/access.ts';
import type { PostureReport } from '#contract/telemetry.ts';
import { devices, edges } from '../state/schema.ts';
import type { Database } from '../state/state.ts';
import { writeAudit } from './audit.ts';
import type { KnownDevice } from './compile-access.ts';
import { canonical } from './organisation-diff.ts';

/** Who a client certificate of this tenant says it is. */
export type Identity = { role: 'device' | 'edge'; id: string };

/** `last seen` is written at most this often for one device or edge and collector. */
const seenEveryMs = 30_000;

/** The devices and edges that were let in. */
export const createFleet = (db: Database) => {
  const seenAt = new Map<string, number>();
  return {
    async device(id: string) {
      const [row] = await db.select().from(devices).where(eq(devices.id, id));
      return row;
    },

    async edge(id: string) {
      const [row] = await db.select().from(edges).where(eq(edges.id, id));
      return row;
    },

    devices: () => db.select().from(devices).orderBy(asc(devices.name), asc(devices.id)),
    edges: () => db.select().from(edges).orderBy(asc(edges.id)),

    activeEdges: () =>
      db.select().from(edges).where(isNull(edges.revokedAt)).orderBy(asc(edges.id)),

    /** What operators said of devices, and what these told. */
    knownDevices: async (): Promise<KnownDevice[]> => {
      const rows = await db
        .select({
          id: devices.id,
          userId: devices.userId,
          labels: devices.labels,
          posture: devices.posture,
        })
        .from(devices)
        .where(and(isNull(devices.revokedAt), isNotNull(devices.factsChangedAt)))
        .orderBy(asc(devices.id));
      return rows.map(({ posture, ...row }) => ({ ...row, ...(posture ? { posture } : {}) }));
    },

    /** Another value whenever edges should look for a new config because of a device. */
    async deviceNews(): Promise<string> {
      const [row] = await db
        .select({ revokedAt: max(devices.revokedAt), changedAt: max(devices.factsChangedAt) })
        .from(devices);
      return `${row?.revokedAt} ${row?.changedAt}`;
    },

    /** Who uses a device, and what an operator calls it. */
    assign: (
      deviceId: string,
      { userId, labels }: DeviceAssignment,
      actor: string,
      now: number,
    ): Promise<boolean> =>
      db.transaction(async (tx) => {
        const assigned = await tx
          .update(devices)
          .set({ userId, labels, factsChangedAt: now })
          .where(eq(devices.id, deviceId))
          .returning({ id: devices.id });
        if (assigned.length === 0) return false;
        const detail = { userId, labels };
        await writeAudit(tx, { actor, action: 'device.assigned', subject: deviceId, detail }, now);
        return true;
      }),

    /** What a device found out about itself; one that comes late changes nothing. */
    async setPosture({ deviceId, at, facts }: PostureReport, now: number): Promise<void> {
      const [before] = await db.select().from(devices).where(eq(devices.id, deviceId));
      if (before === undefined || (before.postureAt ?? 0) > at) return;
      const isSame = before.posture !== null && canonical(before.posture) === canonical(facts);
      await db
        .update(devices)
        .set({
          posture: facts,
          postureAt: Math.round(at),
          ...(isSame ? {} : { factsChangedAt: now }),
        })
        .where(eq(devices.id, deviceId));
    },

    /** Those whose certificate an edge would still take; the others cannot come back anyway. */
    async revokedDeviceIds(now: number): Promise<string[]> {
      const rows = await db
        .select({ id: devices.id })
        .from(devices)
        .where(and(isNotNull(devices.revokedAt), gt(devices.certificateNotAfter, now)))
        .orderBy(asc(devices.id));
      return rows.map((row) => row.id);
    },

    /** Notes that it was here. Losing this to a crash or a race loses half a minute of truth. */
    async seen({ role, id }: Identity, now: number): Promise<void> {
      const key = `${role}:${id}`;
      if (now - (seenAt.get(key) ?? 0) < seenEveryMs) return;
      seenAt.set(key, now);
      const table = role === 'device' ? devices : edges;
      await db.update(table).set({ lastSeenAt: now }).where(eq(table.id, id));
    },

    /** Refused from now on, at every collector and, within seconds, every edge that is asking. */
    revoke: ({ role, id }: Identity, actor: string, now: number): Promise<boolean> =>
      db.transaction(async (tx) => {
        const table = role === 'device' ? devices : edges;
        const revoked = await tx
          .update(table)
          .set({ revokedAt: now })
          .where(and(eq(table.id, id), isNull(table.revokedAt)))
          .returning({ id: table.id });
        if (revoked.length === 0) return false;
        await writeAudit(tx, { actor, action: `${role}.revoked`, subject: id, detail: {} }, now);
        return true;
      }),
  };
};

export type Fleet = ReturnType<typeof createFleet>;
