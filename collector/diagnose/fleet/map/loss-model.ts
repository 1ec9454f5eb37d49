import type { Model } from './candidate.ts';

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
/** A sort of which so many should be lost contradicts where hardly any are, and less than this share. */
const contradiction = { expected: 6, share: 0.3, clear: 3 };
/**
 * Packets are lost in bursts (RFC 3357), and each sort is sent at its own moments: of one share of loss
 * they see shares that differ by this much of it.
 */
const burstSpread = 0.5;

/** Loss ratios with a beta-binomial likelihood; what is explained already adds up as independent drops. */
export const createLossModel = (observations: readonly LossObservation[]): Model => {
  const extra = new Float64Array(observations.length);
  const variance = new Float64Array(observations.length);
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
        one.expected >= contradiction.expected &&
        one.excess < Math.min(contradiction.clear, contradiction.share * one.expected),
    );
  };

  const fit: Model['fit'] = ({ members, minimum }) => {
    const magnitude = ratioOf(members);
    if (magnitude < minimum || magnitude === 0 || isContradicted(members, magnitude)) return null;
    let gainNats = 0;
    for (const index of members) {
      const observation = observations[index] as LossObservation;
      const before = expected(index, observation);
      const after = 1 - (1 - before) * (1 - magnitude);
      const own = variance[index] as number;
      const ratio =
        logLikelihood(observation, after, own + (burstSpread * magnitude) ** 2) -
        logLikelihood(observation, before, own);
      gainNats += observation.weight * Math.min(clamp.most, Math.max(clamp.least, ratio));
    }
    return { magnitude, spread: burstSpread * magnitude, gainNats };
  };

  const add = (members: Int32Array, spread: number, sign: 1 | -1): void => {
    for (const index of members) {
      variance[index] = Math.max(0, (variance[index] as number) + sign * spread ** 2);
    }
  };

  return {
    fit,
    explain: (members, { magnitude, spread }) => {
      add(members, spread, 1);
      for (const index of members) {
        extra[index] = 1 - (1 - (extra[index] as number)) * (1 - magnitude);
      }
    },
    restore: (members, { magnitude, spread }) => {
      add(members, spread, -1);
      for (const index of members) {
        extra[index] = Math.max(0, 1 - (1 - (extra[index] as number)) / (1 - magnitude));
      }
    },
  };
};

/** Less than this share of the mean squared is no spread. */
const leastVariance = 1e-9;
/** A share that scatters more would rather be all or nothing. */
const leastCertainty = 1;

/** Log-likelihood of a count whose share has this mean and variance, but for a constant. */
const logLikelihood = (
  { sentCount, lostCount }: LossObservation,
  mean: number,
  variance: number,
): number => {
  const kept = sentCount - lostCount;
  if (variance < leastVariance) return lostCount * Math.log(mean) + kept * Math.log(1 - mean);
  const certainty = Math.max(leastCertainty, (mean * (1 - mean)) / variance - 1);
  const [a, b] = [mean * certainty, (1 - mean) * certainty];
  return logBeta(a + lostCount, b + kept) - logBeta(a, b);
};

const logBeta = (a: number, b: number): number => logGamma(a) + logGamma(b) - logGamma(a + b);

/** Stirling's series from seven on, the recurrence below; good to nine digits. */
const logGamma = (value: number): number => {
  let [x, shift] = [value, 1];
  while (x < 7) {
    shift *= x;
    x += 1;
  }
  const series = 1 / (12 * x) - 1 / (360 * x ** 3) + 1 / (1_260 * x ** 5);
  return (x - 0.5) * Math.log(x) - x + halfLogTwoPi + series - Math.log(shift);
};
const halfLogTwoPi = 0.5 * Math.log(2 * Math.PI);
