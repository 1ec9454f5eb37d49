import type { TelemetryRecord } from '#contract/telemetry.ts';
import type { Verdict } from '#contract/verdict.ts';
import type { Identity } from '../control/fleet.ts';
import type { Ingest } from '../ingest/ingest.ts';
import type { IntakeWatch } from '../ingest/intake.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { PointsRefused, type Store, StoreUnavailable } from '../store/store.ts';
import type { Metrics } from './metrics.ts';

/** The store with each of its calls timed and its failures counted; what it does stays the same. */
export const measureStore = (store: Store, { store: counted }: Metrics): Store => {
  const { engine } = store;
  const measured =
    (operation: string, call: Call) =>
    async (...args: unknown[]): Promise<unknown> => {
      const startedMs = performance.now();
      try {
        const answer = await call(...args);
        counted.seconds.observe({ engine, operation }, secondsSince(startedMs));
        if (operation === 'write') counted.points.add({ engine }, (args[0] as unknown[]).length);
        return answer;
      } catch (error) {
        counted.errors.add({ engine, operation, reason: reasonOf(error) });
        throw error;
      }
    };
  const entries = Object.entries(store).map(([name, value]) => [
    name,
    typeof value !== 'function' || unmeasured.has(name) ? value : measured(name, value as Call),
  ]);
  return Object.fromEntries(entries) as Store;
};

type Call = (...args: unknown[]) => Promise<unknown>;

/** Asked by those who watch, and at the end. */
const unmeasured = new Set(['ping', 'stop']);

const reasonOf = (error: unknown): string => {
  if (error instanceof StoreUnavailable) return 'unavailable';
  return error instanceof PointsRefused ? 'refused' : 'fault';
};

/** The queues with each run of a handler timed. */
export const measureJobs = (jobs: Jobs, { jobs: counted }: Metrics): Jobs => ({
  ...jobs,
  work(queue, handler, options) {
    const timed: typeof handler = async (payload, attempt) => {
      const startedMs = performance.now();
      const done = (outcome: string) =>
        counted.seconds.observe({ queue, outcome }, secondsSince(startedMs));
      try {
        await handler(payload, attempt);
      } catch (error) {
        done('failed');
        throw error;
      }
      done('done');
    };
    jobs.work(queue, timed, options);
  },
});

/** Ingest with its batches counted; what was stored is counted where it is: `records`. */
export const measureIngest =
  (ingest: Ingest, { ingest: counted }: Metrics): Ingest =>
  async (sender, batch) => {
    const startedMs = performance.now();
    const ingested = await ingest(sender, batch);
    counted.seconds.observe({}, secondsSince(startedMs));
    const { role } = sender;
    const outcome = ingested.acknowledgement.duplicate ? 'duplicate' : 'stored';
    counted.batches.add({ role, outcome });
    const { rejectedCount } = ingested.refused;
    if (rejectedCount > 0) counted.refused.add({ role }, rejectedCount);
    return ingested;
  };

export const watchIntake = ({ ingest }: Metrics): IntakeWatch => ({
  places: (taken) => ingest.places.set({}, taken),
  turns: ({ working, waiting }) => {
    ingest.turns.set({ state: 'working' }, working);
    ingest.turns.set({ state: 'waiting' }, waiting);
  },
});

export const countStored = (records: readonly TelemetryRecord[], { ingest }: Metrics): void => {
  for (const { kind } of records) ingest.records.add({ kind });
};

/** What came of each attempt at a message. */
export const countAttempts = <
  T extends { record(id: string, attempt: { state: string }, now: number): Promise<void> },
>(
  deliveries: T,
  { webhooks }: Metrics,
): T => ({
  ...deliveries,
  async record(id: string, attempt: { state: string }, now: number) {
    await deliveries.record(id, attempt, now);
    webhooks.add({ outcome: attempt.state === 'waiting' ? 'failed' : attempt.state });
  },
});

export const countVerdict =
  ({ verdicts }: Metrics) =>
  ({ state }: Pick<Verdict, 'state'>): void =>
    verdicts.add({ state });

/** Devices and edges this collector heard of lately: kept here, since a table of them would be read at each look. */
export const watchSenders = <T extends { seen(who: Identity, now: number): Promise<void> }>(
  fleet: T,
  { registry }: Metrics,
  now: () => number,
): T => {
  const lastSeen = { device: new Map<string, number>(), edge: new Map<string, number>() };
  registry.gaugeOf(
    {
      name: 'senders_seen',
      help: 'Devices and edges that spoke to this collector in the last 5 minutes.',
      labels: ['role'],
    },
    () =>
      (['device', 'edge'] as const).map((role) => ({
        labels: { role },
        value: forget(lastSeen[role], now() - seenWithinMs),
      })),
  );
  return {
    ...fleet,
    seen(who: Identity, at: number) {
      const { [who.role]: ofRole } = lastSeen;
      // To the end of the map, so that the silent ones are at its beginning.
      ofRole.delete(who.id);
      ofRole.set(who.id, at);
      return fleet.seen(who, at);
    },
  };
};

const seenWithinMs = 300_000;

const forget = (lastSeen: Map<string, number>, beforeMs: number): number => {
  for (const [id, at] of lastSeen) {
    if (at >= beforeMs) break;
    lastSeen.delete(id);
  }
  return lastSeen.size;
};

const secondsSince = (startedMs: number): number => (performance.now() - startedMs) / 1_000;
