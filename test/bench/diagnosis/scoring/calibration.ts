/** One named verdict: how sure it was, whether it was right, and how much it counts. */
export type Judgement = { confidence: number; isRight: boolean; weight: number };

const binCount = 10;

export type ReliabilityBin = {
  from: number;
  to: number;
  share: number;
  confidence: number;
  right: number;
};

export const reliability = (all: readonly Judgement[]): ReliabilityBin[] => {
  const weight = total(all);
  return Array.from({ length: binCount }, (_, index) => {
    const within = all.filter(
      ({ confidence }) => Math.min(binCount - 1, Math.floor(confidence * binCount)) === index,
    );
    const own = total(within);
    return {
      from: index / binCount,
      to: (index + 1) / binCount,
      share: own / weight,
      confidence: weighted(within, ({ confidence }) => confidence) / own,
      right: weighted(within, ({ isRight }) => (isRight ? 1 : 0)) / own,
    };
  }).filter(({ share }) => share > 0);
};

/** Expected calibration error: how far stated and true shares lie apart, over ten equal bins. */
export const expectedCalibrationError = (all: readonly Judgement[]): number =>
  all.length === 0
    ? Number.NaN
    : reliability(all).reduce(
        (sum, { share, confidence, right }) => sum + share * Math.abs(confidence - right),
        0,
      );

export const brierScore = (all: readonly Judgement[]): number =>
  weighted(all, ({ confidence, isRight }) => (confidence - (isRight ? 1 : 0)) ** 2) / total(all);

/** Chance that a right one is surer than a wrong one; ties count half. */
export const areaUnderCurve = (all: readonly Judgement[]): number => {
  const sorted = [...all].sort((a, b) => a.confidence - b.confidence);
  let wrongBefore = 0;
  let sum = 0;
  for (let i = 0; i < sorted.length; ) {
    const level = sorted[i]?.confidence;
    let j = i;
    while (sorted[j]?.confidence === level && j < sorted.length) j += 1;
    const tied = sorted.slice(i, j);
    const right = total(tied.filter(({ isRight }) => isRight));
    const wrong = total(tied) - right;
    sum += right * (wrongBefore + wrong / 2);
    wrongBefore += wrong;
    i = j;
  }
  const right = total(all.filter(({ isRight }) => isRight));
  return sum / (right * (total(all) - right));
};

/** Share of wrong ones among the surest: by how many of all are spoken about. */
export const riskAt = (all: readonly Judgement[], coverage: number): number => {
  const sorted = [...all].sort((a, b) => b.confidence - a.confidence);
  const limit = coverage * total(all);
  let weight = 0;
  let wrong = 0;
  for (const one of sorted) {
    if (weight + one.weight > limit * (1 + 1e-9)) break;
    weight += one.weight;
    if (!one.isRight) wrong += one.weight;
  }
  return wrong / weight;
};

const total = (all: readonly Judgement[]): number => weighted(all, () => 1);

const weighted = (all: readonly Judgement[], of: (one: Judgement) => number): number =>
  all.reduce((sum, one) => sum + one.weight * of(one), 0);
