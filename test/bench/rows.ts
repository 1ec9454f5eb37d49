/** One figure beside its peer's and its target: what `npm run bench` prints and writes. */
export type Row = {
  name: string;
  unit: string;
  ours: number;
  peer: number | null;
  ratio: number | null;
  target: string;
  met: boolean | null;
};

export const percentile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
};

export const rounded = (value: number): number => Number(value.toPrecision(3));

/** A figure without a peer. */
export const ownRow = (
  name: string,
  unit: string,
  ours: number,
  target = '',
  met: boolean | null = null,
): Row => ({ name, unit, ours: rounded(ours), peer: null, ratio: null, target, met });

/** A phase of a probe is held to 1 ms, or to 2 % where it is longer than 50 ms. */
export const allowedMs = (usualMs: number): number => Math.max(1, 0.02 * usualMs);
