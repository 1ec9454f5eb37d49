import { and, asc, eq, gt, isNotNull, isNull } from 'drizzle-orm';
import { devices, edges } from '../state/schema.ts';
import type { Database } from '../state/state.ts';
import { writeAudit } from './audit.ts';

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

    /** Refused from now on, at every collector and, within its polling interval, every edge. */
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
