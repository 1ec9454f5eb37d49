/** Planned runs whose lateness is remembered. */
const remembered = 1_000;

/** How late planned runs began; null where there was none. */
export type LatenessFigures = {
  runCount: number;
  p50Ms: number | null;
  p99Ms: number | null;
  longestMs: number | null;
};

/** Remembers how late the latest runs began. */
export const createLateness = () => {
  const kept: number[] = [];
  let count = 0;
  return {
    note(latenessMs: number): void {
      kept[count % remembered] = latenessMs;
      count += 1;
    },
    figures(): LatenessFigures {
      const sorted = [...kept].sort((a, b) => a - b);
      const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? null;
      return { runCount: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), longestMs: at(1) };
    },
  };
};
