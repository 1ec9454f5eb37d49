import { type BucketField, bucketBoundsMs, bucketField } from '../store/rollup-schema.ts';

/** How often each latency came: per bucket, the last one for what is beyond the ladder. */
export type Distribution = { counts: number[]; minMs: number; maxMs: number };

export const emptyDistribution = (): Distribution => ({
  counts: new Array<number>(bucketBoundsMs.length + 1).fill(0),
  minMs: Number.POSITIVE_INFINITY,
  maxMs: Number.NEGATIVE_INFINITY,
});

export const countIn = (distribution: Distribution, ms: number): void => {
  const bucket = bucketOf(ms);
  distribution.counts[bucket] = (distribution.counts[bucket] ?? 0) + 1;
  distribution.minMs = Math.min(distribution.minMs, ms);
  distribution.maxMs = Math.max(distribution.maxMs, ms);
};

/** The first bucket whose bound is not below. */
const bucketOf = (ms: number): number => {
  let low = 0;
  let high: number = bucketBoundsMs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((bucketBoundsMs[middle] ?? 0) >= ms) high = middle;
    else low = middle + 1;
  }
  return low;
};

/** As it is stored: cumulative. */
export const bucketFields = ({ counts }: Distribution): Record<BucketField, number> => {
  let sum = 0;
  return Object.fromEntries(
    bucketBoundsMs.map((boundMs, i) => {
      sum += counts[i] ?? 0;
      return [bucketField(boundMs), sum];
    }),
  ) as Record<BucketField, number>;
};

/** What is read of roll-ups: sums of the cumulative buckets, and of all there were. */
export const distributionOf = (
  fields: Partial<Record<string, number | string | null>>,
  all: { count: number; minMs: number; maxMs: number },
): Distribution => {
  let before = 0;
  const counts = bucketBoundsMs.map((boundMs) => {
    const upTo = Number(fields[bucketField(boundMs)] ?? 0);
    const count = upTo - before;
    before = upTo;
    return count;
  });
  return { counts: [...counts, all.count - before], minMs: all.minMs, maxMs: all.maxMs };
};

/**
 * The value below which a share of all lie: exact in its bucket, within it linear. So it is off by
 * less than the bucket is wide: 25 % of the value, or 1 ms below 4 ms; beyond the last bound it lies
 * between that and the largest. Null where nothing was counted.
 */
export const quantileOf = (
  { counts, minMs, maxMs }: Distribution,
  share: number,
): number | null => {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  const rank = share * total;
  let before = 0;
  for (const [i, count] of counts.entries()) {
    if (count > 0 && before + count >= rank) {
      const lower = Math.max(bucketBoundsMs[i - 1] ?? 0, minMs);
      const upper = Math.min(bucketBoundsMs[i] ?? maxMs, maxMs);
      return lower + ((upper - lower) * Math.max(0, rank - before)) / count;
    }
    before += count;
  }
  return maxMs;
};
