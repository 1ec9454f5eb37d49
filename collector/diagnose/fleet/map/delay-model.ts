import type { Fit, Model } from './candidate.ts';
import { logLikelihood, type Slower } from './likelihood.ts';
import { weightedMedian } from './weighted-median.ts';

/** One quantity's difference from its normal, as evidence for or against a delay. */
export type Observation = {
  residualMs: number;
  scaleMs: number;
  /** Below 1: shares its noise with others (hops of one trace). */
  weight: number;
  /** Share of artefacts that no cause explains. */
  contamination: number;
  /** Measured end to end: only such say how much a cause adds. */
  reference: boolean;
  /** How much of a cause's own scatter it shows: 1, less where the statistic smooths it. */
  spreadShare: number;
  slower?: Slower;
};

export type DelayModel = Model & {
  /** What is left to explain of each observation, and the variance it has by now. */
  readonly residualMs: Float64Array;
  readonly variance: Float64Array;
};

/**
 * Relative scatter of a cause before any observation speaks: an exponential queue's is 1, the median
 * of several samples halves it. It weighs as much as ten observations; without it two observations
 * fit themselves perfectly and beat the true cause of six.
 */
const defaultPriorSpread = 0.5;
const priorSpreadWeight = 10;
/** Median absolute deviation to standard deviation of a normal distribution. */
const madToScale = 1.48;

/** Shifts in milliseconds with one-sided artefacts and causes that scatter. */
export const createDelayModel = ({
  observations,
  oneSided,
  priorSpread = defaultPriorSpread,
}: {
  observations: readonly Observation[];
  oneSided: boolean;
  priorSpread?: number;
}): DelayModel => {
  const residualMs = Float64Array.from(observations, (each) => each.residualMs);
  const variance = Float64Array.from(observations, (each) => each.scaleMs ** 2);
  const weight = Float64Array.from(observations, (each) => each.weight);
  const contamination = Float64Array.from(observations, (each) => each.contamination);
  const spreadShare = Float64Array.from(observations, (each) => each.spreadShare);
  const reference = Uint8Array.from(observations, (each) => (each.reference ? 1 : 0));

  const likelihoodOf = (index: number, shiftMs: number, spreadMs: number): number => {
    const scaleMs = (ownMs: number) =>
      Math.sqrt(ownMs + (spreadMs * (spreadShare[index] as number)) ** 2);
    const slower = observations[index]?.slower;
    const before = (observations[index]?.scaleMs ?? 0) ** 2;
    const added = Math.max(0, (variance[index] as number) - before);
    return logLikelihood(
      (residualMs[index] as number) - shiftMs,
      scaleMs(variance[index] as number),
      contamination[index] as number,
      oneSided,
      slower && { ...slower, scaleMs: scaleMs(slower.scaleMs ** 2 + added) },
    );
  };
  const unexplained = Float64Array.from(observations, (_, index) => likelihoodOf(index, 0, 0));

  const magnitudeOf = (indexes: readonly number[]): number =>
    weightedMedian(
      indexes.map((index) => residualMs[index] as number),
      indexes.map((index) => (weight[index] as number) / Math.sqrt(variance[index] as number)),
    );

  const spreadOf = (indexes: readonly number[], shiftMs: number): number => {
    const off = indexes.map((index) => Math.abs((residualMs[index] as number) - shiftMs));
    const seen = Math.min(1, (madToScale * plainMedian(off)) / shiftMs);
    const count = indexes.length;
    const pooled =
      (seen ** 2 * count + priorSpread ** 2 * priorSpreadWeight) / (count + priorSpreadWeight);
    return shiftMs * Math.sqrt(pooled);
  };

  const fit: Model['fit'] = ({ members, nearest, minimum }) => {
    const measuring = referencesAmong(nearest?.length ? nearest : members, reference);
    if (measuring.length === 0) return null;
    const magnitude = magnitudeOf(measuring);
    if (!(magnitude >= minimum)) return null;
    const spread = spreadOf(measuring, magnitude);
    let gainNats = 0;
    for (const index of members) {
      const explained = likelihoodOf(index, magnitude, spread);
      gainNats += (weight[index] as number) * (explained - (unexplained[index] as number));
    }
    return { magnitude, spread, gainNats };
  };

  const shift = (members: Int32Array, { magnitude, spread }: Fit, sign: 1 | -1): void => {
    for (const index of members) {
      residualMs[index] = (residualMs[index] as number) - sign * magnitude;
      const own = (spread * (spreadShare[index] as number)) ** 2;
      variance[index] = Math.max(1e-6, (variance[index] as number) + sign * own);
      unexplained[index] = likelihoodOf(index, 0, 0);
    }
  };

  return {
    residualMs,
    variance,
    fit,
    explain: (members, found) => shift(members, found, 1),
    restore: (members, found) => shift(members, found, -1),
  };
};

const referencesAmong = (members: Int32Array, reference: Uint8Array): number[] => {
  const found: number[] = [];
  for (const index of members) if (reference[index] === 1) found.push(index);
  return found.length > 0 ? found : [...members];
};

const plainMedian = (values: readonly number[]): number =>
  weightedMedian(
    values,
    values.map(() => 1),
  );
