/** So many of the newest readings are looked at, and at least how often. */
const window = 2_048;
const every = 32;

/**
 * What time it is in a recording. Every device and edge stamps by its own clock; one that is wrong
 * must not close the bins of all the others. So each counts once, with its newest time among the
 * last readings, and the middle one is believed (of two the earlier).
 */
export const createStreamTime = () => {
  const sources = createNumbers();
  const sourceOf = new Uint32Array(window);
  const timesMs = new Float64Array(window);
  /** By source: in which look it was last met, and its newest time in that. */
  const lookedAt: number[] = [];
  const newestMs: number[] = [];
  const seen = new Uint32Array(window);
  let looks = 0;
  let count = 0;
  let nextLook = 1;
  let nowMs = Number.NEGATIVE_INFINITY;

  const look = (): void => {
    looks += 1;
    let distinct = 0;
    for (let at = 0; at < Math.min(count, window); at += 1) {
      const source = sourceOf[at] ?? 0;
      if (lookedAt[source] !== looks) {
        lookedAt[source] = looks;
        newestMs[source] = 0;
        seen[distinct] = source;
        distinct += 1;
      }
      newestMs[source] = Math.max(newestMs[source] ?? 0, timesMs[at] ?? 0);
    }
    const sorted = Float64Array.from(
      seen.subarray(0, distinct),
      (one) => newestMs[one] ?? 0,
    ).sort();
    nowMs = Math.max(nowMs, sorted[(distinct - 1) >> 1] ?? nowMs);
    // Of many the middle moves slowly, and takes longer to find.
    nextLook = count < every ? count + 1 : count + Math.max(every, distinct >> 2);
  };

  return {
    /** The time after a reading of this device or edge; it never goes back. */
    after(source: string, timeMs: number): number {
      const at = count % window;
      sourceOf[at] = sources.of(source);
      timesMs[at] = timeMs;
      count += 1;
      if (count >= nextLook) look();
      return nowMs;
    },
  };
};

const createNumbers = () => {
  const known = new Map<string, number>();
  return {
    of(name: string): number {
      const number = known.get(name);
      if (number !== undefined) return number;
      known.set(name, known.size);
      return known.size - 1;
    },
  };
};
