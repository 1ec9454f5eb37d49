import { percentile } from '#test/bench/rows.ts';
import { drawOf } from './reservoir.ts';

const rounds = 500;

/**
 * Where 90 % of the figures lie that other draws of the same worlds would have given: worlds are
 * drawn with replacement, faults of one world always together. Null: one world tells nothing of it.
 */
export const interval = <T>(
  worlds: readonly T[],
  figureOf: (drawn: readonly T[]) => number,
): [number, number] | null => {
  if (worlds.length < 2) return null;
  const figures = Array.from({ length: rounds }, (_, round) =>
    figureOf(
      worlds.flatMap((_, index) => {
        const one = worlds[Math.floor(drawOf(`${round} ${index}`) * worlds.length)];
        return one === undefined ? [] : [one];
      }),
    ),
  );
  return [percentile(figures, 0.05), percentile(figures, 0.95)];
};
