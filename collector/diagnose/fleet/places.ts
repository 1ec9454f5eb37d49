import { type AnyArray, at, type ColumnSpec, createColumns, slotOf } from './columns.ts';

const placeColumns = {
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
  devices: 'u32',
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
  const rebuild = (): void => {
    byPair = new Map();
    for (let row = 0; row < rows.count; row += 1) {
      const page = rows.page(row);
      const slot = slotOf(row);
      listOf(at(page.edge, slot), at(page.app, slot)).set(at(page.address, slot), row);
    }
  };
  rebuild();
  return {
    rows,
    rebuild,
    /** All addresses of an application, seen from one edge. */
    siblings: (edge: number, app: number): number[] => [...listOf(edge, app).values()],
    rowOf(edge: number, app: number, address: number): number {
      const list = listOf(edge, app);
      const known = list.get(address);
      if (known !== undefined) return known;
      const row = rows.add();
      const page = rows.page(row);
      page.edge[slotOf(row)] = edge;
      page.app[slotOf(row)] = app;
      page.address[slotOf(row)] = address;
      list.set(address, row);
      return row;
    },
  };
};
