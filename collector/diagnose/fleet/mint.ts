import { at, slotOf } from './columns.ts';
import type { FleetState } from './fleet-state.ts';
import type { Names } from './names.ts';

/**
 * What one device may make the engine remember of things nobody has named before, a day: its first day
 * at a place needs some hundred. What it makes up beyond that is nothing.
 */
const mostNewADay = 2_000;

/** False: this device has brought up enough for today. */
export const mayMint = ({ devices }: FleetState, device: number): boolean => {
  while (devices.count <= device) devices.add();
  const { minted } = devices.page(device);
  const slot = slotOf(device);
  if (at(minted, slot) >= mostNewADay) return false;
  minted[slot] = at(minted, slot) + 1;
  return true;
};

/** The number of a text that a device has named; 0: it is new, and the device may bring up no more. */
export const mint = (state: FleetState, names: Names, device: number, text: string): number => {
  const known = names.find(text);
  if (known > 0 || text === '') return known;
  return mayMint(state, device) ? names.numberOf(text) : 0;
};

/** Another day. */
export const mintAnew = ({ devices }: FleetState): void => {
  for (let device = 0; device < devices.count; device += 1) {
    devices.page(device).minted[slotOf(device)] = 0;
  }
};
