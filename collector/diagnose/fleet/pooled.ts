import { kindAt } from './baseline.ts';
import { at, slotOf } from './columns.ts';
import type { FleetState, RecentValues } from './fleet-state.ts';
import type { KeySamples } from './grouped.ts';
import { kindOf } from './kinds.ts';

/** With fewer samples in its bin, a cell is judged by those of three bins. */
const enough = 8;
const windowBins = 3;

/** The samples a pooled key is judged by; what may be needed later is kept. */
export const pooledValues = (state: FleetState, samples: KeySamples, bin: number): KeySamples => {
  const { key, values, from, to } = samples;
  const count = to - from;
  noteSpread(state, samples);
  const kept = (state.recent.get(key) ?? []).filter((one) => bin - one.bin < windowBins);
  if (count >= enough) {
    state.recent.delete(key);
    return samples;
  }
  const now: RecentValues = { bin, ms: [...values.subarray(from, to)] };
  state.recent.set(key, [...kept, now]);
  if (kept.length === 0) return samples;
  const all = Float32Array.from([...kept.flatMap(({ ms }) => ms), ...now.ms]).sort();
  return { ...samples, values: all, from: 0, to: all.length };
};

/** How far a single sample lies from the cell's middle, by experience and without wild ones. */
const noteSpread = (state: FleetState, { key, values, from, to }: KeySamples): void => {
  const page = state.keys.rows.page(key);
  const slot = slotOf(key);
  const cell = cellIndex(kindAt(at(page.what, slot)));
  if (cell < 0 || at(page.learned, slot) === 0) return;
  const place = at(page.owner, slot);
  const row = state.places.rows.page(place);
  const where = slotOf(place) * 5 + cell;
  const spread = at(row.spread, where);
  const limit = spread === 0 ? Number.POSITIVE_INFINITY : 4 * spread;
  let sum = 0;
  for (let i = from; i < to; i += 1) {
    sum += Math.min(limit, 1.25 * Math.abs(at(values, i) - at(page.level, slot)));
  }
  const rate = Math.max(state.how.scaleRate, 1 / (at(page.learned, slot) + 1));
  row.spread[where] = spread + rate * (sum / (to - from) - spread);
};

export const cellIndex = (kind: number): number => cellKinds.indexOf(kind);
export const cellKinds: readonly number[] = [
  kindOf.inEdge,
  kindOf.dns,
  kindOf.tls,
  kindOf.server,
  kindOf.transfer,
];
