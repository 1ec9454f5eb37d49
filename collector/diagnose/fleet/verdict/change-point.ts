import { median } from '../../statistics.ts';
import type { Accepted } from '../accepted.ts';
import type { Reach } from './bad-pairs.ts';
import { showsInTotal } from './slow.ts';

/** Bins before this one of which the totals are known. */
const knownBefore = 2;
/** One odd bin does not outweigh the others. */
const response = { lowest: -1, highest: 2, between: 0.5 } as const;

/**
 * How many bins before this one a cause began. The response of a bin is its pairs' median of total
 * above normal by what the cause adds now: 0 before, 1 since. The start is where the one-sided
 * cumulative sum around the middle is largest; the sums need no more than the last bins' totals.
 */
export const binsSinceStart = (blame: Accepted, reach: Reach): number => {
  // Had it been there in the bin before, two in a row would have spoken first.
  if (blame.pass === 'fast' || !showsInTotal(blame)) return byRule(blame);
  const responses = Array.from({ length: knownBefore + 1 }, (_, back) => pooled(reach, back));
  if (responses[1] === null) return byRule(blame);
  let sum = 0;
  let best = 0;
  let bestSum = 0;
  for (let back = 1; back <= knownBefore; back += 1) {
    const each = responses[back] ?? null;
    if (each === null) break;
    sum += each - response.between;
    if (sum > bestSum) [best, bestSum] = [back, sum];
  }
  return best;
};

/** Losses of one device take a bin more to be told from chance than those of many. */
const byRule = ({ kind, scope, pass }: Accepted): number => {
  if (kind === 'loss') return scope === 'device' || scope === 'site' ? 1 : 0;
  return kind === 'delay' && pass === 'persistent' ? 1 : 0;
};

const pooled = ({ examples }: Reach, back: number): number | null => {
  const responses: number[] = [];
  for (const { recentTotals, ms } of examples) {
    const deltaMs = recentTotals[back];
    if (deltaMs === null || deltaMs === undefined || ms <= 0) continue;
    responses.push(Math.min(response.highest, Math.max(response.lowest, deltaMs / ms)));
  }
  return median(responses);
};
