import { type Segment, segments, type Verdict } from '#contract/verdict.ts';
import { isDense } from './beside-plan.ts';
import { groupBy } from './group.ts';
import type { SplitRun } from './ledger.ts';
import { reassign, type Usual } from './reassign.ts';
import { lowerMedian, median, robustSpread } from './statistics.ts';

type BaselineFrom = Verdict['baselineFrom'];

/** What a run is compared with. */
type Reference = {
  from: BaselineFrom;
  /** Runs (own past) or applications (the others) it rests on. */
  count: number;
  /** Median total without the look-up, which is compared cold with cold and warm with warm. */
  steadyMs: number;
  spreadMs: number;
  parts: Record<Segment, number | null>;
  residualMs: number;
  lookupMs: Record<SplitRun['lookup'], number | null>;
} & Usual;

/** A run, what it was compared with and what was added. */
export type JudgedRun = SplitRun & {
  reference: Reference;
  baselineMs: Record<Segment, number | null>;
  baselineTotalMs: number | null;
  added: Record<Segment, number | null>;
  residualAddedMs: number;
  addedTotalMs: number | null;
  /** Added total from which a run counts as slow. */
  thresholdMs: number | null;
  slow: boolean;
};

/** Five runs give a median and a spread that one odd run does not move. */
export const runsForOwnPast = 5;
/** The recent past: half an hour of one-minute probing. */
const rememberedRuns = 30;
/** A median of fewer values of one segment is not called normal. */
const valuesForPart = 3;

/**
 * Below 30 ms nobody notices: five milliseconds on each of the about six round trips of a request.
 * 20 % and 2.5 spreads keep slow and noisy applications quiet. Two runs in a row must pass all three.
 */
const ownPast = { floorMs: 30, share: 0.2, spreads: 2.5, spreadFloorMs: 1 } as const;
/**
 * Applications differ by nature, so against the others more is asked: 100 ms, from which a person
 * feels a wait, and half of what the others take.
 */
const otherApplications = { floorMs: 100, share: 0.5 } as const;
/** A cold look-up without any cold one before it: up to this it is a resolver doing its work. */
const coldLookupAllowanceMs = 100;

/** One probe's runs, judged: the newest in full, of the others only since when it is slow. */
export type Judgement = {
  recent: JudgedRun[];
  count: number;
  /** Start of the row of slow runs that goes on to the newest; null when that one is not slow. */
  slowSinceMs: number | null;
};

/**
 * Judges one probe's successful runs, oldest first, each against what was known before it. Only
 * runs that were not slow themselves become part of normal, so a fault is not learned and an
 * application that has been slow since its first run does not become its own measure.
 */
export const judgeRuns = (
  runs: readonly SplitRun[],
  others: readonly SplitRun[],
  keepLast: number,
): Judgement => {
  const cold = referenceFromOthers(others);
  const normal: SplitRun[] = [];
  const steady: number[] = [];
  const judgement: Judgement = { recent: [], count: runs.length, slowSinceMs: null };
  for (const [index, run] of runs.entries()) {
    const spread = ownSteady(steady);
    const limit = spread ?? cold;
    if (runs.length - index <= keepLast) {
      judgement.recent.push(judge(run, spread ? referenceFromOwnPast(normal, spread) : cold));
    }
    if (limit.from !== 'none' && isSlow(run, limit, normal)) {
      judgement.slowSinceMs ??= run.run.timeMs;
      continue;
    }
    judgement.slowSinceMs = null;
    if (isDense(run.run)) continue;
    normal.push(run);
    steady.push(steadyMs(run));
    if (normal.length > rememberedRuns) {
      normal.shift();
      steady.shift();
    }
  }
  return judgement;
};

type Steady = Pick<Reference, 'from' | 'steadyMs' | 'spreadMs'> & { count: number };

const steadyMs = (run: SplitRun): number => run.totalMs - (run.parts.dns ?? 0);

const ownSteady = (steady: readonly number[]): Steady | undefined => {
  const middle = steady.length < runsForOwnPast ? null : median(steady);
  if (middle === null) return undefined;
  const spreadMs = robustSpread(steady, ownPast.spreadFloorMs);
  return { from: 'own-past', steadyMs: middle, spreadMs, count: steady.length };
};

/** The same answer `judge` gives, without the parts: the fold asks it of every run. */
const isSlow = (run: SplitRun, limit: Steady | Reference, normal: readonly SplitRun[]): boolean => {
  const normalLookupMs =
    'lookupMs' in limit ? limit.lookupMs[run.lookup] : ownLookupMs(normal)[run.lookup];
  const lookup = addedLookupMs(run, normalLookupMs);
  return steadyMs(run) - limit.steadyMs + (lookup ?? 0) >= threshold(limit, normalLookupMs ?? 0);
};

const threshold = (reference: Steady | Reference, lookupMs: number): number => {
  const totalMs = reference.steadyMs + lookupMs;
  return reference.from === 'own-past'
    ? Math.max(ownPast.floorMs, ownPast.share * totalMs, ownPast.spreads * reference.spreadMs)
    : Math.max(otherApplications.floorMs, otherApplications.share * totalMs);
};

const addedLookupMs = (run: SplitRun, normalMs: number | null): number | null => {
  if (run.parts.dns === null) return null;
  if (normalMs !== null) return Math.max(0, run.parts.dns - normalMs);
  return Math.max(0, run.parts.dns - coldLookupAllowanceMs);
};

const ownLookupMs = (normal: readonly SplitRun[]): Reference['lookupMs'] => ({
  cold: medianOfAtLeast(valuesForPart, lookups(normal, 'cold')),
  warm: medianOfAtLeast(valuesForPart, lookups(normal, 'warm')),
});

const lookups = (runs: readonly SplitRun[], kind: SplitRun['lookup']): number[] =>
  runs
    .filter((run) => run.lookup === kind && run.parts.dns !== null)
    .map((run) => run.parts.dns ?? 0);

const medianOfAtLeast = (least: number, values: readonly number[]): number | null =>
  values.length < least ? null : median(values);

const referenceFromOwnPast = (normal: readonly SplitRun[], steady: Steady): Reference => ({
  ...steady,
  parts: mapSegments((segment) => medianOfAtLeast(valuesForPart, partValues(normal, segment))),
  residualMs: median(normal.map((run) => run.residualMs)) ?? 0,
  lookupMs: ownLookupMs(normal),
  rounds: median(normal.map((run) => run.rounds)) ?? 0,
  longestStallMs: median(normal.map(longestStallMs)) ?? 0,
});

const longestStallMs = (run: SplitRun): number => run.run.fields.loop_delay_longest_ms ?? 0;

const partValues = (runs: readonly SplitRun[], segment: Segment): number[] =>
  runs.map((run) => run.parts[segment]).filter((ms) => ms !== null);

/**
 * What the device's other applications take: the median of each one's runs, then the lower median
 * over the applications, so that one busy or slow neighbour does not set the measure.
 */
const referenceFromOthers = (others: readonly SplitRun[]): Reference => {
  const byApp = [...groupBy(others, (run) => run.run.tags.app).values()];
  const over = (value: (run: SplitRun) => number | null): number | null =>
    lowerMedian(
      byApp
        .map((runs) => median(runs.map(value).filter((ms) => ms !== null)))
        .filter((ms) => ms !== null),
    );
  const lookup = (kind: SplitRun['lookup']) =>
    over((run) => (run.lookup === kind ? run.parts.dns : null));
  return {
    from: byApp.length === 0 ? 'none' : 'other-applications',
    count: byApp.length,
    steadyMs: over(steadyMs) ?? 0,
    spreadMs: 0,
    parts: mapSegments((segment) => over((run) => run.parts[segment])),
    residualMs: over((run) => run.residualMs) ?? 0,
    lookupMs: { cold: lookup('cold'), warm: lookup('warm') },
    rounds: over((run) => run.rounds) ?? 0,
    longestStallMs: over(longestStallMs) ?? 0,
  };
};

const judge = (split: SplitRun, reference: Reference): JudgedRun => {
  if (reference.from === 'none') return unjudged(split, reference);
  const lookupMs = reference.lookupMs[split.lookup];
  const baselineMs = { ...reference.parts, dns: lookupMs };
  const run = reassign(split, reference, baselineMs);
  const added = mapSegments((segment) =>
    segment === 'dns'
      ? addedLookupMs(run, lookupMs)
      : above(run.parts[segment], baselineMs[segment]),
  );
  const addedTotalMs = steadyMs(run) - reference.steadyMs + (added.dns ?? 0);
  const thresholdMs = threshold(reference, lookupMs ?? 0);
  return {
    ...run,
    reference,
    baselineMs,
    baselineTotalMs: reference.steadyMs + (lookupMs ?? 0),
    added: { ...added, ...wayIn(run, baselineMs, added) },
    residualAddedMs: residualAdded(run, reference),
    addedTotalMs,
    thresholdMs,
    slow: addedTotalMs >= thresholdMs,
  };
};

const unjudged = (run: SplitRun, reference: Reference): JudgedRun => ({
  ...run,
  reference,
  baselineMs: mapSegments(() => null),
  baselineTotalMs: null,
  added: mapSegments(() => null),
  residualAddedMs: 0,
  addedTotalMs: null,
  thresholdMs: null,
  slow: false,
});

/**
 * Gateway and path share one measured round trip. Neither may claim more than the two together
 * rose: a gateway that only answers pings more slowly shifts time between them and adds none.
 */
const wayIn = (
  run: SplitRun,
  baselineMs: Record<Segment, number | null>,
  added: Record<Segment, number | null>,
): Partial<Record<Segment, number | null>> => {
  const sum = (parts: Record<Segment, number | null>) =>
    (parts.gateway ?? 0) + (parts['client-edge'] ?? 0);
  const roseMs = Math.max(0, sum(run.parts) - sum(baselineMs));
  const capped = (ms: number | null) => (ms === null ? null : Math.min(ms, roseMs));
  return { gateway: capped(added.gateway), 'client-edge': capped(added['client-edge']) };
};

const above = (ms: number | null, baselineMs: number | null): number | null =>
  ms === null || baselineMs === null ? null : Math.max(0, ms - baselineMs);

/** A part that is normally measured and is not now lies in the residual; that is no addition. */
const residualAdded = (run: SplitRun, reference: Reference): number => {
  let normalMs = reference.residualMs;
  for (const segment of segments) {
    if (run.parts[segment] === null) normalMs += reference.parts[segment] ?? 0;
  }
  return Math.max(0, run.residualMs - normalMs);
};

export const mapSegments = <T>(value: (segment: Segment) => T): Record<Segment, T> =>
  Object.fromEntries(segments.map((segment) => [segment, value(segment)])) as Record<Segment, T>;
