import type { Point } from '../store/schema.ts';
import type { JudgedRun } from './baseline.ts';
import { failedSegment } from './failing.ts';

/** So many of the newest runs are looked at, and so many of them may follow the last bad one. */
export const runsForIntermittent = 6;
const runsSince = 2;
/** A question that was lost is asked again after a second or more; no resolver is this slow. */
const lostQuestionMs = 500;

/**
 * A resolver that leaves questions unanswered is slow now and then, never twice in a row for sure.
 * Two such look-ups with a good one between them are no single odd run, and no fault that has ended.
 * Undefined: there is none of it.
 */
export const badLookups = (
  runs: readonly Point<'http'>[],
  judged: readonly JudgedRun[],
): { slow: JudgedRun[]; newest: Point<'http'> } | undefined => {
  const slow = judged.filter((run) => run.slow && (run.added.dns ?? 0) >= lostQuestionMs);
  const slowRuns = new Set(slow.map(({ run }) => run));
  const isBad = (run: Point<'http'>): boolean =>
    slowRuns.has(run) || (run.fields.ok !== 1 && failedSegment(run) === 'dns');
  const recent = runs.slice(-runsForIntermittent);
  const bad = recent.map(isBad);
  const newest = recent[bad.lastIndexOf(true)];
  const spells = bad.filter((each, at) => each && bad[at - 1] !== true).length;
  const since = bad.length - 1 - bad.lastIndexOf(true);
  return newest === undefined || spells < 2 || since > runsSince ? undefined : { slow, newest };
};
