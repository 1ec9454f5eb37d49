import { and, count, eq, gte, min, sql } from 'drizzle-orm';
import { deliveries, fleetShards, incidents, sharedIncidents } from '../state/schema.ts';
import type { Database } from '../state/state.ts';

/** Figures over the whole tenant, each from an index of what is open alone. */
export const createCensusRows = (db: Database, now: () => number) => ({
  async count() {
    const [[open], [shared], [waiting], [bins]] = await Promise.all([
      db
        .select({ count: count() })
        .from(incidents)
        .where(and(eq(incidents.live, true), eq(incidents.state, 'open'))),
      db.select({ count: count() }).from(sharedIncidents).where(eq(sharedIncidents.live, true)),
      db.select({ count: count() }).from(deliveries).where(eq(deliveries.state, 'waiting')),
      db
        .select({ endMs: min(sql<string>`(${fleetShards.bin} + 1) * ${fleetShards.binMs}`) })
        .from(fleetShards)
        // One whose edge is gone is asked for no more; it is expired later.
        .where(and(gte(fleetShards.bin, 0), gte(fleetShards.keptUntil, now() - goneAfterMs))),
    ]);
    const endMs = bins?.endMs ?? null;
    return {
      openIncidents: open?.count ?? 0,
      liveShared: shared?.count ?? 0,
      waitingDeliveries: waiting?.count ?? 0,
      /** The end of the newest closed bin, of the shard that is furthest behind; null: none yet. */
      furthestBehindMs: endMs === null ? null : Number(endMs),
    };
  },
});

export type CensusRows = ReturnType<typeof createCensusRows>;

const goneAfterMs = 86_400_000;
