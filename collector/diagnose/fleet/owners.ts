import { kindAt, readyAfter } from './baseline.ts';
import { at, slotOf } from './columns.ts';
import type { FleetState } from './fleet-state.ts';
import { kindOf, kinds } from './kinds.ts';
import { traceKinds } from './paths.ts';

/** The device that timed a key's values; -1: none did. */
export const timedBy = (state: FleetState, key: number): number => {
  const page = state.keys.rows.page(key);
  const slot = slotOf(key);
  const kind = kinds[kindAt(at(page.what, slot))];
  if (kind?.owner === 'device') return at(page.owner, slot);
  return kind?.owner === 'path' ? deviceOfPath(state, at(page.owner, slot)) : -1;
};

const deviceOfPath = ({ paths }: FleetState, path: number): number => {
  const target = at(paths.paths.page(path).target, slotOf(path));
  const page = paths.targets.page(target);
  const slot = slotOf(target);
  return at(page.kind, slot) === traceKinds.onward ? -1 : at(page.owner, slot);
};

const hoursMs = 3_600_000;
/**
 * A way first seen a short while ago may be a detour: were it normal at once, nobody would notice.
 * On a new device everything is new, and it must be of use from its first hour.
 */
const matureAfterMs = 12 * hoursMs;
const firstHoursMs = 16 * hoursMs;

export const isMature = (state: FleetState, key: number, bin: number): boolean => {
  const page = state.keys.rows.page(key);
  const slot = slotOf(key);
  const kind = kindAt(at(page.what, slot));
  if (!ofWays.has(kind)) return true;
  const since = at(page.firstBin, slot);
  if ((bin - since) * state.binMs >= matureAfterMs) return true;
  return (since - lifeStart(state, key)) * state.binMs <= firstHoursMs;
};
const ofWays = new Set<number>([
  kindOf.pathHop,
  kindOf.deviceHop,
  kindOf.pathRtt,
  kindOf.onwardHop,
]);

export const isReady = (state: FleetState, key: number, bin: number): boolean => {
  const learned = at(state.keys.rows.page(key).learned, slotOf(key));
  return learned >= readyAfter && isMature(state, key, bin);
};

/** First bin of the device, or of the edge's first measurement of the application. */
const lifeStart = (state: FleetState, key: number): number => {
  const device = timedBy(state, key);
  if (device >= 0) return at(state.devices.page(device).firstBin, slotOf(device));
  const page = state.keys.rows.page(key);
  const owner = at(page.owner, slotOf(key));
  const isPath = kinds[kindAt(at(page.what, slotOf(key)))]?.owner === 'path';
  const place = isPath ? placeOfPath(state, owner) : owner;
  return at(state.places.rows.page(place).firstBin, slotOf(place));
};

const placeOfPath = ({ paths }: FleetState, path: number): number => {
  const target = at(paths.paths.page(path).target, slotOf(path));
  return at(paths.targets.page(target).owner, slotOf(target));
};
