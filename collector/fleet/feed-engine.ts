import type { Reading } from '#collector/diagnose/fleet/reading.ts';
import type { EngineRows } from '../control/engine-rows.ts';
import type { Fleet } from '../control/fleet.ts';
import type { OrganisationVersions } from '../control/organisation-versions.ts';
import { createDeclaredApplications } from '../ingest/declared-applications.ts';
import type { Store } from '../store/store.ts';
import type { BinClock } from './bin-clock.ts';
import type { Held } from './engines.ts';
import { knownOnly } from './known-only.ts';
import { lateWithinMs, readLate } from './late.ts';
import { readBin } from './read-bin.ts';
import type { Members } from './shards.ts';

/** A note may become visible a little after the time it bears. */
const overlapMs = 5_000;
/** So much of a tick is spent with what came late: the next one goes on. */
const lateBudgetMs = 10_000;
/** Bins of which it is known when they were read. */
const keptReads = 120;

/** What is stored, as an engine gets it: of a bin, and of bins that it has closed. */
export const createEngineFeed = (parts: {
  store: Store;
  rows: Pick<EngineRows, 'late'>;
  organisations: Pick<OrganisationVersions, 'current' | 'currentNumber'>;
  fleet: Pick<Fleet, 'edges'>;
  clock: BinClock;
  now: () => number;
}) => {
  const { store, clock, now } = parts;
  const declaredApplications = createDeclaredApplications(parts.organisations);

  const ofOurs = async (): Promise<(readings: readonly Reading[]) => Reading[]> => {
    const applications = await declaredApplications();
    const edges = new Set((await parts.fleet.edges()).map(({ id }) => id));
    return (readings) => knownOnly(readings, { applications, edges });
  };

  /** Gives how many devices there is something of. */
  const observeBin = async (
    held: Held,
    bin: number,
    members: Members,
    renew: () => Promise<void>,
  ): Promise<number> => {
    const seen = new Set<string>();
    const ours = await ofOurs();
    noteRead(held, bin, now());
    const range = { fromMs: clock.startOf(bin), toMs: clock.endOf(bin) };
    for await (const readings of readBin(store, range, members)) {
      for (const reading of readings) if ('deviceId' in reading) seen.add(reading.deviceId);
      await held.engine.observe(ours(readings));
      await renew();
    }
    return seen.size;
  };

  const observeLate = async (
    held: Held,
    members: Members,
    renew: () => Promise<void>,
  ): Promise<void> => {
    const startedMs = now();
    const ours = await ofOurs();
    const chunks = readLate(
      { ...parts, binMs: clock.binMs },
      { ...lateRange(held, startedMs), isLate: lateFor(held, clock), members },
    );
    for await (const { portions, readAt } of chunks) {
      for await (const readings of portions) {
        await held.engine.observe(ours(readings));
        await renew();
      }
      held.readAt = Math.max(held.readAt, readAt);
      if (now() - startedMs > lateBudgetMs) break;
    }
  };

  return { observeBin, observeLate };
};

const noteRead = ({ reads }: Held, bin: number, atMs: number): void => {
  reads.set(bin, atMs);
  for (const one of reads.keys()) if (one <= bin - keptReads) reads.delete(one);
};

/** Late for an engine: its bin had been read when the batch was stored. */
const lateFor =
  ({ bin: newest, reads }: Held, clock: BinClock) =>
  (timeMs: number, storedAt: number): boolean => {
    const bin = clock.binOf(timeMs);
    return bin <= newest && storedAt > (reads.get(bin) ?? Number.NEGATIVE_INFINITY);
  };

const lateRange = (held: Held, untilMs: number) => {
  const { lateSeen: seen = new Map<string, number>() } = held;
  const backMs = held.lateSeen === undefined ? 0 : overlapMs;
  held.lateSeen = seen;
  const afterMs = Math.max(held.readAt - backMs, untilMs - lateWithinMs);
  for (const [id, storedAt] of seen) if (storedAt <= afterMs) seen.delete(id);
  return { afterMs, untilMs, seen };
};
