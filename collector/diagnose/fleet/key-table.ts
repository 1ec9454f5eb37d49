import { createKeyColumns, type Keys, keyColumns } from './baseline.ts';
import { type AnyArray, at, slotOf } from './columns.ts';

/** Finds the row of a key by what it is; makes one where there is none. */
export type KeyTable = {
  rows: Keys;
  rowOf(kind: number, owner: number, sub: number): number;
  /** -1: there is none. */
  find(kind: number, owner: number, sub: number): number;
  /** What was learned of it. */
  forget(row: number): void;
  /** After rows have moved. */
  rebuild(): void;
};

export const createKeyTable = (saved?: Record<string, AnyArray>): KeyTable => {
  const rows = createKeyColumns(saved);
  let table = new Int32Array(1 << 12).fill(-1);

  const place = (owner: number, what: number): number => {
    const mask = table.length - 1;
    let at_ = mix(owner, what) & mask;
    for (;;) {
      const row = table[at_] as number;
      if (row < 0) return at_;
      const page = rows.page(row);
      const slot = slotOf(row);
      if (page.owner[slot] === owner && page.what[slot] === what) return at_;
      at_ = (at_ + 1) & mask;
    }
  };

  const rebuild = (): void => {
    let size = 1 << 12;
    while (size < rows.count * 1.7) size *= 2;
    table = new Int32Array(size).fill(-1);
    for (let row = 0; row < rows.count; row += 1) {
      const page = rows.page(row);
      const slot = slotOf(row);
      table[place(at(page.owner, slot), at(page.what, slot))] = row;
    }
  };

  const find = (kind: number, owner: number, sub: number): number =>
    at(table, place(owner, whatOf(kind, sub)));

  const rowOf = (kind: number, owner: number, sub: number): number => {
    const what = whatOf(kind, sub);
    const where = place(owner, what);
    const known = table[where] as number;
    if (known >= 0) return known;
    const row = rows.add();
    const page = rows.page(row);
    page.owner[slotOf(row)] = owner;
    page.what[slotOf(row)] = what;
    table[where] = row;
    if (rows.count * 1.4 > table.length) rebuild();
    return row;
  };

  const forget = (row: number): void => {
    const page = rows.page(row);
    const slot = slotOf(row);
    for (const name of learnedColumns) {
      const width = page[name].length / page.owner.length;
      page[name].fill(0, slot * width, (slot + 1) * width);
    }
  };

  if (rows.count > 0) rebuild();
  return { rows, rowOf, find, forget, rebuild };
};

const learnedColumns = (Object.keys(keyColumns) as (keyof typeof keyColumns)[]).filter(
  (name) => name !== 'owner' && name !== 'what',
);

const whatOf = (kind: number, sub: number): number => ((kind << 26) | sub) >>> 0;

/** 32-bit finaliser of MurmurHash3. */
const mix = (owner: number, what: number): number => {
  let hash = Math.imul(owner, 0x9e3779b1) ^ what;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
};
