import { type DayTime, kindAt, normalOf, scaleOf } from './baseline.ts';
import type { Delta } from './bin-view.ts';
import { at, slotOf } from './columns.ts';
import type { FleetState } from './fleet-state.ts';
import { kindOf, kinds } from './kinds.ts';
import { isReady, timedBy } from './owners.ts';

/** Which bin is looked at. */
export type Look = { state: FleetState; bin: number; when: DayTime };

/** What a key says in this bin; null: it has no value in it. */
export const deltaOf = (look: Look, key: number): Delta | null => {
  if (key < 0) return null;
  const { state, bin } = look;
  const page = state.keys.rows.page(key);
  const slot = slotOf(key);
  if (at(page.bin, slot) !== bin) return null;
  const fastMs = at(page.newest, slot);
  const normalMs = normalOf(page, slot, look.when, state.how);
  const kind = kindAt(at(page.what, slot));
  const extraMs = kinds[kind]?.timed ? lagExtraMs(state, key) : 0;
  // What was taken off is itself known only to about half.
  const scaleMs = Math.hypot(scaleOf(page, slot), 0.45 * extraMs);
  const hasFormer = at(page.formerGap, slot) <= state.how.longestGap;
  const formerMs = at(page.former, slot);
  return {
    nowMs: normalMs + fastMs,
    normalMs,
    fastMs,
    scaleMs,
    // The lesser of two normal values is 0.56 spreads below the middle.
    persistentMs: hasFormer ? Math.min(fastMs, formerMs) + 0.56 * scaleMs : null,
    persistentScaleMs: 0.83 * scaleMs,
    meanMs: hasFormer ? (fastMs + formerMs) / 2 : fastMs,
    meanScaleMs: hasFormer ? 0.75 * scaleMs : scaleMs,
    skewMs: at(page.skew, slot),
    sampleCount: at(page.samples, slot),
    ready: isReady(state, key, bin),
  };
};

const lagExtraMs = (state: FleetState, key: number): number => {
  const device = timedBy(state, key);
  return device < 0 ? 0 : at(state.devices.page(device).lagExtraMs, slotOf(device));
};

/** Whether a key says anything in this bin. */
export const isMeasured = ({ state, bin }: Look, key: number): boolean =>
  key >= 0 && at(state.keys.rows.page(key).bin, slotOf(key)) === bin;

/** Differences of the last three values, newest first; null where a bin is missing. */
export const recentOf = ({ state, bin }: Look, key: number): (number | null)[] => {
  const page = state.keys.rows.page(key);
  const slot = slotOf(key);
  if (at(page.bin, slot) !== bin) return [null, null, null];
  const near = state.how.longestGap;
  return [
    at(page.newest, slot),
    at(page.formerGap, slot) <= near ? at(page.former, slot) : null,
    at(page.olderGap, slot) <= 2 * near ? at(page.older, slot) : null,
  ];
};

export const keyOf = (look: Look, kind: number, owner: number, sub: number): number =>
  look.state.keys.find(kind, owner, sub);

export const deltaFor = (
  look: Look,
  kind: keyof typeof kindOf,
  owner: number,
  sub: number,
): Delta | null => deltaOf(look, keyOf(look, kindOf[kind], owner, sub));
