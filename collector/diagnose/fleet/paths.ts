import { type AnyArray, at, type ColumnSpec, createColumns, slotOf } from './columns.ts';

/** Who traced: a device to an edge, a device to an application, an edge to an application. */
export const traceKinds = { leg1: 0, direct: 1, onward: 2 } as const;

/** At most so many ways to one target are kept: two that are used, and one that may become normal. */
const mostPaths = 3;

/** Traces after which a silent hop is known to be silent. */
const wellKnown = 8;

const targetColumns = {
  kind: 'u8',
  /** Device or place. */
  owner: 'u32',
  target: 'u32',
  /** Row of keys that stands for the target over all ways to it: its round trip. */
  key: 'u32',
  loss: 'u32',
  /** Rows of `paths` + 1. */
  paths: ['u32', mostPaths],
  /** Way of the newest trace, + 1. */
  current: 'u32',
  time: 'f64',
  mtuBytes: 'u32',
  blackHole: 'u8',
} as const satisfies ColumnSpec;

const pathColumns = {
  target: 'u32',
  firstBin: 'u32',
  bin: 'u32',
  traces: 'u16',
  rttKey: 'u32',
  firstHop: 'u32',
  hops: 'u8',
  /** Rows there are from `firstHop` on. */
  room: 'u8',
} as const satisfies ColumnSpec;

/** By TTL, from 1. */
const hopColumns = {
  address: 'u32',
  asn: 'u32',
  /** Share of traces in which it answers. */
  answers: 'f32',
  /** Rows of keys + 1: on this way, and at this address on any. */
  pathKey: 'u32',
  anyKey: 'u32',
  loss: 'u32',
  bin: 'u32',
  sent: 'u8',
  received: 'u8',
  rttMinMs: 'f32',
} as const satisfies ColumnSpec;

export const pathTables = { targetColumns, pathColumns, hopColumns } as const;
const hopNames = Object.keys(hopColumns) as (keyof typeof hopColumns)[];
type Hops = ReturnType<typeof createColumns<typeof hopColumns>>;

export type Paths = ReturnType<typeof createPaths>;
/** One hop of a trace, as it came. */
export type TracedHop = {
  ttl: number;
  address: number;
  asn: number;
  sent: number;
  received: number;
  rttMs: number;
  rttMinMs: number;
};

/** Ways to targets, recognised although routers stay silent now and then. */
export const createPaths = (saved?: Record<string, Record<string, AnyArray>>) => {
  const targets = createColumns(targetColumns, saved?.['pathTargets']);
  const paths = createColumns(pathColumns, saved?.['paths']);
  const hops = createColumns(hopColumns, saved?.['pathHops']);
  let byKey = new Map<number, number>();
  const rebuild = (): void => {
    byKey = new Map();
    for (let row = 0; row < targets.count; row += 1) {
      byKey.set(at(targets.page(row).key, slotOf(row)), row);
    }
  };
  rebuild();

  const targetOf = (key: number, kind: number, owner: number, target: number): number => {
    const known = byKey.get(key);
    if (known !== undefined) return known;
    const row = targets.add();
    const page = targets.page(row);
    const slot = slotOf(row);
    page.kind[slot] = kind;
    page.owner[slot] = owner;
    page.target[slot] = target;
    page.key[slot] = key;
    byKey.set(key, row);
    return row;
  };

  const hopRow = (path: number, ttl: number): number =>
    at(paths.page(path).firstHop, slotOf(path)) + ttl - 1;

  const addressAt = (path: number, ttl: number): number => {
    if (ttl > at(paths.page(path).hops, slotOf(path))) return 0;
    const row = hopRow(path, ttl);
    return at(hops.page(row).address, slotOf(row));
  };

  /** Hops where both answer and agree; -1: they differ somewhere. */
  const agreement = (path: number, traced: readonly TracedHop[]): number => {
    const page = paths.page(path);
    const isWellKnown = at(page.traces, slotOf(path)) >= wellKnown;
    const length = at(page.hops, slotOf(path));
    let same = 0;
    for (const hop of traced) {
      if (hop.address === 0) continue;
      const known = addressAt(path, hop.ttl);
      // A router that never spoke in so many traces and now does is another one.
      const isOther = known === 0 ? isWellKnown && hop.ttl <= length : known !== hop.address;
      if (isOther) return -1;
      if (known > 0) same += 1;
    }
    return same;
  };

  const pathsOf = (target: number): number[] => {
    const page = targets.page(target);
    const slot = slotOf(target);
    const found: number[] = [];
    for (let i = 0; i < mostPaths; i += 1) {
      const path = at(page.paths, slot * mostPaths + i);
      if (path > 0) found.push(path - 1);
    }
    return found;
  };

  const layHops = (path: number, count: number): void => {
    const page = paths.page(path);
    const slot = slotOf(path);
    page.hops[slot] = count;
    const former = { first: at(page.firstHop, slot), count: at(page.room, slot) };
    if (count <= former.count) return;
    const first = hops.count;
    for (let i = 0; i < count; i += 1) hops.add();
    for (let i = 0; i < former.count; i += 1) copyHop(hops, former.first + i, first + i);
    page.firstHop[slot] = first;
    page.room[slot] = count;
  };

  /** The way a trace took; a new one takes the place of the one least worth keeping. */
  const match = (target: number, traced: readonly TracedHop[], bin: number): number => {
    let best = -1;
    let most = 0;
    for (const path of pathsOf(target)) {
      const same = agreement(path, traced);
      if (same > most) [best, most] = [path, same];
    }
    const length = traced.reduce((longest, { ttl }) => Math.max(longest, ttl), 0);
    if (best >= 0) {
      if (length > at(paths.page(best).hops, slotOf(best))) layHops(best, length);
      return best;
    }
    const path = leastWorth(target);
    const page = paths.page(path);
    page.target[slotOf(path)] = target;
    page.firstBin[slotOf(path)] = bin;
    layHops(path, length);
    return path;
  };

  /**
   * A row for a new way: where there are as many as are kept, that of the one least worth it. A target
   * that never answers may show another way at each trace, and rows must not pile up.
   */
  const leastWorth = (target: number): number => {
    const page = targets.page(target);
    const slot = slotOf(target);
    let place = 0;
    let leastWorth = Number.POSITIVE_INFINITY;
    for (let i = 0; i < mostPaths; i += 1) {
      const worth = worthOf(at(page.paths, slot * mostPaths + i) - 1);
      if (worth < leastWorth) [place, leastWorth] = [i, worth];
    }
    const known = at(page.paths, slot * mostPaths + place) - 1;
    if (known >= 0) {
      forget(known);
      return known;
    }
    page.paths[slot * mostPaths + place] = paths.add() + 1;
    return paths.count - 1;
  };

  const forget = (path: number): void => {
    const page = paths.page(path);
    const slot = slotOf(path);
    for (const column of [page.bin, page.traces, page.hops]) column[slot] = 0;
    const first = at(page.firstHop, slot);
    for (let i = 0; i < at(page.room, slot); i += 1) clearHop(hops, first + i);
  };
  /** A way seen often is kept over one seen once, and among equals the newer one. */
  const worthOf = (path: number): number => {
    if (path < 0) return -1;
    const page = paths.page(path);
    const slot = slotOf(path);
    return at(page.bin, slot) + 50 * Math.min(24, at(page.traces, slot));
  };

  return {
    targets,
    paths,
    hops,
    targetOf,
    find: (key: number): number | undefined => byKey.get(key),
    match,
    pathsOf,
    hopRow,
    rebuild,
    save: () => ({ pathTargets: targets.save(), paths: paths.save(), pathHops: hops.save() }),
  };
};

/** All but its row of losses, which can be used again. */
const clearHop = (hops: Hops, row: number): void => {
  const page = hops.page(row);
  for (const name of hopNames) if (name !== 'loss') page[name][slotOf(row)] = 0;
};

const copyHop = (hops: Hops, from: number, to: number): void => {
  const [source, target] = [hops.page(from), hops.page(to)];
  for (const name of hopNames) {
    target[name][slotOf(to)] = at(source[name], slotOf(from));
  }
};
