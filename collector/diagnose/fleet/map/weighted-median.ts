/** Middle of the values by weight; between two that share it evenly, their mean. NaN for none. */
export const weightedMedian = (values: readonly number[], weights: readonly number[]): number => {
  const count = values.length;
  if (count === 0) return Number.NaN;
  if (count === 1) return values[0] as number;
  const order = new Uint32Array(count);
  let total = 0;
  for (let index = 0; index < count; index += 1) {
    order[index] = index;
    total += weights[index] as number;
  }
  order.sort((a, b) => (values[a] as number) - (values[b] as number));
  let below = 0;
  for (let position = 0; position < count; position += 1) {
    const index = order[position] as number;
    below += weights[index] as number;
    if (below > (total / 2) * (1 + 1e-12)) return values[index] as number;
    if (position + 1 < count && below >= (total / 2) * (1 - 1e-12)) {
      return ((values[index] as number) + (values[order[position + 1] as number] as number)) / 2;
    }
  }
  return values[order[count - 1] as number] as number;
};
