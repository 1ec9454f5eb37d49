/**
 * A sample further than this from a run says nothing about it. Samples come every few seconds to a
 * minute; two missed ones are borne.
 */
export const maxSampleDistanceMs = 120_000;

type Timed = { timeMs: number };

/**
 * The last usable sample at or before a time and the first one after it, each within
 * `maxSampleDistanceMs`. `samples` are oldest first.
 */
export const neighbours = <P extends Timed>(
  samples: readonly P[],
  timeMs: number,
  usable: (sample: P) => boolean,
): { before: P | undefined; after: P | undefined } => {
  const split = firstAfter(samples, timeMs);
  let before: P | undefined;
  for (let i = split - 1; i >= 0; i -= 1) {
    const sample = samples[i];
    if (sample === undefined || timeMs - sample.timeMs > maxSampleDistanceMs) break;
    if (!usable(sample)) continue;
    before = sample;
    break;
  }
  let after: P | undefined;
  for (let i = split; i < samples.length; i += 1) {
    const sample = samples[i];
    if (sample === undefined || sample.timeMs - timeMs > maxSampleDistanceMs) break;
    if (!usable(sample)) continue;
    after = sample;
    break;
  }
  return { before, after };
};

/** The nearer of the two; the earlier one when they are equally near. */
export const nearest = <P extends Timed>(
  samples: readonly P[],
  timeMs: number,
  usable: (sample: P) => boolean,
): P | undefined => {
  const { before, after } = neighbours(samples, timeMs, usable);
  if (before === undefined || after === undefined) return before ?? after;
  return after.timeMs - timeMs < timeMs - before.timeMs ? after : before;
};

const firstAfter = (samples: readonly Timed[], timeMs: number): number => {
  let low = 0;
  let high = samples.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((samples[middle]?.timeMs ?? Number.POSITIVE_INFINITY) <= timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
};
