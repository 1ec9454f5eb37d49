import type { BinScene, PairInView } from './bin-scene.ts';
import { abstainBelow, confidenceOf, featuresOf } from './confidence.ts';
import type { Part } from './part.ts';
import { isContradicted, observedMs } from './slow.ts';

/** What is said of a pair whose causes add up to something noticeable, and how surely. */
export type Judgement = {
  confidence: number;
  /** Nothing is named, and why; null: the first part is. */
  abstains: 'short-history' | 'few-samples' | 'round-trips-do-not-fit' | 'unsure' | null;
  /** The second part is as large as the first and lies elsewhere. */
  shared: boolean;
  /** Of each part: milliseconds of all that was added, whatever the causes say of it. */
  shareOf(part: Part): number;
};

/** Two parts within 20 % of each other share the blame. */
const sharedRatio = 0.8;
/** Fewer bins than this and nothing is known of normal. */
const binsOfHistory = 8;
/** Of the last three bins, where no other device vouches for what is said. */
const leastRecentBins = 2;
/** A cause this many times the threshold is named even where the totals do not show it yet. */
const clearlyAbove = 2;

export const judgeSlow = (pair: PairInView, { view }: Pick<BinScene, 'view'>): Judgement => {
  const [top, second] = pair.parts;
  const contradicted = isContradicted(pair.app, pair.parts);
  const confidence =
    top === undefined ? 0 : confidenceOf(featuresOf(pair, top.blame), contradicted);
  const addedMs = Math.max(pair.sumMs, observedMs(pair.app) ?? 0);
  return {
    confidence,
    abstains: abstention(pair, view.fromMs - binsOfHistory * view.binMs, contradicted, confidence),
    shared:
      top !== undefined &&
      second !== undefined &&
      second.ms >= sharedRatio * top.ms &&
      second.blame.segment !== top.blame.segment,
    shareOf: (part) => (addedMs <= 0 ? 0 : Math.min(1, part.ms / addedMs)),
  };
};

const abstention = (
  { device, parts, slowFromMs }: PairInView,
  knownBeforeMs: number,
  contradicted: boolean,
  confidence: number,
): Judgement['abstains'] => {
  if (device.firstSeenMs > knownBeforeMs) return 'short-history';
  if (device.recentBins < leastRecentBins && parts[0]?.blame.scope === 'device') {
    return 'few-samples';
  }
  if (contradicted && (parts[0]?.ms ?? 0) <= clearlyAbove * slowFromMs) {
    return 'round-trips-do-not-fit';
  }
  return confidence < abstainBelow ? 'unsure' : null;
};
