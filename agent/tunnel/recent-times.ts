/** Times measured on one session in the last seconds. */
export type RecentTimes = {
  add(ms: number): void;
  /** Smallest of those not older than that; the last one where all are older, null without any. */
  lowestMs(withinMs: number): number | null;
  /** The middle one of those since the last call; the last one where there is none since. */
  takeMedianMs(): number | null;
  clear(): void;
};

/** The longest that is looked back. */
export const rememberedMs = 10_000;

/** One a second for the longest interval of samples. */
const mostSinceTaken = 600;

/** `now`: monotonic milliseconds. */
export const createRecentTimes = (now = () => performance.now()): RecentTimes => {
  const kept: { atMs: number; ms: number }[] = [];
  let sinceTaken: number[] = [];

  return {
    add(ms) {
      kept.push({ atMs: now(), ms });
      sinceTaken.push(ms);
      // Nobody asks for those of an edge that is not in use.
      if (sinceTaken.length > mostSinceTaken) sinceTaken.shift();
      while (kept.length > 1 && (kept[0]?.atMs ?? 0) < now() - rememberedMs) kept.shift();
    },
    lowestMs(withinMs) {
      const fromMs = now() - withinMs;
      const recent = kept.filter(({ atMs }) => atMs >= fromMs);
      const taken = recent.length === 0 ? kept.slice(-1) : recent;
      return taken.length === 0 ? null : Math.min(...taken.map(({ ms }) => ms));
    },
    takeMedianMs() {
      const ms = medianOf(sinceTaken) ?? kept.at(-1)?.ms ?? null;
      sinceTaken = [];
      return ms;
    },
    clear() {
      kept.length = 0;
      sinceTaken = [];
    },
  };
};

/** The upper one of two middle ones; null without any. */
export const medianOf = (values: readonly number[]): number | null => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? null;
};
