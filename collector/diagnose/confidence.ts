import type { JudgedRun } from './baseline.ts';
import type { Share } from './findings.ts';

/**
 * How sure a named segment is, 0 to 1: a weighted sum of four numbers, each 0 to 1 and each rising
 * with better evidence. Not yet fitted to outcomes: an order, not a probability.
 */
const weights = { runs: 0.2, explained: 0.35, margin: 0.3, strength: 0.15 } as const;
/** Other applications are a rougher measure than the own past. */
const roughReference = 0.85;
/** Nothing here is certain. */
const highest = 0.97;

export const confidenceOfShare = (
  shares: readonly Share[],
  runs: readonly JudgedRun[],
  run: JudgedRun,
): number => {
  const [top, second] = shares;
  if (top === undefined || run.addedTotalMs === null || run.thresholdMs === null) return 0;
  const sum =
    weights.runs * runsFactor(runs.length) +
    weights.explained * unit(top.addedMs / run.addedTotalMs) +
    weights.margin * unit(1 - (second?.addedMs ?? 0) / top.addedMs) +
    weights.strength * unit((run.addedTotalMs / run.thresholdMs - 1) / 2);
  return rounded(sum * (run.reference.from === 'own-past' ? 1 : roughReference));
};

/** Runs in a row: two are the least there can be, three settle it. */
const runsFactor = (count: number): number => (count >= 3 ? 1 : 0.7);

/** A failure names itself; a longer row makes a chance less likely. */
export const confidenceOfFailure = (count: number): number =>
  rounded(count >= 4 ? 0.95 : 0.6 + 0.1 * count);

/** Nothing is slow: the more is known of normal, the surer. */
export const confidenceOfOk = (run: JudgedRun): number =>
  run.reference.from === 'own-past' ? rounded(0.7 + 0.01 * run.reference.count) : 0.6;

/** A page is compared with itself only; its host makes it surer. */
export const confidenceOfPage = (count: number, hasHost: boolean): number =>
  rounded(0.5 + (count >= 3 ? 0.2 : 0.1) + (hasHost ? 0.15 : 0));

const unit = (value: number): number => Math.min(1, Math.max(0, value));
const rounded = (value: number): number => Math.round(Math.min(highest, unit(value)) * 100) / 100;
