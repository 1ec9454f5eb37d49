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
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
};

export const rounded = (value: number): number => Number(value.toPrecision(3));
