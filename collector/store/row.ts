import { type FieldKind, type Measurement, type Point, series } from './schema.ts';

export type Value = string | number | null;

/** One measurement's description with its types widened, for code that works on all of them. */
export type Table = {
  tags: readonly string[];
  /** Those of the tags that are no tags in InfluxDB. */
  labels?: readonly string[];
  fields: Readonly<Record<string, FieldKind>>;
};
export type Tables = Readonly<Record<string, Table>>;

/** A point in the schema's order, every value checked and in the form that is stored. */
export type Row = { key: string; timeMs: number; tags: string[]; values: Value[] };

/** Points by measurement; of those with the same tags and time only the last is kept. */
export type RowsOf = Map<string, Map<string, Row>>;

/** Throws TypeError on a point that is not one: such a mistake must not be stored half. */
export const toRows = (points: readonly Point[], tables: Tables = series): RowsOf => {
  const rows: RowsOf = new Map();
  const makers = new Map<string, (point: Point) => Row>();
  for (const point of points) {
    const { measurement } = point;
    const maker = makers.get(measurement) ?? rowMaker(measurement, tableOf(measurement, tables));
    makers.set(measurement, maker);
    const row = maker(point);
    const known = rows.get(measurement);
    if (known) known.set(row.key, row);
    else rows.set(measurement, new Map([[row.key, row]]));
  }
  return rows;
};

export const tableOf = (measurement: string, tables: Tables = series): Table => {
  if (!Object.hasOwn(tables, measurement)) throw new TypeError(`no measurement ${measurement}`);
  return tables[measurement] as Table;
};

/** What does not depend on the point is done once: this runs for every field of every point. */
const rowMaker = (measurement: string, table: Table) => {
  const kinds = Object.entries(table.fields);
  return (point: Point): Row => {
    const { timeMs } = point;
    if (!Number.isSafeInteger(timeMs)) {
      throw new TypeError(`${measurement}: time ${timeMs} is not whole milliseconds`);
    }
    const given = point.tags as Record<string, unknown>;
    const tags = table.tags.map((tag) => {
      const value = given[tag];
      if (typeof value !== 'string') throw new TypeError(`${measurement}: no tag ${tag}`);
      return wellFormed(value);
    });
    const fields = point.fields as Record<string, Value | undefined>;
    const values = kinds.map(([name, kind]) => stored(measurement, name, kind, fields[name]));
    return { key: JSON.stringify([timeMs, ...tags]), timeMs, tags, values };
  };
};

/** NaN and infinities are no measurements: null, as no engine of ours can hold them all. */
const stored = (
  measurement: string,
  name: string,
  kind: FieldKind,
  value: Value | undefined,
): Value => {
  if (value === null || value === undefined) return null;
  if (typeof value !== (kind === 'string' ? 'string' : 'number')) {
    throw new TypeError(`${measurement}.${name}: ${typeof value} where a ${kind} is stored`);
  }
  if (typeof value === 'string') return wellFormed(value);
  if (!Number.isFinite(value)) return null;
  return kind === 'float' ? value : Math.round(value);
};

/** Half a surrogate pair has no UTF-8: U+FFFD, as TextEncoder would have it. */
const wellFormed = (text: string): string =>
  anySurrogate.test(text) ? text.replace(/\p{Surrogate}/gu, '\uFFFD') : text;
const anySurrogate = /[\ud800-\udfff]/;

/** The reverse of a row. */
export const toPoint = (
  measurement: string,
  table: Table,
  row: { timeMs: number; tags: readonly string[]; values: readonly Value[] },
): Point =>
  ({
    measurement: measurement as Measurement,
    timeMs: row.timeMs,
    tags: Object.fromEntries(table.tags.map((tag, i) => [tag, row.tags[i] ?? ''])),
    fields: Object.fromEntries(Object.keys(table.fields).map((name, i) => [name, row.values[i]])),
  }) as unknown as Point;
