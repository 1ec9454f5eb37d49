import { dayTimeOf, kindAt, normalOf } from './baseline.ts';
import { at, slotOf } from './columns.ts';
import type { FleetState, RecentValues } from './fleet-state.ts';
import { type KeySamples, middleOf } from './grouped.ts';
import { kindOf, kinds } from './kinds.ts';

/** With fewer samples in its bin, a cell is judged by those of three bins. */
const enough = 8;
const windowBins = 3;
/** Of few samples so many bins are kept one by one, though most bins between them be empty. */
const singleBins = 8;
const singlesMs = 2_400_000;

/** The samples a pooled key is judged by; what may be needed later is kept. */
export const pooledValues = (state: FleetState, samples: KeySamples, bin: number): KeySamples => {
  const { key, values, from, to } = samples;
  const count = to - from;
  noteSpread(state, samples, bin);
  if (count >= enough) {
    state.recent.delete(key);
    return samples;
  }
  const now: RecentValues = { bin, ms: [...values.subarray(from, to)] };
  const singles = keptOf(state, key, bin);
  state.recent.set(key, [...singles.slice(1 - singleBins), now]);
  const kept = singles.filter((one) => bin - one.bin < windowBins);
  if (kept.length === 0) return samples;
  const all = Float32Array.from([...kept.flatMap(({ ms }) => ms), ...now.ms]).sort();
  return { ...samples, values: all, from: 0, to: all.length };
};

const keptOf = ({ recent, binMs }: FleetState, key: number, bin: number): RecentValues[] => {
  const mostBins = Math.max(singleBins, singlesMs / binMs);
  return (recent.get(key) ?? []).filter((one) => bin - one.bin < mostBins);
};

/** With so many samples a bin tells its own middle, which a fault has moved as well. */
const tellMiddle = 4;

/** How far a single sample lies from the cell's middle, by experience and without wild ones. */
const noteSpread = (
  state: FleetState,
  { key, values, from, to }: KeySamples,
  bin: number,
): void => {
  const page = state.keys.rows.page(key);
  const slot = slotOf(key);
  const cell = cellIndex(kindAt(at(page.what, slot)));
  if (cell < 0 || at(page.learned, slot) === 0) return;
  const place = at(page.owner, slot);
  const row = state.places.rows.page(place);
  const where = slotOf(place) * 5 + cell;
  const spread = at(row.spread, where);
  const limit = spread === 0 ? Number.POSITIVE_INFINITY : 3 * spread;
  const normalMs = normalOf(page, slot, dayTimeOf((bin + 0.5) * state.binMs), state.how);
  const count = to - from;
  const middleMs = count < tellMiddle ? normalMs : middleOf(values, from, to);
  const share = count < tellMiddle ? 1.25 : (1.25 * count) / (count - 1);
  let sum = 0;
  for (let i = from; i < to; i += 1) {
    sum += Math.min(limit, share * Math.abs(at(values, i) - middleMs));
  }
  const rate = Math.max(state.how.scaleRate, 1 / (at(page.learned, slot) + 1));
  row.spread[where] = spread + rate * (sum / count - spread);
  if (kinds[kindAt(at(page.what, slot))]?.lowEnd) {
    const first = slotOf(place) * 3;
    const learned = at(page.learned, slot);
    if (learned === 1) row.misses[first] = missPrior.share;
    const slow = Math.max(state.how.scaleRate, 1 / (learned + missPrior.weight));
    for (let i = from; i < to; i += 1) {
      noteMiss(row.misses, first, at(values, i) - normalMs, slow);
    }
  }
};

/** So far above the usual a look-up was no cached one. */
const missFromMs = 8;
/** Few are enough to know what one takes; a fault is learned in small steps only. */
const missSpreads = { first: 0.5, step: 1, off: 2 } as const;
/**
 * Of a place that is new it is not known whether its look-ups are cached: so many are thought not to
 * be, until a dozen have shown it. Else the first three in a row that are not are called a fault.
 */
const missPrior = { share: 0.25, weight: 3 } as const;

/** How often look-ups are not answered from a cache, and what they take then. */
const noteMiss = (misses: Float32Array, from: number, ms: number, rate: number): void => {
  const isMiss = ms > missFromMs;
  const share = at(misses, from);
  misses[from] = share + rate * ((isMiss ? 1 : 0) - share);
  if (!isMiss) return;
  const middleMs = at(misses, from + 1);
  if (middleMs === 0) {
    misses[from + 1] = ms;
    misses[from + 2] = missSpreads.first * ms;
    return;
  }
  const spread = at(misses, from + 2);
  const limit = missSpreads.step * spread;
  misses[from + 1] = middleMs + rate * Math.max(-limit, Math.min(limit, ms - middleMs));
  const off = 1.25 * Math.min(Math.abs(ms - middleMs), missSpreads.off * spread);
  misses[from + 2] = spread + rate * (off - spread);
};

export const cellIndex = (kind: number): number => cellKinds.indexOf(kind);
export const cellKinds: readonly number[] = [
  kindOf.inEdge,
  kindOf.dns,
  kindOf.tls,
  kindOf.server,
  kindOf.transfer,
];
