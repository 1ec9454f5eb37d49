import { and, desc, eq, gte, lte, ne, or, sql } from 'drizzle-orm';
import type { Verdict } from '#contract/verdict.ts';
import { storable } from '../http/plain-text.ts';
import type { Incident, IncidentStep } from '../incident/lifecycle.ts';
import type { SharedNow } from '../notify/messages.ts';
import { deliveries, incidents, sharedIncidents, verdicts } from '../state/schema.ts';
import type { Database } from '../state/state.ts';
import type { NewDelivery } from './delivery-rows.ts';

type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0];

/** What a verdict leads to: the incident's next step, and what has to be told about it. */
export type Settlement = { step: IncidentStep; deliveries: NewDelivery[] };

export const createVerdictRows = (db: Database) => ({
  /**
   * Verdict, incident and outbox in one transaction: a crash leaves all of it or nothing. Verdicts
   * of one device and application take turns, whichever collectors they were made in; one that is
   * older than what is known changes nothing. Gives the ids of the deliveries to send.
   */
  settle: (
    made: Verdict,
    decide: (
      current: Incident | undefined,
      verdict: Verdict,
      shared: SharedNow | undefined,
    ) => Settlement,
  ): Promise<string[]> =>
    db.transaction(async (tx) => {
      const verdict = storable(made);
      await takeTurn(tx, verdict);
      if (!(await keepVerdict(tx, verdict))) return [];
      const current = await newestIncident(tx, verdict);
      const shared = await sharedNow(tx, current, verdict);
      const settlement = decide(current, verdict, shared);
      await keepIncident(tx, current, settlement.step);
      if (settlement.deliveries.length > 0) {
        await tx.insert(deliveries).values(settlement.deliveries);
      }
      return settlement.deliveries.map(({ id }) => id);
    }),

  /**
   * A verdict about a time that is over, with the incident it was: nobody is told. Changes nothing where
   * something newer is known, or an incident is under way.
   */
  keepPast: (made: Verdict, incident: Incident): Promise<void> =>
    db.transaction(async (tx) => {
      const verdict = storable(made);
      await takeTurn(tx, verdict);
      if (!(await keepVerdict(tx, verdict))) return;
      const current = await newestIncident(tx, verdict);
      if (current !== undefined && current.state !== 'closed') return;
      await keepIncident(tx, undefined, { incident: storable(incident), change: 'none' });
    }),

  /** Time of the newest; undefined: there is none yet. */
  async newestAt(deviceId: string, appId: string): Promise<number | undefined> {
    const row = await db.query.verdicts.findFirst({
      columns: { at: true },
      where: (table) => and(eq(table.deviceId, deviceId), eq(table.appId, appId)),
    });
    return row?.at;
  },

  /**
   * Whether another device's incident began since a time with the same part slow, in the same
   * application or at the same edge: they may be one.
   */
  async hasLike({ deviceId, appId, segment, edgeId }: Verdict, sinceMs: number): Promise<boolean> {
    if (segment === null) return false;
    const found = await db
      .select({ id: incidents.id })
      .from(incidents)
      .where(
        and(
          ne(incidents.deviceId, deviceId),
          eq(incidents.segment, segment),
          eq(incidents.live, true),
          gte(incidents.firstSlowAt, sinceMs),
          or(
            eq(incidents.appId, appId),
            sql`${incidents.latestVerdict}->>'edgeId' = ${edgeId ?? ''}`,
          ),
        ),
      )
      .limit(1);
    return found.length > 0;
  },

  /** The incident is not told by itself, as a shared one was. */
  async leaveTo(incidentId: string, sharedId: string): Promise<void> {
    await db.update(incidents).set({ toldBy: sharedId }).where(eq(incidents.id, incidentId));
  },

  list: (filter: { deviceId?: string; appId?: string }, limit: number) =>
    db
      .select()
      .from(verdicts)
      .where(
        and(
          filter.deviceId === undefined ? undefined : eq(verdicts.deviceId, filter.deviceId),
          filter.appId === undefined ? undefined : eq(verdicts.appId, filter.appId),
        ),
      )
      .orderBy(desc(verdicts.at))
      .limit(limit),
});

export type VerdictRows = ReturnType<typeof createVerdictRows>;

const takeTurn = async (tx: Transaction, { deviceId, appId }: Verdict): Promise<void> => {
  const key = `verdict:${deviceId}:${appId}`;
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${key}, 0))`);
};

/** The shared incident that was told in this one's place, or else the one that explains it. */
const sharedNow = async (
  tx: Transaction,
  current: Incident | undefined,
  verdict: Verdict,
): Promise<SharedNow | undefined> => {
  const toldBy = current?.state === 'open' ? current.toldBy : null;
  const id = toldBy ?? verdict.causes?.[0]?.incidentId;
  if (id === undefined) return undefined;
  const [row] = await tx
    .select({
      id: sharedIncidents.id,
      live: sharedIncidents.live,
      toldTo: sharedIncidents.toldTo,
    })
    .from(sharedIncidents)
    .where(eq(sharedIncidents.id, id));
  return row;
};

/** False: a newer one is there. */
const keepVerdict = async (tx: Transaction, verdict: Verdict): Promise<boolean> => {
  const { deviceId, appId, at, state } = verdict;
  const kept = await tx
    .insert(verdicts)
    .values({ deviceId, appId, at, state, verdict })
    .onConflictDoUpdate({
      target: [verdicts.deviceId, verdicts.appId],
      set: { at, state, verdict },
      setWhere: lte(verdicts.at, at),
    })
    .returning({ at: verdicts.at });
  return kept.length === 1;
};

const newestIncident = async (
  tx: Transaction,
  { deviceId, appId }: Verdict,
): Promise<Incident | undefined> => {
  const [row] = await tx
    .select()
    .from(incidents)
    .where(and(eq(incidents.deviceId, deviceId), eq(incidents.appId, appId)))
    .orderBy(desc(incidents.firstSlowAt))
    .limit(1);
  if (!row) return undefined;
  const { live: _, ...incident } = row;
  // The columns were written from an Incident, below and nowhere else.
  return incident as Incident;
};

const keepIncident = async (
  tx: Transaction,
  current: Incident | undefined,
  { incident, change }: IncidentStep,
): Promise<void> => {
  if (change === 'removed' && current) {
    await tx.delete(incidents).where(eq(incidents.id, current.id));
  }
  if (!incident || incident === current) return;
  const row = { ...incident, live: incident.state !== 'closed' };
  await tx.insert(incidents).values(row).onConflictDoUpdate({ target: incidents.id, set: row });
};
