import { kindAt } from './baseline.ts';
import type { Lasting } from './bin-view.ts';
import { at, slotOf } from './columns.ts';
import type { FleetState } from './fleet-state.ts';
import { trimmedMeanOf } from './grouped.ts';
import { historyLength } from './places.ts';
import { cellIndex, cellKinds } from './pooled.ts';

/** Of the newest bins what lasts, of as many before them what was there already. */
const windowBins = 6;
const leastBins = 4;
/** A step is told within so many bins, or not at all. */
const stepBins = 3;
/** Errors of a mean of six, of one with odd ones left out, and of values that share samples. */
const meanShare = 0.45;
const overlappingShare = 0.7;

/** Remembers what a cell was off by, once it is noted; a pause begins anew. */
export const noteHistory = (state: FleetState, key: number): void => {
  const page = state.keys.rows.page(key);
  const slot = slotOf(key);
  const cell = cellIndex(kindAt(at(page.what, slot)));
  if (cell < 0) return;
  const place = at(page.owner, slot);
  const row = state.places.rows.page(place);
  const where = slotOf(place) * cellKinds.length + cell;
  const from = where * historyLength;
  const isAlone = at(page.formerGap, slot) > state.how.longestGap;
  row.history.copyWithin(from + 1, from, from + historyLength - 1);
  row.history[from] = at(page.newest, slot);
  row.historyCount[where] = isAlone ? 1 : Math.min(historyLength, at(row.historyCount, where) + 1);
};

/** What a cell was off by in its newest bins, and at least in those before; null: too few. */
export const lastingOf = (
  { places, recent }: FleetState,
  place: number,
  cell: number,
  key: number,
): Lasting | null => {
  const row = places.rows.page(place);
  const where = slotOf(place) * cellKinds.length + cell;
  const count = at(row.historyCount, where);
  if (count < leastBins) return null;
  const from = where * historyLength;
  const meanOf = (newest: number, oldest: number): number => {
    const values = row.history.slice(from + newest, from + Math.min(count, oldest)).sort();
    const cut = values.length > 2 ? 1 : 0;
    return trimmedMeanOf(values, cut, values.length - cut);
  };
  const before = [2, 3]
    .filter((window) => count >= (window - 1) * windowBins + leastBins)
    .map((window) => meanOf((window - 1) * windowBins, window * windowBins));
  return {
    ms: meanOf(0, windowBins),
    beforeMs: before.length === 0 ? null : Math.min(...before),
    justBeforeMs: count < stepBins + leastBins ? null : meanOf(stepBins, stepBins + windowBins),
    scaleShare: recent.has(key) ? overlappingShare : meanShare,
  };
};
