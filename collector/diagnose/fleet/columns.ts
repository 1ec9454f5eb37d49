/**
 * Rows in typed arrays, in pages: a hundred million numbers without an object each, and growth
 * without copying what is there.
 */
export const arrays = {
  f64: Float64Array,
  f32: Float32Array,
  u32: Uint32Array,
  u16: Uint16Array,
  u8: Uint8Array,
  i16: Int16Array,
} as const;
export type ColumnType = keyof typeof arrays;
type ArrayFor<T extends ColumnType> = InstanceType<(typeof arrays)[T]>;
export type AnyArray = ArrayFor<ColumnType>;

/** Column name → type, or type and how many numbers a row has there. */
export type ColumnSpec = Record<string, ColumnType | readonly [ColumnType, number]>;
type Page<S extends ColumnSpec> = {
  [K in keyof S]: ArrayFor<
    S[K] extends ColumnType
      ? S[K]
      : S[K] extends readonly [infer T extends ColumnType, number]
        ? T
        : never
  >;
};

/** The numbers of a column, in the pieces they lie in. */
export type SavedColumns = Record<string, { type: ColumnType; pieces: AnyArray[] }>;

/** Pages of zeros for tables of one form: memory is dear to ask for. */
export type SparePages<S extends ColumnSpec> = Page<S>[];

export type Columns<S extends ColumnSpec> = {
  readonly count: number;
  /** Appends a row of zeros. */
  add(): number;
  page(row: number): Page<S>;
  /** Without a copy: to be written down before anything else happens. */
  save(): SavedColumns;
  /** A row of zeros again. */
  clear(row: number): void;
  /** Without rows. Its pages go to those who share them. */
  empty(): void;
  /** Keeps the rows that are not 0 in `keep`, in order; gives each row's new number + 1, 0: gone. */
  compact(keep: Uint8Array): Uint32Array;
};

const pageBits = 12;
export const pageRows = 1 << pageBits;
export const slotOf = (row: number): number => row & (pageRows - 1);

/**
 * An element that is there. It sees arrays of every type, which makes it several times as slow as
 * indexing: where a loop is over millions, index.
 */
export const at = (array: ArrayLike<number>, index: number): number => array[index] as number;

export const createColumns = <const S extends ColumnSpec>(
  spec: S,
  saved?: Record<string, AnyArray>,
  spare: SparePages<S> = [],
): Columns<S> => {
  const columns = Object.entries(spec).map(([name, column]) => {
    const [type, width] = typeof column === 'string' ? ([column, 1] as const) : column;
    return { name, type, width };
  });
  const pages: Page<S>[] = [];
  let count = 0;

  const newPage = (): Page<S> =>
    spare.pop() ??
    (Object.fromEntries(
      columns.map(({ name, type, width }) => [name, new arrays[type](width * pageRows)]),
    ) as Page<S>);

  const add = (): number => {
    if (count === pages.length * pageRows) pages.push(newPage());
    count += 1;
    return count - 1;
  };
  const rowsOn = (index: number): number =>
    Math.max(0, Math.min(pageRows, count - index * pageRows));
  const page = (row: number): Page<S> => pages[row >>> pageBits] as Page<S>;

  const save = (): SavedColumns =>
    Object.fromEntries(
      columns.map(({ name, type, width }) => {
        const pieces = pages.map((one, index) =>
          (one[name] as AnyArray).subarray(0, rowsOn(index) * width),
        );
        return [name, { type, pieces }];
      }),
    );

  const restore = (from: Record<string, AnyArray>): void => {
    const first = columns[0];
    count = first === undefined ? 0 : (from[first.name]?.length ?? 0) / first.width;
    while (pages.length * pageRows < count) pages.push(newPage());
    for (const { name, width } of columns) {
      for (const [index, one] of pages.entries()) {
        const begin = index * pageRows * width;
        const part = (from[name] as AnyArray).subarray(begin, begin + pageRows * width);
        (one[name] as AnyArray).set(part);
      }
    }
  };

  const move = (from: number, to: number): void => {
    const [source, target] = [page(from), page(to)];
    for (const { name, width } of columns) {
      const begin = slotOf(from) * width;
      const row = (source[name] as AnyArray).subarray(begin, begin + width);
      (target[name] as AnyArray).set(row, slotOf(to) * width);
    }
  };

  const clear = (row: number): void => {
    for (const { name, width } of columns) {
      (page(row)[name] as AnyArray).fill(0, slotOf(row) * width, (slotOf(row) + 1) * width);
    }
  };

  const compact = (keep: Uint8Array): Uint32Array => {
    const moved = new Uint32Array(count);
    let next = 0;
    for (let row = 0; row < count; row += 1) {
      if (keep[row] === 0) continue;
      if (row !== next) move(row, next);
      moved[row] = next + 1;
      next += 1;
    }
    for (let row = next; row < Math.min(count, Math.ceil(next / pageRows) * pageRows); row += 1) {
      clear(row);
    }
    count = next;
    pages.length = Math.ceil(count / pageRows);
    return moved;
  };

  const empty = (): void => {
    for (const [index, one] of pages.entries()) {
      const rows = rowsOn(index);
      for (const { name, width } of columns) (one[name] as AnyArray).fill(0, 0, rows * width);
    }
    // No more than one table needs.
    const most = pages.length;
    while (pages.length > 0 && spare.length < most) spare.push(pages.pop() as Page<S>);
    pages.length = 0;
    count = 0;
  };

  if (saved) restore(saved);
  return {
    get count() {
      return count;
    },
    add,
    page,
    save,
    clear,
    empty,
    compact,
  };
};
