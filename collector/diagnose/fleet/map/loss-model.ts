import type { Fit, Model } from './candidate.ts';

/** Packets of one quantity over the window, as evidence for or against loss. */
export type LossObservation = {
  sentCount: number;
  lostCount: number;
  /** Share that is usual, by experience: replies that routers limit. */
  normalRatio: number;
  weight: number;
  /** What was sent where (to the gateway, through the tunnel): one sort that loses nothing clears. */
  sort: string;
  /** End to end: only such say how much is lost. */
  reference: boolean;
};

/** Fewer excess losses are chance. */
const leastLost = 3;
/** One quantity may not decide alone: clamps of its log-likelihood ratio. */
const clamp = { least: -12, most: 25 };
/** A sort of which so many should be lost, and of these less than this share are, contradicts. */
const contradiction = { expected: 6, share: 0.3 };

/** Loss ratios with a binomial likelihood; what is explained already adds up as independent drops. */
export const createLossModel = (observations: readonly LossObservation[]): Model => {
  const extra = new Float64Array(observations.length);
  const expected = (index: number, observation: LossObservation): number =>
    1 - (1 - observation.normalRatio) * (1 - (extra[index] as number));

  const ratioOf = (members: Int32Array): number => {
    let [excess, sent] = [0, 0];
    for (const index of members) {
      const observation = observations[index] as LossObservation;
      if (!observation.reference) continue;
      excess += observation.lostCount - observation.sentCount * expected(index, observation);
      sent += observation.sentCount;
    }
    return excess < leastLost ? 0 : Math.min(0.99, excess / sent);
  };

  const isContradicted = (members: Int32Array, magnitude: number): boolean => {
    const sorts = new Map<string, { excess: number; expected: number }>();
    for (const index of members) {
      const observation = observations[index] as LossObservation;
      if (!observation.reference) continue;
      const { sort, sentCount, lostCount } = observation;
      const one = sorts.get(sort) ?? { excess: 0, expected: 0 };
      one.excess += lostCount - sentCount * expected(index, observation);
      one.expected += sentCount * magnitude;
      sorts.set(sort, one);
    }
    return [...sorts.values()].some(
      (one) =>
        one.expected >= contradiction.expected && one.excess < contradiction.share * one.expected,
    );
  };

  const fit = (members: Int32Array, minimum: number): Fit | null => {
    const magnitude = ratioOf(members);
    if (magnitude < minimum || magnitude === 0 || isContradicted(members, magnitude)) return null;
    let gainNats = 0;
    for (const index of members) {
      const observation = observations[index] as LossObservation;
      const before = expected(index, observation);
      const after = 1 - (1 - before) * (1 - magnitude);
      const ratio = logRatio(observation, before, after);
      gainNats += observation.weight * Math.min(clamp.most, Math.max(clamp.least, ratio));
    }
    return { magnitude, spread: 0, gainNats };
  };

  return {
    fit,
    explain: (members, { magnitude }) => {
      for (const index of members) {
        extra[index] = 1 - (1 - (extra[index] as number)) * (1 - magnitude);
      }
    },
    restore: (members, { magnitude }) => {
      for (const index of members) {
        extra[index] = Math.max(0, 1 - (1 - (extra[index] as number)) / (1 - magnitude));
      }
    },
  };
};

const logRatio = ({ sentCount, lostCount }: LossObservation, before: number, after: number) =>
  lostCount * Math.log(after / before) +
  (sentCount - lostCount) * Math.log((1 - after) / (1 - before));
