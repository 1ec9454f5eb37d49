import type { Row } from '../rows.ts';

export const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

/** Held to a share of the peer's figure. */
export const beside = (
  name: string,
  unit: string,
  ours: number,
  peer: number,
  target: string,
): Row => {
  const ratio = ours / peer;
  return { name, unit, ours, peer, ratio, target, met: holds(ratio, target) };
};

/** Held to a figure of its own. */
export const alone = (name: string, unit: string, ours: number, target: string): Row => ({
  name,
  unit,
  ours,
  peer: null,
  ratio: null,
  target,
  met: holds(ours, target),
});

const holds = (value: number, target: string): boolean => {
  const limit = Number.parseFloat(target.slice(2));
  return target.startsWith('<=') ? value <= limit : value >= limit;
};

export const printRows = (rows: readonly Row[]): void => {
  console.log('| measure | ours | peer | unit | ratio | target | met |');
  console.log('|---|---|---|---|---|---|---|');
  for (const { name, ours, peer, unit, ratio, target, met } of rows) {
    const cells = [
      name,
      digits(ours),
      peer === null ? '–' : digits(peer),
      unit,
      ratio === null ? '–' : ratio.toFixed(2),
      target.replace('<=', '≤ ').replace('>=', '≥ '),
      met === null ? '–' : met ? 'yes' : 'no',
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
};

const digits = (value: number): string =>
  Math.abs(value) < 10 ? value.toFixed(2) : Math.round(value).toLocaleString('en-GB');
