import { dayTimeOf, kindAt, learnValue } from './baseline.ts';
import { at, slotOf } from './columns.ts';
import type { FleetState } from './fleet-state.ts';
import { statisticOf } from './grouped.ts';
import { kinds } from './kinds.ts';
import { layTraces } from './lay-traces.ts';

/** Late readings make what is normal better known; they change no verdict. */
export const learnLate = (state: FleetState): void => {
  const { late } = state;
  if (late.samples.count === 0 && late.traces.count === 0) return;
  layTraces(state, late);
  const { bins, keys, values } = columnsOf(state);
  const order = Uint32Array.from(bins.keys()).sort(
    (a, b) =>
      at(bins, a) - at(bins, b) || at(keys, a) - at(keys, b) || at(values, a) - at(values, b),
  );
  const sorted = Float32Array.from(order, (row) => at(values, row));
  for (let from = 0; from < order.length; ) {
    const [bin, key] = [at(bins, at(order, from)), at(keys, at(order, from))];
    let to = from + 1;
    while (
      to < order.length &&
      at(bins, at(order, to)) === bin &&
      at(keys, at(order, to)) === key
    ) {
      to += 1;
    }
    learnKey(state, key, bin, sorted.subarray(from, to));
    from = to;
  }
  late.empty();
};

const columnsOf = ({ late: { samples } }: FleetState) => {
  const bins = new Uint32Array(samples.count);
  const keys = new Uint32Array(samples.count);
  const values = new Float32Array(samples.count);
  for (let row = 0; row < samples.count; row += 1) {
    const page = samples.page(row);
    bins[row] = at(page.bin, slotOf(row));
    keys[row] = at(page.key, slotOf(row));
    values[row] = at(page.ms, slotOf(row));
  }
  return { bins, keys, values };
};

const learnKey = (state: FleetState, key: number, bin: number, values: Float32Array): void => {
  const page = state.keys.rows.page(key);
  const slot = slotOf(key);
  if (at(page.firstBin, slot) === 0) page.firstBin[slot] = bin;
  const isLow = kinds[kindAt(at(page.what, slot))]?.lowEnd ?? false;
  const when = dayTimeOf((bin + 0.5) * state.binMs);
  learnValue(page, slot, statisticOf(isLow, values, 0, values.length), when, state.how);
};
