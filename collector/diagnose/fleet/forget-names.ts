import { kindAt, subOf } from './baseline.ts';
import { at, slotOf } from './columns.ts';
import type { FleetState } from './fleet-state.ts';
import { kindOf, kinds } from './kinds.ts';
import { traceKinds } from './paths.ts';

/** By number: 1 where something that is remembered, or in a bin still open, goes by it. */
type Used = Record<'devices' | 'places' | 'addresses' | 'words' | 'thirdParties', Uint8Array>;

/**
 * Forgets the devices, places, addresses and other names that nothing goes by any more. Rows stay where
 * they are: the next ones get their numbers.
 */
export const forgetNames = (state: FleetState, oldest: number): void => {
  const used: Used = {
    devices: new Uint8Array(state.deviceNames.count),
    places: new Uint8Array(state.places.rows.count),
    addresses: new Uint8Array(state.addresses.count),
    words: new Uint8Array(state.words.count),
    thirdParties: new Uint8Array(state.thirdParties.count),
  };
  useOpenBins(state, used);
  useKeys(state, used);
  useRows(state, used, oldest);
  for (let device = 1; device < state.devices.count; device += 1) {
    if (used.devices[device] === 0) state.devices.clear(device);
  }
  forgetPlacesOfPairs(state, used.places);
  state.places.keepOnly(used.places);
  for (const place of [...state.met.keys()]) if (used.places[place] === 0) state.met.delete(place);
  for (const third of [...state.visitors.keys()]) {
    if (used.thirdParties[third] === 0) state.visitors.delete(third);
  }
  state.deviceNames.keepOnly(used.devices);
  state.addresses.keepOnly(used.addresses);
  state.words.keepOnly(used.words);
  state.thirdParties.keepOnly(used.thirdParties);
};

const useOpenBins = ({ open }: FleetState, used: Used): void => {
  for (const bin of open.values()) {
    for (let device = 0; device < bin.devices.count; device += 1) {
      const page = bin.devices.page(device);
      if (page.seen[slotOf(device)] === 1) used.devices[device] = 1;
      used.words[at(page.site, slotOf(device))] = 1;
    }
    for (let row = 0; row < bin.runs.count; row += 1) {
      const page = bin.runs.page(row);
      const slot = slotOf(row);
      const { failure, pageFailure, probe, dnsSource, tlsProtocol } = page;
      for (const words of [failure, pageFailure, probe, dnsSource, tlsProtocol]) {
        used.words[at(words, slot)] = 1;
      }
      used.addresses[at(page.remoteAddress, slot)] = 1;
      used.addresses[at(page.edgeAddress, slot)] = 1;
      if (at(page.place, slot) > 0) used.places[at(page.place, slot) - 1] = 1;
    }
    for (let row = 0; row < bin.meetings.count; row += 1) {
      used.places[at(bin.meetings.page(row).place, slotOf(row))] = 1;
    }
    for (let row = 0; row < bin.visits.count; row += 1) {
      used.thirdParties[at(bin.visits.page(row).third, slotOf(row))] = 1;
    }
    for (let row = 0; row < bin.hops.count; row += 1) {
      used.addresses[at(bin.hops.page(row).address, slotOf(row))] = 1;
    }
    for (let row = 0; row < bin.traces.count; row += 1) {
      const page = bin.traces.page(row);
      useOwner(used, at(page.kind, slotOf(row)), at(page.owner, slotOf(row)));
    }
  }
};

const useOwner = (used: Used, traceKind: number, owner: number): void => {
  (traceKind === traceKinds.onward ? used.places : used.devices)[owner] = 1;
};

const ownersOf = { device: 'devices', place: 'places', 'third-party': 'thirdParties' } as const;

const useKeys = ({ keys: { rows } }: FleetState, used: Used): void => {
  for (let key = 0; key < rows.count; key += 1) {
    const page = rows.page(key);
    const what = page.what[slotOf(key)] as number;
    const kind = kindAt(what);
    const owner = kinds[kind]?.owner;
    if (owner === 'device' || owner === 'place' || owner === 'third-party') {
      used[ownersOf[owner]][page.owner[slotOf(key)] as number] = 1;
    }
    if (kind === kindOf.deviceHop || kind === kindOf.onwardHop) used.addresses[subOf(what)] = 1;
  }
};

/** Devices and places by when they were met last, with what they name; and what is on ways. */
const useRows = ({ devices, places, paths }: FleetState, used: Used, oldest: number): void => {
  for (let row = 0; row < paths.targets.count; row += 1) {
    const page = paths.targets.page(row);
    useOwner(used, at(page.kind, slotOf(row)), at(page.owner, slotOf(row)));
  }
  for (let row = 0; row < paths.hops.count; row += 1) {
    used.addresses[at(paths.hops.page(row).address, slotOf(row))] = 1;
  }
  for (let device = 1; device < devices.count; device += 1) {
    const page = devices.page(device);
    const slot = slotOf(device);
    if (at(page.bin, slot) >= Math.max(1, oldest)) used.devices[device] = 1;
    if (used.devices[device] === 1) used.words[at(page.site, slot)] = 1;
  }
  for (let place = 0; place < places.rows.count; place += 1) {
    const page = places.rows.page(place);
    const slot = slotOf(place);
    if (at(page.bin, slot) >= Math.max(1, oldest)) used.places[place] = 1;
    if (used.places[place] === 1) used.addresses[at(page.address, slot)] = 1;
  }
};

const forgetPlacesOfPairs = ({ keys: { rows } }: FleetState, used: Uint8Array): void => {
  for (let key = 0; key < rows.count; key += 1) {
    const { place } = rows.page(key);
    const row = (place[slotOf(key)] as number) - 1;
    if (row >= 0 && used[row] === 0) place[slotOf(key)] = 0;
  }
};
