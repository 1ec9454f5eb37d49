/** Middle value; the mean of the two middle ones for an even count. Null of nothing. */
export const median = (values: readonly number[]): number | null => {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  if (upper === undefined) return null;
  const lower = sorted[(sorted.length - 1) >> 1] ?? upper;
  return (lower + upper) / 2;
};

/** Middle value, the lower of the two for an even count: of two, one slow one does not lift it. */
export const lowerMedian = (values: readonly number[]): number | null => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? null;
};

/** 1.4826 × the median absolute deviation: the standard deviation of normal data, deaf to outliers. */
export const robustSpread = (values: readonly number[], floor: number): number => {
  const middle = median(values);
  if (middle === null) return floor;
  const deviation = median(values.map((value) => Math.abs(value - middle))) ?? 0;
  return Math.max(floor, 1.4826 * deviation);
};

/** Microseconds are the finest anything here is known to. `+ 0` turns -0 into 0. */
export const roundMs = (ms: number): number => Math.round(ms * 1_000) / 1_000 + 0;
