import type { Reading } from '#collector/diagnose/fleet/reading.ts';

/** So many of the newest readings are looked at, and how often. */
const window = 2_048;
const every = 32;

/**
 * What time it is in a recording. Every device and edge stamps by its own clock; one that is wrong
 * must not close the bins of all the others. So each counts once, with its newest time among the
 * last readings, and the middle one is believed (of two the earlier).
 */
export const createStreamTime = () => {
  const sources: string[] = [];
  const timesMs = new Float64Array(window);
  let count = 0;
  let nowMs = Number.NEGATIVE_INFINITY;

  const middle = (): number => {
    const newest = new Map<string, number>();
    for (let at = 0; at < Math.min(count, window); at += 1) {
      const source = sources[at] ?? '';
      newest.set(source, Math.max(newest.get(source) ?? 0, timesMs[at] ?? 0));
    }
    const sorted = Float64Array.from(newest.values()).sort();
    return sorted[(sorted.length - 1) >> 1] ?? nowMs;
  };

  return {
    /** The time after this reading; it never goes back. */
    after(reading: Reading): number {
      const at = count % window;
      sources[at] = 'deviceId' in reading ? reading.deviceId : reading.edgeId;
      timesMs[at] = reading.timeMs;
      count += 1;
      if (count <= every || count % every === 0) nowMs = Math.max(nowMs, middle());
      return nowMs;
    },
  };
};
