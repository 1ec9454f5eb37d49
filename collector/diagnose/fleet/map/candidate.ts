/** A possible cause: the observations it would shift, all by the same amount. */
export type Candidate = {
  key: string;
  /** Candidates that differ in it name another element: only such are rivals. */
  elementId: string;
  /** Indexes of observations, ascending. */
  members: Int32Array;
  /** Members that lie next to it and alone say how much it adds: all others see what lies further on too. */
  nearest?: Int32Array;
  /** Where only a sample of many speaks: all it would shift. Left out: the members. */
  covers?: Int32Array;
  /** Prior log odds against it, in nats. */
  penaltyNats: number;
  /** A smaller shift (milliseconds, or for loss a ratio) is not called a cause. */
  minimum: number;
};

/** How well one magnitude explains the members of a candidate. */
export type Fit = {
  /** Milliseconds, or for loss a ratio. */
  magnitude: number;
  /** How far single members scatter around it: a congested link adds no constant. */
  spread: number;
  /** Log-likelihood gained, before the penalty. */
  gainNats: number;
};

/**
 * Observations and what is explained of them so far. `fit` is null where nothing of at least the
 * minimum is left to explain.
 */
export type Model = {
  fit(candidate: Pick<Candidate, 'members' | 'nearest' | 'minimum'>): Fit | null;
  explain(members: Int32Array, fit: Fit): void;
  restore(members: Int32Array, fit: Fit): void;
};

export type Selected<C extends Candidate> = {
  candidate: C;
  magnitude: number;
  spread: number;
  gainNats: number;
  /** By how much the best overlapping candidate with another element lost. */
  marginNats: number;
  runnerUp: C | null;
};
