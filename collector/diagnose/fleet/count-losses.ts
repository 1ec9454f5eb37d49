import { at, slotOf } from './columns.ts';
import type { FleetState } from './fleet-state.ts';
import { losesMuch } from './losses.ts';
import { ailingMark, hotMark } from './marks.ts';
import type { OpenBin } from './open-bin.ts';
import { traceKinds } from './paths.ts';

/** Adds up what was sent and lost, by row of `losses`, and learns what is lost normally. */
export const countLosses = (state: FleetState, open: OpenBin): void => {
  const { losses } = state;
  const sent = new Uint32Array(losses.rows.count);
  const lost = new Uint32Array(losses.rows.count);
  learnPackets(state, open);
  addCounts(state, open, sent, lost);
  for (let row = 1; row < sent.length; row += 1) {
    if (at(sent, row) > 0) losses.count(row, at(sent, row), at(lost, row), open.bin);
  }
  const lossy = findLossy(state, open.bin);
  // Where packets are being lost, nothing is learned about what is normal there.
  for (let row = 1; row < sent.length; row += 1) {
    if (at(sent, row) > 0 && !lossy.has(row)) losses.learn(row);
  }
};

const learnPackets = ({ losses }: FleetState, open: OpenBin): void => {
  for (let i = 0; i < open.losses.count; i += 1) {
    const { row, ratio } = open.losses.page(i);
    const share = ratio[slotOf(i)] as number;
    if (share > 0) losses.learnPackets(row[slotOf(i)] as number, share);
  }
};

const addCounts = (
  { losses }: FleetState,
  open: OpenBin,
  sent: Uint32Array,
  lost: Uint32Array,
): void => {
  for (let i = 0; i < open.losses.count; i += 1) {
    const page = open.losses.page(i);
    const slot = slotOf(i);
    const row = page.row[slot] as number;
    const ratio = page.ratio[slot] as number;
    const packets = Number.isNaN(ratio) ? 0 : losses.packetsOf(row);
    const isKnown = packets > 0;
    const sentNow = isKnown ? packets : (page.sent[slot] as number);
    const lostNow = isKnown ? Math.round(ratio * packets) : (page.lost[slot] as number);
    sent[row] = (sent[row] as number) + sentNow;
    lost[row] = (lost[row] as number) + lostNow;
  }
};

/** Rows of devices and places that lose too much end to end, with all their hops. */
const findLossy = (state: FleetState, bin: number): Set<number> => {
  const lossy = new Set<number>();
  const isLossy = (row: number): boolean => {
    const count = state.losses.read(row, bin);
    return count !== null && losesMuch(count, count.normalRatio);
  };
  const { devices, paths } = state;
  const badDevices = new Set<number>();
  for (let device = 0; device < devices.count; device += 1) {
    const page = devices.page(device);
    const slot = slotOf(device);
    if (at(page.bin, slot) !== bin) continue;
    const own = [
      at(page.gatewayLoss, slot),
      at(page.underlayLoss, slot),
      at(page.tunnelLoss, slot),
    ];
    if (!own.some(isLossy)) continue;
    badDevices.add(device);
    for (const row of own) lossy.add(row);
  }
  for (let target = 0; target < paths.targets.count; target += 1) {
    const page = paths.targets.page(target);
    const slot = slotOf(target);
    const isOnward = at(page.kind, slot) === traceKinds.onward;
    const isBad = isLossy(at(page.loss, slot));
    if (isBad && !isOnward) badDevices.add(at(page.owner, slot));
    if (!isBad && (isOnward || !badDevices.has(at(page.owner, slot)))) continue;
    addHops(state, target, lossy);
  }
  for (const device of badDevices) {
    const page = devices.page(device);
    page.marks[slotOf(device)] = at(page.marks, slotOf(device)) | hotMark;
  }
  return lossy;
};

const addHops = ({ paths }: FleetState, target: number, lossy: Set<number>): void => {
  lossy.add(at(paths.targets.page(target).loss, slotOf(target)));
  for (const path of paths.pathsOf(target)) {
    const page = paths.paths.page(path);
    const first = at(page.firstHop, slotOf(path));
    for (let i = 0; i < at(page.hops, slotOf(path)); i += 1) {
      lossy.add(at(paths.hops.page(first + i).loss, slotOf(first + i)));
    }
  }
};

/** An application of a device that never answered in this bin. */
export const markFailing = (state: FleetState, open: OpenBin): void => {
  for (let row = 0; row < open.runs.count; row += 1) {
    const page = open.runs.page(row);
    const slot = slotOf(row);
    const failed =
      (at(page.runs, slot) > 0 && at(page.ok, slot) === 0) ||
      (at(page.pages, slot) > 0 && at(page.okPages, slot) === 0);
    if (!failed) continue;
    const pair = at(page.pair, slot);
    const device = at(state.keys.rows.page(pair).owner, slotOf(pair));
    const marks = state.devices.page(device).marks;
    marks[slotOf(device)] = at(marks, slotOf(device)) | ailingMark;
  }
};
