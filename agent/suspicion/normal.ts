/**
 * What one probe usually takes: a level and a spread that odd values do not move. Three numbers, and
 * the first few values until there are enough.
 */
export type Normal = { count: number; levelMs: number; spreadMs: number; first: number[] };

export const unknownNormal = (): Normal => ({ count: 0, levelMs: 0, spreadMs: 0, first: [] });

/** As many as the collector asks of an application's own past (collector/diagnose/baseline.ts). */
export const valuesToBegin = 5;
/** Half an hour of one-minute probing, as there. */
const rememberedValues = 30;
/** A step of the level is at most so many spreads (Huber); what is clearly above moves it a 20th. */
const clipSpreads = 1.5;
const leak = 0.05;

/** Only what the collector may call slow is odd, and of a noisy probe only what stands out. */
const odd = { floorMs: 30, share: 0.2, spreads: 3.5 } as const;

/** Undefined: not known yet. */
export const isAbove = (normal: Normal, ms: number): boolean | undefined =>
  normal.count < valuesToBegin ? undefined : ms - normal.levelMs >= thresholdOf(normal);

const thresholdOf = (normal: Normal): number =>
  Math.max(odd.floorMs, odd.share * normal.levelMs, odd.spreads * spreadOf(normal));

/** Five equal values are no proof that the sixth will be. */
const spreadOf = ({ levelMs, spreadMs }: Normal): number => Math.max(1, 0.02 * levelMs, spreadMs);

export const learn = (normal: Normal, ms: number): Normal => {
  const count = normal.count + 1;
  if (count < valuesToBegin) return { ...normal, count, first: [...normal.first, ms] };
  if (count === valuesToBegin) return begin([...normal.first, ms]);
  const step = Math.max(1 / rememberedValues, 1 / count);
  const spread = spreadOf(normal);
  const off = ms - normal.levelMs;
  const clipped = Math.max(-clipSpreads * spread, Math.min(clipSpreads * spread, off));
  const weight = step * (isAbove(normal, ms) === true ? leak : 1);
  // 1.25 makes a mean of absolute deviations a standard deviation.
  const deviation = 1.25 * Math.min(Math.abs(off), 4 * spread);
  return {
    count,
    levelMs: normal.levelMs + weight * clipped,
    spreadMs: normal.spreadMs + weight * (deviation - normal.spreadMs),
    first: [],
  };
};

const begin = (values: readonly number[]): Normal => {
  const levelMs = middle(values);
  const spreadMs = 1.4826 * middle(values.map((ms) => Math.abs(ms - levelMs)));
  return { count: values.length, levelMs, spreadMs, first: [] };
};

const middle = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
