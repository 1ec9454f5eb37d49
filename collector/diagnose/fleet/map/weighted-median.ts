/** Middle of the values by weight; between two that share it evenly, their mean. NaN for none. */
export const weightedMedian = (values: readonly number[], weights: readonly number[]): number => {
  const order = values.map((_, index) => index);
  order.sort((a, b) => (values[a] as number) - (values[b] as number));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let below = 0;
  for (const [position, index] of order.entries()) {
    below += weights[index] as number;
    if (below > (total / 2) * (1 + 1e-12)) return values[index] as number;
    const next = order[position + 1];
    if (next !== undefined && below >= (total / 2) * (1 - 1e-12)) {
      return ((values[index] as number) + (values[next] as number)) / 2;
    }
  }
  return values[order.at(-1) ?? -1] ?? Number.NaN;
};
