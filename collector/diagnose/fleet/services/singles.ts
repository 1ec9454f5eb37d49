import { median } from '../../statistics.ts';

/** Fewer are chance. */
const leastSingles = 3;
/** Of the middle rise: what lies above half of it belongs to it, … */
const half = 0.5;
/** … and three newest ones below this share of it say that it is over. */
const overShare = 0.3;

/**
 * The newest samples, back to where they began to differ: the row whose sum above half of their rise
 * is largest (CUSUM read backwards). Newest first.
 */
export const lastingSingles = (singlesMs: readonly number[]): readonly number[] => {
  const newest = singlesMs.slice(0, leastSingles);
  const riseMs = median(newest) ?? 0;
  let best = { length: newest.length, sumMs: Number.NEGATIVE_INFINITY };
  let sumMs = 0;
  for (const [at, ms] of singlesMs.entries()) {
    sumMs += ms - half * Math.max(0, riseMs);
    if (at + 1 >= leastSingles && sumMs > best.sumMs) best = { length: at + 1, sumMs };
  }
  const row = singlesMs.slice(0, best.length);
  const isOver = newest.every((ms) => ms < overShare * (median(row) ?? 0));
  return isOver ? newest : row;
};
