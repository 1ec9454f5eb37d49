import { and, asc, eq, gt, inArray, isNotNull, isNull, lte, max } from 'drizzle-orm';
import type { DeviceAssignment } from '#contract/access.ts';
import type { PostureReport } from '#contract/telemetry.ts';
import { gathered } from '../state/gathered.ts';
import { devices, edges } from '../state/schema.ts';
import type { Database } from '../state/state.ts';
import { writeAudit } from './audit.ts';
import type { KnownDevice } from './compile-access.ts';
import { canonical } from './organisation-diff.ts';

/** Who a client certificate of this tenant says it is. */
export type Identity = { role: 'device' | 'edge'; id: string };

/** `last seen` is written at most this often for one device or edge and collector. */
const seenEveryMs = 30_000;

/** Every change makes all edges compile their policy anew: so often may one device bring it about. */
export const postureEveryMs = 60_000;

/** The devices and edges that were let in. */
export const createFleet = (db: Database) => {
  const seenAt = new Map<string, number>();
  return {
    /** Each request asks for its sender. */
    device: gathered(async (ids: readonly string[]) => {
      const found = await db
        .select()
        .from(devices)
        .where(inArray(devices.id, [...new Set(ids)]));
      const byId = new Map(found.map((row) => [row.id, row]));
      return ids.map((id) => byId.get(id));
    }),

    async edge(id: string) {
      const [row] = await db.select().from(edges).where(eq(edges.id, id));
      return row;
    },

    devices: () => db.select().from(devices).orderBy(asc(devices.name), asc(devices.id)),
    edges: () => db.select().from(edges).orderBy(asc(edges.id)),

    async activeDeviceCount(): Promise<number> {
      return db.$count(devices, isNull(devices.revokedAt));
    },

    activeEdges: () =>
      db.select().from(edges).where(isNull(edges.revokedAt)).orderBy(asc(edges.id)),

    /** What operators said of devices, and what these told, as edges go by it now. */
    knownDevices: async (now: number): Promise<KnownDevice[]> => {
      const rows = await db
        .select({
          id: devices.id,
          userId: devices.userId,
          labels: devices.labels,
          posture: devices.posture,
          postureFromAt: devices.postureFromAt,
          postureBefore: devices.postureBefore,
        })
        .from(devices)
        .where(and(isNull(devices.revokedAt), isNotNull(devices.factsChangedAt)))
        .orderBy(asc(devices.id));
      return rows.map(({ id, userId, labels, ...told }) => {
        const posture = postureInForce(told, now);
        return { id, userId, labels, ...(posture ? { posture } : {}) };
      });
    },

    /** Another value whenever edges should look for a new config because of a device. */
    async deviceNews(now: number): Promise<string> {
      const [row] = await db
        .select({ revokedAt: max(devices.revokedAt), changedAt: max(devices.factsChangedAt) })
        .from(devices);
      const [due] = await db
        .select({ at: max(devices.postureFromAt) })
        .from(devices)
        .where(lte(devices.postureFromAt, now));
      return `${row?.revokedAt} ${Math.max(row?.changedAt ?? 0, due?.at ?? 0)}`;
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

    /**
     * What a device found out about itself; one that comes late changes nothing. Edges go by the first
     * at once, by a change within a minute of the last when that is over: by the newest there is then.
     */
    async setPosture({ deviceId, at, facts }: PostureReport, now: number): Promise<void> {
      const [before] = await db.select().from(devices).where(eq(devices.id, deviceId));
      if (before === undefined || (before.postureAt ?? 0) > at) return;
      const isSame = before.posture !== null && canonical(before.posture) === canonical(facts);
      await db
        .update(devices)
        .set({
          posture: facts,
          postureAt: Math.round(at),
          ...(isSame ? {} : inForceFrom(before, now)),
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

type ToldPosture = Pick<
  typeof devices.$inferSelect,
  'posture' | 'postureFromAt' | 'postureBefore' | 'factsChangedAt'
>;

const postureInForce = (told: Omit<ToldPosture, 'factsChangedAt'>, now: number) =>
  (told.postureFromAt ?? 0) <= now ? told.posture : told.postureBefore;

/** What is to be written with another posture than `before`. */
const inForceFrom = (before: ToldPosture, now: number): Partial<Omit<ToldPosture, 'posture'>> => {
  const lastAt = before.postureFromAt;
  if (lastAt !== null && lastAt > now) return {};
  if (lastAt === null || now - lastAt >= postureEveryMs) {
    return { postureFromAt: now, postureBefore: null, factsChangedAt: now };
  }
  return {
    postureFromAt: lastAt + postureEveryMs,
    postureBefore: before.posture,
    // The time it took effect is not to be lost: the newest of all is what tells edges of news.
    factsChangedAt: Math.max(before.factsChangedAt ?? 0, lastAt),
  };
};

export type Fleet = ReturnType<typeof createFleet>;
