import type { Problem } from './problems.ts';

/** Without a refusal for this long, what was away is back. */
const backAfterMs = 120_000;
const longestSeconds = 30;

/**
 * How long those who are sent away should wait: a quarter of the time that it has been so, at most
 * 30 s, and up to twice that by chance, so that all agents do not come back in one second.
 */
export const createOutages = (
  parts: { now?: () => number; random?: () => number } = {},
): ((problem: Problem) => number | undefined) => {
  const { now = () => performance.now(), random = Math.random } = parts;
  const since = new Map<string, { firstMs: number; lastMs: number }>();
  return ({ problem, options }) => {
    const { retryAfterSeconds, detail = '' } = options;
    if (retryAfterSeconds === undefined) return undefined;
    const what = problem === 'engine-unavailable' ? `${problem} ${detail}` : problem;
    const at = now();
    const known = since.get(what);
    const firstMs = known !== undefined && at - known.lastMs < backAfterMs ? known.firstMs : at;
    since.set(what, { firstMs, lastMs: at });
    const awaySeconds = problem === 'engine-unavailable' ? (at - firstMs) / 1_000 : 0;
    const least = Math.max(retryAfterSeconds, Math.min(longestSeconds, awaySeconds / 4));
    return Math.round(least * (1 + random()));
  };
};
