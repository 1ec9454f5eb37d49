import type { Accepted } from '../accepted.ts';
import type { BadPair } from './bad-pairs.ts';

/** What speaks for a verdict's first cause, in the units the weights are fitted in. */
export type Features = {
  one: 1;
  /** By how much the next best explanation lost. */
  margin: number;
  gain: number;
  /** Milliseconds by the threshold of being slow. */
  size: number;
  /** Of the two largest parts together, 0.5–1. */
  lead: number;
  observers: number;
  shared: 0 | 1;
};

/**
 * Log odds per unit, set by judgement and checked: on 2,436 simulated tickets of seeds 5 and 42 (100
 * devices, 97.7 % right) the calibration error is 0.005, that of weights fitted to those very tickets
 * 0.001. `test/bench/diagnosis/fit-confidence.ts` fits and checks them anew.
 */
export const weights: Record<keyof Features, number> = {
  one: -1.8,
  margin: 0.45,
  gain: 0.3,
  size: 0.8,
  lead: 1.6,
  observers: 0.3,
  shared: 0.2,
};

/** Less sure than this and nothing is named: "unknown, most likely …". */
export const abstainBelow = 0.6;
/** Nothing here is certain. */
const highest = 0.99;
/** Round trips do not fit the totals: the answer may still be right, the arithmetic is not. */
const contradictedFactor = 0.8;

export const confidenceOf = (
  features: Features,
  contradicted: boolean,
  by: Record<keyof Features, number> = weights,
): number => {
  let logOdds = 0;
  for (const name of Object.keys(by) as (keyof Features)[]) logOdds += by[name] * features[name];
  const chance = 1 / (1 + Math.exp(-logOdds));
  return rounded(contradicted ? chance * contradictedFactor : chance);
};

const largest = { size: 1.5, observers: 3 } as const;

export const featuresOf = (
  pair: Pick<BadPair, 'parts' | 'slowFromMs'>,
  top: Pick<Accepted, 'marginNats' | 'gainNats' | 'observerCount' | 'scope'>,
): Features => {
  const [first, second] = pair.parts;
  const ms = first?.ms ?? 0;
  return {
    one: 1,
    margin: Math.log(1 + Math.max(0, top.marginNats)),
    gain: Math.log(1 + Math.max(0, top.gainNats)),
    size: Math.min(largest.size, Math.log(1 + ms / Math.max(1, pair.slowFromMs))),
    lead: ms <= 0 ? 0.5 : ms / (ms + (second?.ms ?? 0)),
    observers: Math.min(largest.observers, Math.log(1 + top.observerCount)),
    shared: top.scope === 'device' ? 0 : 1,
  };
};

/** A failure names itself; a longer row, or others beside it, make a chance less likely. */
export const confidenceOfFailure = (binsInRow: number, deviceCount: number): number =>
  rounded(0.75 + 0.08 * Math.min(3, binsInRow - 1) + 0.05 * Math.min(3, deviceCount - 1));

const rounded = (value: number): number => Math.round(Math.min(highest, value) * 1_000) / 1_000;
