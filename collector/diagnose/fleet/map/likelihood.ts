const halfLogTwoPi = 0.5 * Math.log(2 * Math.PI);

/**
 * Density of what a cause does not account for: rare for a whole path, common for one hop. Routers
 * answer expired packets from a slow path, limit them and send them home another way, which can only
 * make a hop look slower, so above zero it is 19 times as likely as below.
 */
const artefactMeanMs = 120;
const artefactNormal = 60;
const positiveShare = { oneSided: 0.95, symmetric: 0.5 };
/** Nothing is impossible: the least density. */
const leastDensity = 1e-12;

/** A second, slower way to be normal: look-ups that no cache answers. */
export type Slower = { share: number; ms: number; scaleMs: number };

/** Log-likelihood of a residual with a scale and a share of artefacts. */
export const logLikelihood = (
  residualMs: number,
  scaleMs: number,
  contamination: number,
  oneSided: boolean,
  slower?: Slower,
): number => {
  const usual = densityOf(residualMs, scaleMs);
  const normal =
    slower === undefined
      ? usual
      : (1 - slower.share) * usual +
        slower.share * densityOf(residualMs - slower.ms, slower.scaleMs);
  const positive = oneSided ? positiveShare.oneSided : positiveShare.symmetric;
  const side = residualMs > 0 ? positive : 1 - positive;
  const artefact = (side / artefactNormal) * Math.exp(-Math.abs(residualMs) / artefactMeanMs);
  return Math.log((1 - contamination) * normal + contamination * artefact + leastDensity);
};

const densityOf = (residualMs: number, scaleMs: number): number => {
  const z = residualMs / scaleMs;
  return Math.exp(-0.5 * z * z - halfLogTwoPi) / scaleMs;
};
