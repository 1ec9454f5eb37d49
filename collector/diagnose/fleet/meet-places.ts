import { at, slotOf } from './columns.ts';
import type { FleetState } from './fleet-state.ts';
import type { OpenBin } from './open-bin.ts';

/** In places that few meet, those of three bins are counted. */
const few = 8;
const windowBins = 3;

/** Counts the devices that met each place, and notes when a place was first met. */
export const meetPlaces = (state: FleetState, open: OpenBin): void => {
  const devices = new Map<number, Set<number>>();
  for (let row = 0; row < open.meetings.count; row += 1) {
    const page = open.meetings.page(row);
    const place = at(page.place, slotOf(row));
    const device = at(page.device, slotOf(row));
    const known = devices.get(place);
    if (known) known.add(device);
    else devices.set(place, new Set([device]));
  }
  for (const place of [...devices.keys()].sort((a, b) => a - b)) {
    const met = devices.get(place) as Set<number>;
    met.delete(0);
    notePlace(state, place, open.bin, met);
  }
};

const notePlace = (state: FleetState, place: number, bin: number, met: Set<number>): void => {
  const page = state.places.rows.page(place);
  const slot = slotOf(place);
  if (at(page.firstBin, slot) === 0) page.firstBin[slot] = firstOfAll(state, page, slot, bin);
  page.bin[slot] = bin;
  const kept = (state.met.get(place) ?? []).filter((one) => bin - one.bin < windowBins);
  const all = new Set([...kept.flatMap((one) => one.devices), ...met]);
  page.devices[slot] = all.size;
  if (met.size >= few) state.met.delete(place);
  else state.met.set(place, [...kept, { bin, devices: [...met].sort((a, b) => a - b) }]);
};

/** A new address of a known application is as old as the application there. */
const firstOfAll = (
  { places }: FleetState,
  page: ReturnType<FleetState['places']['rows']['page']>,
  slot: number,
  bin: number,
): number =>
  places.siblings(at(page.edge, slot), at(page.app, slot)).reduce((first, row) => {
    const one = at(places.rows.page(row).firstBin, slotOf(row));
    return one > 0 ? Math.min(first, one) : first;
  }, bin);
