import { kindAt } from './baseline.ts';
import { at, slotOf } from './columns.ts';
import type { FleetState } from './fleet-state.ts';
import { forgetNames } from './forget-names.ts';
import { kinds } from './kinds.ts';

/** A key that nothing was measured for in so long is forgotten, and so is a way nobody took. */
const unusedMs = 7 * 86_400_000;

/**
 * Frees the rows of what is gone: keys, ways, hops and their counts. Rows move together, so every
 * reference to one is rewritten. Then the names that nothing goes by any more.
 */
export const evictUnused = (state: FleetState, bin: number): void => {
  const oldest = bin - Math.ceil(unusedMs / state.binMs);
  const paths = keepPaths(state, oldest);
  if (!keepsAll(paths)) movePaths(state, paths);
  const targets = keepTargets(state, oldest);
  if (!keepsAll(targets)) moveTargets(state, targets);
  const keys = keepKeys(state, oldest, paths);
  if (!keepsAll(keys)) moveKeys(state, state.keys.rows.compact(keys));
  forgetNames(state, oldest);
  const losses = keepLosses(state);
  if (!keepsAll(losses)) moveLosses(state, state.losses.rows.compact(losses));
};

const keepsAll = (keep: Uint8Array): boolean => keep.every((one) => one === 1);

const everyTarget = ({ paths }: FleetState, visit: (page: TargetPage, slot: number) => void) => {
  for (let row = 0; row < paths.targets.count; row += 1) {
    visit(paths.targets.page(row), slotOf(row));
  }
};
type TargetPage = ReturnType<FleetState['paths']['targets']['page']>;

/** Ways in a target's list that were taken of late. */
const keepPaths = (state: FleetState, oldest: number): Uint8Array => {
  const { paths, targets } = state.paths;
  const keep = new Uint8Array(paths.count);
  for (let target = 0; target < targets.count; target += 1) {
    for (const path of state.paths.pathsOf(target)) {
      if (at(paths.page(path).bin, slotOf(path)) >= oldest) keep[path] = 1;
    }
  }
  return keep;
};

/** Targets that were traced of late, by any way or by none that answered. */
const keepTargets = (state: FleetState, oldest: number): Uint8Array => {
  const { targets } = state.paths;
  const keep = new Uint8Array(targets.count);
  for (let target = 0; target < targets.count; target += 1) {
    const page = targets.page(target);
    const slot = slotOf(target);
    const newest = Math.floor(at(page.time, slot) / state.binMs);
    keep[target] = newest >= oldest || state.paths.pathsOf(target).length > 0 ? 1 : 0;
  }
  return keep;
};

const moveTargets = (state: FleetState, keep: Uint8Array): void => {
  const { paths, targets } = state.paths;
  const moved = targets.compact(keep);
  for (let path = 0; path < paths.count; path += 1) {
    const { target } = paths.page(path);
    target[slotOf(path)] = at(moved, at(target, slotOf(path))) - 1;
  }
  state.paths.rebuild();
};

const movePaths = (state: FleetState, keep: Uint8Array): void => {
  const { paths, hops } = state.paths;
  const keptHops = new Uint8Array(hops.count);
  for (let path = 0; path < paths.count; path += 1) {
    if (keep[path] === 0) continue;
    const first = at(paths.page(path).firstHop, slotOf(path));
    keptHops.fill(1, first, first + at(paths.page(path).room, slotOf(path)));
  }
  const movedHops = hops.compact(keptHops);
  for (let path = 0; path < paths.count; path += 1) {
    if (keep[path] === 0) continue;
    const page = paths.page(path);
    const first = at(page.firstHop, slotOf(path));
    if (at(page.room, slotOf(path)) > 0) page.firstHop[slotOf(path)] = at(movedHops, first) - 1;
  }
  const moved = paths.compact(keep);
  const next = (path: number): number => (path === 0 ? 0 : at(moved, path - 1));
  everyTarget(state, (page, slot) => {
    const width = page.paths.length / page.current.length;
    for (let i = slot * width; i < (slot + 1) * width; i += 1)
      page.paths[i] = next(at(page.paths, i));
    page.current[slot] = next(at(page.current, slot));
  });
  const { rows } = state.keys;
  for (let key = 0; key < rows.count; key += 1) {
    const page = rows.page(key);
    if (!isOfPath(at(page.what, slotOf(key)))) continue;
    // Without its way the key is of nobody; it goes with the next step.
    const path = at(moved, at(page.owner, slotOf(key)));
    page.owner[slotOf(key)] = path === 0 ? nobody : path - 1;
  }
};
const nobody = 0xffff_ffff;
const isOfPath = (what: number): boolean => kinds[kindAt(what)]?.owner === 'path';

const keepKeys = (state: FleetState, oldest: number, paths: Uint8Array): Uint8Array => {
  const { rows } = state.keys;
  const keep = new Uint8Array(rows.count);
  for (let key = 0; key < rows.count; key += 1) {
    const page = rows.page(key);
    if (at(page.bin, slotOf(key)) >= Math.max(1, oldest)) keep[key] = 1;
  }
  everyTarget(state, (page, slot) => {
    keep[at(page.key, slot)] = 1;
  });
  everyKeyOfWays(state, (key) => {
    if (key > 0) keep[key - 1] = 1;
    return key;
  });
  for (const open of state.open.values()) {
    open.moveKeys((key) => {
      keep[key] = 1;
      return key;
    });
  }
  if (paths.length === 0) return keep;
  for (let key = 0; key < rows.count; key += 1) {
    if (at(rows.page(key).owner, slotOf(key)) === nobody) keep[key] = 0;
  }
  return keep;
};

/** Rewrites the keys (+ 1) that ways and hops point at. */
const everyKeyOfWays = ({ paths: { paths, hops } }: FleetState, next: (key: number) => number) => {
  for (let path = 0; path < paths.count; path += 1) {
    const page = paths.page(path);
    page.rttKey[slotOf(path)] = next(at(page.rttKey, slotOf(path)));
  }
  for (let hop = 0; hop < hops.count; hop += 1) {
    const page = hops.page(hop);
    page.pathKey[slotOf(hop)] = next(at(page.pathKey, slotOf(hop)));
    page.anyKey[slotOf(hop)] = next(at(page.anyKey, slotOf(hop)));
  }
};

const moveKeys = (state: FleetState, moved: Uint32Array): void => {
  everyTarget(state, (page, slot) => {
    page.key[slot] = at(moved, at(page.key, slot)) - 1;
  });
  everyKeyOfWays(state, (key) => (key === 0 ? 0 : at(moved, key - 1)));
  for (const open of state.open.values()) open.moveKeys((key) => at(moved, key) - 1);
  const recent = [...state.recent].filter(([key]) => at(moved, key) > 0);
  state.recent = new Map(recent.map(([key, values]) => [at(moved, key) - 1, values]));
  state.keys.rebuild();
  state.paths.rebuild();
};

/** Visits the columns that point at rows of counts. */
const everyLoss = (state: FleetState, next: (row: number) => number): void => {
  const { devices, places, paths } = state;
  for (let row = 0; row < devices.count; row += 1) {
    const page = devices.page(row);
    const slot = slotOf(row);
    for (const column of [page.gatewayLoss, page.underlayLoss, page.tunnelLoss]) {
      column[slot] = next(at(column, slot));
    }
  }
  for (const table of [places.rows, paths.targets, paths.hops]) {
    for (let row = 0; row < table.count; row += 1) {
      const { loss } = table.page(row);
      loss[slotOf(row)] = next(at(loss, slotOf(row)));
    }
  }
  for (const { losses } of state.open.values()) {
    for (let row = 0; row < losses.count; row += 1) {
      const page = losses.page(row);
      page.row[slotOf(row)] = next(at(page.row, slotOf(row)));
    }
  }
};

const keepLosses = (state: FleetState): Uint8Array => {
  const keep = new Uint8Array(state.losses.rows.count);
  keep[0] = 1;
  everyLoss(state, (row) => {
    keep[row] = 1;
    return row;
  });
  return keep;
};

const moveLosses = (state: FleetState, moved: Uint32Array): void =>
  everyLoss(state, (row) => at(moved, row) - 1);
