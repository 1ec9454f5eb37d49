import type { Segment } from '#contract/verdict.ts';
import type { Point } from '../store/schema.ts';
import {
  type JudgedRun,
  type Judgement,
  judgeRuns,
  mapSegments,
  runsForOwnPast,
} from './baseline.ts';
import { isDense } from './beside-plan.ts';
import { failedSegment } from './failing.ts';
import type { DiagnosisInput } from './input.ts';
import { badLookups, runsForIntermittent } from './intermittent.ts';
import { type SplitRun, splitIntoLedger } from './ledger.ts';
import { type SharedHang, sharedHang } from './shared-hang.ts';
import { type LeftOut, leftOutOf, type Track } from './tracks.ts';

/** One slow or failed run is no trend: two in a row are. */
export const runsForVerdict = 2;
/** Slow runs in a row that are looked at together; more say nothing new about where. */
const runsJudged = 3;
/** Two causes within 20 % of each other share the blame. */
const sharedRatio = 0.8;
/** The largest part must explain this much of what was added, else nothing is named. */
const leastExplained = 0.25;
/** And about as much as is left unexplained: less than that, and the unknown is the larger part. */
const besideResidual = 0.9;

/** A segment's added milliseconds that every judged run shows. */
export type Share = { segment: Segment; addedMs: number };

/** What the runs of one probe show. Which way it counts and how it is said is decided elsewhere. */
export type Finding = { track: Track } & (
  | { kind: 'ok'; runs: JudgedRun[]; lone: boolean }
  | {
      kind: 'slow';
      runs: JudgedRun[];
      sinceMs: number;
      shares: Share[];
      shared: boolean;
      run: JudgedRun;
    }
  | { kind: 'unlocated'; runs: JudgedRun[]; sinceMs: number; shares: Share[]; run: JudgedRun }
  | {
      kind: 'failing';
      run: Point<'http'>;
      segment: Segment | null;
      sinceMs: number;
      count: number;
      /** Others hang as well: it is the way. */
      beside?: SharedHang | undefined;
      /** Runs between those that fail do not. */
      rarely?: true;
    }
  | { kind: 'policy'; run: Point<'http'> }
  | ({ kind: 'left-out' } & LeftOut)
  | { kind: 'thin'; have: number; need: number; what: 'runs' | 'reference'; runs: JudgedRun[] }
);

/** The last two runs decide: both failed, both refused, both slow, or none of it. */
export const findInTrack = (track: Track, input: DiagnosisInput): Finding => {
  const leftOut = leftOutOf(track);
  if (leftOut !== undefined) return { track, kind: 'left-out', ...leftOut };
  const last = track.runs.slice(-runsForVerdict);
  if (last.length === runsForVerdict) {
    if (last.every(isBlocked)) return { track, kind: 'policy', run: last.at(-1) as Point<'http'> };
    if (last.every((run) => isFailed(run) && !isBlocked(run))) return failing(track, input);
  }
  const splits = splitAll(track.runs, input);
  const all = judgeRuns(splits, othersOf(track, input), runsForIntermittent);
  const judged = { ...all, recent: all.recent.slice(-runsJudged) };
  const { count: have, recent: runs } = judged;
  const lookups = badLookups(track.runs, all.recent);
  if (lookups !== undefined) return nowAndThen(track, lookups);
  if (have < runsForVerdict) {
    return { track, kind: 'thin', have, need: runsForVerdict, what: 'runs', runs };
  }
  return compared(track, judged);
};

const isFailed = (run: Point<'http'>): boolean => run.fields.ok !== 1;
const isBlocked = (run: Point<'http'>): boolean => run.tags.failure_type === 'policy.blocked';

const splitAll = (runs: readonly Point<'http'>[], input: DiagnosisInput): SplitRun[] =>
  runs
    .filter((run) => run.fields.ok === 1 && run.fields.duration_ms !== null)
    .map((run) => splitIntoLedger(run, input));

const othersOf = (track: Track, input: DiagnosisInput): SplitRun[] =>
  splitAll(
    input.others.filter(
      (run) => run.tags.via === track.via && run.fields.distorted !== 1 && !isDense(run),
    ),
    input,
  );

/** Slow where a run got through, else failing. */
const nowAndThen = (
  track: Track,
  { slow, newest }: NonNullable<ReturnType<typeof badLookups>>,
): Finding => {
  const run = slow.at(-1);
  if (run === undefined) {
    const sinceMs = newest.timeMs;
    return { track, kind: 'failing', run: newest, segment: 'dns', sinceMs, count: 1, rarely: true };
  }
  return {
    track,
    kind: 'slow',
    runs: slow,
    sinceMs: slow[0]?.run.timeMs ?? run.run.timeMs,
    shares: commonShares(slow),
    shared: false,
    run,
  };
};

const failing = (track: Track, input: DiagnosisInput): Finding => {
  const run = track.runs.at(-1) as Point<'http'>;
  let count = 0;
  while (count < track.runs.length && isFailed(track.runs.at(-1 - count) as Point<'http'>))
    count += 1;
  const sinceMs = track.runs.at(-count)?.timeMs ?? run.timeMs;
  const beside = sharedHang(run, input.others, sinceMs);
  const segment = beside?.segment ?? failedSegment(run);
  return { track, kind: 'failing', run, segment, sinceMs, count, beside };
};

const compared = (track: Track, judged: Judgement): Finding => {
  const { recent: runs, count: have } = judged;
  const lastTwo = runs.slice(-runsForVerdict);
  if (lastTwo.at(-1)?.reference.from === 'none') {
    return { track, kind: 'thin', have, need: runsForOwnPast + 1, what: 'reference', runs };
  }
  if (!lastTwo.every((run) => run.slow)) {
    return { track, kind: 'ok', runs, lone: lastTwo.some((run) => run.slow) };
  }
  return locate(track, judged);
};

/** Blames the largest share that all judged slow runs have in common. */
const locate = (track: Track, judged: Judgement): Finding => {
  const runs = judged.recent.slice(judged.recent.findLastIndex((run) => !run.slow) + 1);
  const sinceMs = judged.slowSinceMs ?? runs[0]?.run.timeMs ?? 0;
  const shares = commonShares(runs);
  const [top, second] = shares;
  const run = shownRun(runs, top);
  const addedMs = run.addedTotalMs ?? 0;
  const residualMs = common(runs.map((each) => each.residualAddedMs));
  if (
    top === undefined ||
    top.addedMs < leastExplained * addedMs ||
    top.addedMs <= besideResidual * residualMs
  ) {
    return { track, kind: 'unlocated', runs, sinceMs, shares, run };
  }
  const shared = second !== undefined && second.addedMs >= sharedRatio * top.addedMs;
  return { track, kind: 'slow', runs, sinceMs, shares, shared, run };
};

/**
 * The run whose ledger is shown: the middle one by its total, the lower of two – of those that show
 * what is blamed, so that the sentence never names a part that its own ledger does not have.
 */
const shownRun = (runs: readonly JudgedRun[], blamed: Share | undefined): JudgedRun => {
  const showing = runs.filter(
    (run) => blamed === undefined || (run.added[blamed.segment] ?? 0) >= blamed.addedMs,
  );
  return [...showing].sort((a, b) => a.totalMs - b.totalMs)[(showing.length - 1) >> 1] as JudgedRun;
};

/** Of two runs the smaller value, of three the middle one: what a single odd run cannot make. */
const common = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[(values.length - 1) >> 1] ?? 0;

const commonShares = (runs: readonly JudgedRun[]): Share[] => {
  const added = mapSegments((segment) => common(runs.map((run) => run.added[segment] ?? 0)));
  return (Object.entries(added) as [Segment, number][])
    .map(([segment, addedMs]) => ({ segment, addedMs }))
    .filter((share) => share.addedMs > 0)
    .sort((a, b) => b.addedMs - a.addedMs);
};
