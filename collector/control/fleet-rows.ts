import { and, desc, eq, inArray, isNotNull, lt, lte, ne, not, or, sql } from 'drizzle-orm';
import type { SharedIncident, Verdict } from '#contract/verdict.ts';
import { lossStandsMs } from '../fleet/settle.ts';
import { afterBin, keyOf, merge, type Shared } from '../fleet/shared.ts';
import { storable } from '../http/plain-text.ts';
import {
  deliveries,
  fleetShards,
  incidents,
  sharedIncidentParts,
  sharedIncidents,
  standingCauses,
  verdicts,
} from '../state/schema.ts';
import type { Database } from '../state/state.ts';
import type { NewDelivery } from './delivery-rows.ts';

/** As `isShared` of one that goes on; one that has ended was shared where several suffered last. */
const isShared = sql`${sharedIncidents.incident}->>'scope' <> 'device' and (
  (${sharedIncidents.incident}->>'deviceCount')::int > 1
  or not ${sharedIncidents.live} and jsonb_array_length(${sharedIncidents.affected}) > 1
)`;

type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0];

/** A closed bin of one shard, to be written. */
export type ClosedBin = {
  shard: string;
  bin: number;
  toMs: number;
  binMs: number;
  readAt: number;
  deviceCount: number;
  worker: string;
  keptUntil: number;
  workingUntil: number;
  verdicts: readonly Verdict[];
  incidents: readonly SharedIncident[];
};

/** An incident of all shards together, as it is kept. */
export type SharedRow = Shared & { id: string; live: boolean } & Told;

/** Webhooks that heard of its opening, and whether its end was told. */
type Told = { toldTo: string[]; endTold: boolean };

/** What there is to tell about an incident, and what will have been told then. */
export type Telling = { deliveries: NewDelivery[] } & Told;

/** Rows of one statement. */
const rowsAtOnce = 500;

/**
 * What the fleet's engine found: shared incidents and what stands for each slow pair. Of one bin no
 * more than so many openings are told, the rest with the next ones.
 */
export const createFleetRows = (db: Database, mostDeliveries = 200) => ({
  /**
   * One bin in one transaction: incidents, standing causes, outbox, and that the shard is this far.
   * Undefined, and nothing written: another collector went on meanwhile.
   */
  close: (
    bin: ClosedBin,
    tell: (row: SharedRow) => Telling,
  ): Promise<{ deliveryIds: string[]; verdicts: Verdict[] } | undefined> =>
    db.transaction(async (tx) => {
      if (!(await moveOn(tx, bin))) return undefined;
      const { ids, rows } = await keepIncidents(tx, bin);
      const deliveryIds: string[] = [];
      for (const row of rows) {
        if (row.live && deliveryIds.length >= mostDeliveries) continue;
        const telling = tell(row);
        await tx
          .update(sharedIncidents)
          .set({ toldTo: telling.toldTo, endTold: telling.endTold })
          .where(eq(sharedIncidents.id, row.id));
        if (telling.deliveries.length > 0) await tx.insert(deliveries).values(telling.deliveries);
        deliveryIds.push(...telling.deliveries.map(({ id }) => id));
      }
      const standing = bin.verdicts.map((verdict) => withIds(storable(verdict), ids));
      await keepStanding(tx, bin, standing);
      return { deliveryIds, verdicts: standing };
    }),

  /** What stands for a pair by the newest bins, what adds most first. */
  async standing(deviceId: string, appId: string): Promise<Verdict | undefined> {
    const rows = await db
      .select({ verdict: standingCauses.verdict })
      .from(standingCauses)
      .where(and(eq(standingCauses.deviceId, deviceId), eq(standingCauses.appId, appId)));
    // Several where a device met several edges: of the newest the one that says most.
    const [first] = (rows as { verdict: Verdict }[])
      .map(({ verdict }) => verdict)
      .sort((a, b) => b.at - a.at || (b.addedMs ?? 0) - (a.addedMs ?? 0));
    return first;
  },

  /** Of these pairs those whose kept verdict is older than a time or names another cause. */
  async unsettled(made: readonly Verdict[], sinceMs: number): Promise<Verdict[]> {
    const known = new Map<string, { at: number; incidentId: string | null }>();
    const devices = [...new Set(made.map(({ deviceId }) => deviceId))];
    for (let from = 0; from < devices.length; from += rowsAtOnce) {
      const rows = await db
        .select({
          deviceId: verdicts.deviceId,
          appId: verdicts.appId,
          at: verdicts.at,
          incidentId: sql<string | null>`${verdicts.verdict}->'causes'->0->>'incidentId'`,
        })
        .from(verdicts)
        .where(inArray(verdicts.deviceId, devices.slice(from, from + rowsAtOnce)));
      for (const row of rows) known.set(`${row.deviceId} ${row.appId}`, row);
    }
    return made.filter(({ deviceId, appId, causes }) => {
      const row = known.get(`${deviceId} ${appId}`);
      return row === undefined || row.at < sinceMs || row.incidentId !== causes?.[0]?.incidentId;
    });
  },

  async incident(id: string): Promise<SharedRow | undefined> {
    const [row] = await db.select().from(sharedIncidents).where(eq(sharedIncidents.id, id));
    return row && rowOf(row);
  },

  /** Those that are not one device's alone: under way first, then the newest. */
  async list(limit: number): Promise<SharedRow[]> {
    const rows = await db
      .select()
      .from(sharedIncidents)
      .where(isShared)
      .orderBy(desc(sharedIncidents.live), desc(sharedIncidents.startedAt))
      .limit(limit);
    return rows.map(rowOf);
  },

  /**
   * Ended long ago: forgotten. Not seen for long: ended, as its shard is gone. A device's incident
   * that was not told because of it keeps no word of it.
   */
  async expire(before: { endedMs: number; seenMs: number }): Promise<void> {
    await db
      .update(sharedIncidents)
      .set({
        live: false,
        endedAt: sql`${sharedIncidents.seenAt}`,
        incident: sql`jsonb_set(${sharedIncidents.incident}, '{endedAt}', to_jsonb(${sharedIncidents.seenAt}))`,
      })
      .where(and(eq(sharedIncidents.live, true), lt(sharedIncidents.seenAt, before.seenMs)));
    const old = db
      .select({ id: sharedIncidents.id })
      .from(sharedIncidents)
      .where(and(isNotNull(sharedIncidents.endedAt), lt(sharedIncidents.endedAt, before.endedMs)));
    await db.update(incidents).set({ toldBy: null }).where(inArray(incidents.toldBy, old));
    await db.delete(sharedIncidentParts).where(inArray(sharedIncidentParts.incidentId, old));
    await db.delete(sharedIncidents).where(lt(sharedIncidents.endedAt, before.endedMs));
    await db.delete(standingCauses).where(lt(standingCauses.at, before.seenMs));
  },
});

export type FleetRows = ReturnType<typeof createFleetRows>;

const moveOn = async (tx: Transaction, bin: ClosedBin): Promise<boolean> => {
  const { shard, worker, readAt, deviceCount, keptUntil, workingUntil } = bin;
  const moved = await tx
    .update(fleetShards)
    .set({ bin: bin.bin, readAt, deviceCount, keptUntil, workingUntil })
    .where(
      and(
        eq(fleetShards.shard, shard),
        eq(fleetShards.worker, worker),
        eq(fleetShards.binMs, bin.binMs),
        lt(fleetShards.bin, bin.bin),
      ),
    )
    .returning({ shard: fleetShards.shard });
  return moved.length === 1;
};

/** Gives the ids under which the shard's incidents are kept, and the rows that changed. */
const keepIncidents = async (tx: Transaction, bin: ClosedBin) => {
  const ids = new Map<string, string>();
  // Shards take turns: two of them may open the same one at once.
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended('shared-incidents', 0))`);
  const former = await partsOf(tx, bin);
  const changed = new Set<string>();
  const spoken = bin.incidents.map(storable);
  for (const made of [...spoken, ...replaced(former, spoken), ...lost(former, bin)]) {
    const known = former.get(made.id);
    const id = known?.incidentId ?? (await liveOfKey(tx, made)) ?? made.id;
    ids.set(made.id, id);
    changed.add(id);
    const part = afterBin(known && sharedOf(known), made, bin);
    const row = { incidentId: id, live: made.endedAt === null, ...part };
    await tx
      .insert(sharedIncidentParts)
      .values({ shard: bin.shard, partId: made.id, ...row })
      .onConflictDoUpdate({
        target: [sharedIncidentParts.shard, sharedIncidentParts.partId],
        set: row,
      });
    // The next of the same bin may be of the same key.
    await keepMerged(tx, id, bin.shard);
  }
  const rows = changed.size === 0 ? [] : await rowsOf(tx, [...changed]);
  return { ids, rows };
};

type Part = typeof sharedIncidentParts.$inferSelect;

/** The columns were written from a Shared, here and nowhere else. */
const sharedOf = ({
  incident,
  affected,
  history,
}: Pick<Part, 'incident' | 'affected' | 'history'>) => ({ incident, affected, history }) as Shared;

const partsOf = async (tx: Transaction, bin: ClosedBin): Promise<Map<string, Part>> => {
  const made = bin.incidents.map(({ id }) => id);
  const rows = await tx
    .select()
    .from(sharedIncidentParts)
    .where(
      and(
        eq(sharedIncidentParts.shard, bin.shard),
        made.length === 0
          ? eq(sharedIncidentParts.live, true)
          : sql`(${sharedIncidentParts.live} or ${inArray(sharedIncidentParts.partId, made)})`,
      ),
    );
  return new Map(rows.map((row) => [row.partId, row]));
};

/** After so long, and so many bins, one that the engine no longer speaks of has ended: it began anew. */
const loseAfter = { ms: 900_000, bins: 5 } as const;

const lost = (former: ReadonlyMap<string, Part>, bin: ClosedBin): SharedIncident[] => {
  const made = new Set(bin.incidents.map(({ id }) => id));
  const silentMs = Math.max(loseAfter.ms, loseAfter.bins * bin.binMs);
  return [...former.values()]
    .filter(({ live, partId }) => live && !made.has(partId))
    .map((part) => sharedOf(part).incident)
    .filter(({ seenAt }) => bin.toMs - seenAt >= silentMs)
    .map(endedWhenSeen);
};

/** An engine that began anew opens what it spoke of before under another id. */
const replaced = (
  former: ReadonlyMap<string, Part>,
  spoken: readonly SharedIncident[],
): SharedIncident[] => {
  const made = new Set(spoken.map(({ id }) => id));
  const anew = new Set(spoken.filter(({ id }) => !former.has(id)).map(keyOf));
  return [...former.values()]
    .filter(({ live, partId }) => live && !made.has(partId))
    .map((part) => sharedOf(part).incident)
    .filter((incident) => anew.has(keyOf(incident)))
    .map(endedWhenSeen);
};

const endedWhenSeen = (incident: SharedIncident): SharedIncident => ({
  ...incident,
  endedAt: incident.seenAt,
});

const liveOfKey = async (tx: Transaction, made: SharedIncident): Promise<string | undefined> => {
  const [row] = await tx
    .select({ id: sharedIncidents.id })
    .from(sharedIncidents)
    .where(and(eq(sharedIncidents.key, keyOf(made)), eq(sharedIncidents.live, true)))
    .limit(1);
  return row?.id;
};

const keepMerged = async (tx: Transaction, id: string, shard: string): Promise<void> => {
  const parts = await tx
    .select()
    .from(sharedIncidentParts)
    .where(eq(sharedIncidentParts.incidentId, id))
    .orderBy(sharedIncidentParts.shard, sharedIncidentParts.partId);
  const [active] = await tx
    .select({ count: sql<number>`coalesce(sum(${fleetShards.deviceCount}), 0)::int` })
    .from(fleetShards)
    // A shard of the organisation counts every device that shards of edges do.
    .where(
      shard === 'organisation'
        ? eq(fleetShards.shard, shard)
        : ne(fleetShards.shard, 'organisation'),
    );
  const merged = merge(
    id,
    parts.map((part) => ({ ...sharedOf(part), shard: part.shard })),
    active?.count ?? 0,
  );
  const { startedAt, seenAt, endedAt } = merged.incident;
  const row = {
    key: keyOf(merged.incident),
    live: endedAt === null,
    startedAt,
    seenAt,
    endedAt,
    ...merged,
  };
  await tx
    .insert(sharedIncidents)
    .values({ id, ...row })
    .onConflictDoUpdate({ target: sharedIncidents.id, set: row });
};

const rowsOf = async (tx: Transaction, ids: readonly string[]): Promise<SharedRow[]> => {
  const rows = await tx
    .select()
    .from(sharedIncidents)
    .where(inArray(sharedIncidents.id, [...ids]))
    .orderBy(sharedIncidents.id);
  // What hits most devices is told first.
  return rows.map(rowOf).sort((a, b) => b.incident.deviceCount - a.incident.deviceCount);
};

const rowOf = (row: typeof sharedIncidents.$inferSelect): SharedRow => ({
  ...sharedOf(row),
  id: row.id,
  live: row.live,
  toldTo: row.toldTo,
  endTold: row.endTold,
});

const withIds = (verdict: Verdict, ids: ReadonlyMap<string, string>): Verdict =>
  verdict.causes === undefined
    ? verdict
    : {
        ...verdict,
        causes: verdict.causes.map((cause) => ({
          ...cause,
          incidentId: ids.get(cause.incidentId) ?? cause.incidentId,
        })),
      };

const keepStanding = async (
  tx: Transaction,
  { shard, toMs }: ClosedBin,
  made: readonly Verdict[],
): Promise<void> => {
  const isLoss = sql`${standingCauses.verdict}->'causes'->0->>'kind' is not distinct from 'loss'`;
  const isOver = or(lte(standingCauses.at, toMs - lossStandsMs), not(isLoss));
  await tx.delete(standingCauses).where(and(eq(standingCauses.shard, shard), isOver));
  for (let from = 0; from < made.length; from += rowsAtOnce) {
    const rows = made.slice(from, from + rowsAtOnce).map((verdict) => ({
      shard,
      deviceId: verdict.deviceId,
      appId: verdict.appId,
      at: toMs,
      verdict,
    }));
    await tx
      .insert(standingCauses)
      .values(rows)
      .onConflictDoUpdate({
        target: [standingCauses.shard, standingCauses.deviceId, standingCauses.appId],
        set: { at: toMs, verdict: sql`excluded.verdict` },
      });
  }
};
