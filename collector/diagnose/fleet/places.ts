import { type AnyArray, at, type ColumnSpec, createColumns, slotOf } from './columns.ts';

export const historyLength = 18;

export const placeColumns = {
  /** 0: seen straight from devices. */
  edge: 'u32',
  app: 'u32',
  address: 'u32',
  firstBin: 'u32',
  bin: 'u32',
  /** Row of `losses`. */
  loss: 'u32',
  /** Of a single sample of each cell: exponentially weighted absolute deviation. */
  spread: ['f32', 5],
  /** Of look-ups that no cache answered: their share, their middle above the usual, their deviation. */
  misses: ['f32', 3],
  devices: 'u32',
  /** Differences from normal of each cell over its last bins, newest first, and how many there are. */
  history: ['f32', 5 * historyLength],
  historyCount: ['u8', 5],
} as const satisfies ColumnSpec;

export type Places = ReturnType<typeof createPlaces>;

/** Where a service is met: seen from an edge (or straight), an application, an address of it. */
export const createPlaces = (saved?: Record<string, AnyArray>) => {
  const rows = createColumns(placeColumns, saved);
  let byPair = new Map<number, Map<number, number>>();
  const listOf = (edge: number, app: number): Map<number, number> => {
    const key = edge * 65_536 + app;
    const known = byPair.get(key);
    if (known) return known;
    const made = new Map<number, number>();
    byPair.set(key, made);
    return made;
  };
  let free: number[] = [];
  const rebuild = (): void => {
    byPair = new Map();
    free = [];
    for (let row = 0; row < rows.count; row += 1) {
      const page = rows.page(row);
      const slot = slotOf(row);
      // Every place has an application: a row without one is nobody's.
      if (at(page.app, slot) === 0) free.push(row);
      else listOf(at(page.edge, slot), at(page.app, slot)).set(at(page.address, slot), row);
    }
    // The lowest is used first.
    free.reverse();
  };
  rebuild();
  return {
    rows,
    rebuild,
    /** Those whose row is 0 in `used` are forgotten; the next ones get their rows. */
    keepOnly(used: Uint8Array): void {
      for (let row = 0; row < rows.count; row += 1) if (used[row] === 0) rows.clear(row);
      rebuild();
    },
    /** All addresses of an application, seen from one edge. */
    siblings: (edge: number, app: number): number[] => [...listOf(edge, app).values()],
    rowOf(edge: number, app: number, address: number): number {
      const list = listOf(edge, app);
      const known = list.get(address);
      if (known !== undefined) return known;
      const row = free.pop() ?? rows.add();
      const page = rows.page(row);
      page.edge[slotOf(row)] = edge;
      page.app[slotOf(row)] = app;
      page.address[slotOf(row)] = address;
      list.set(address, row);
      return row;
    },
  };
};
