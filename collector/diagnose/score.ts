/** The least that counts as one step: what a person begins to feel. */
const stepFloorMs = 100;
/** Steps above normal and the score there: straight lines between, 0 beyond. */
const scale = [
  { steps: 0, score: 100 },
  { steps: 1, score: 66 },
  { steps: 5, score: 33 },
  { steps: 20, score: 0 },
] as const;
/** Something called slow is not called good, however little it adds. */
const highestWhenSlow = 65;

/**
 * 0–100 from what is added above normal, in steps of the slowness threshold (at least 100 ms):
 * good to one step, okay to five, poor beyond.
 */
export const scoreOf = (addedMs: number, thresholdMs: number, slow: boolean): number => {
  const steps = Math.max(0, addedMs) / Math.max(stepFloorMs, thresholdMs);
  const score = Math.round(between(steps));
  return slow ? Math.min(highestWhenSlow, score) : score;
};

const between = (steps: number): number => {
  for (let i = 1; i < scale.length; i += 1) {
    const low = scale[i - 1];
    const high = scale[i];
    if (low === undefined || high === undefined || steps > high.steps) continue;
    const share = (steps - low.steps) / (high.steps - low.steps);
    return low.score + share * (high.score - low.score);
  }
  return 0;
};
