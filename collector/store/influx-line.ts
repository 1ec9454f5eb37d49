import type { Row, Table, Value } from './row.ts';
import type { FieldKind } from './schema.ts';

/**
 * Written with every point: the names of the fields that are null, with commas between. It makes a
 * point of nulls storable (line protocol has no point without a field), lets a point that is
 * written again have fewer values than before (InfluxDB merges fields), and is the one field by
 * which a series can be found whatever was measured.
 */
export const nullsField = 'nulls';

/**
 * One row as a line of line protocol. `number` stands for the row's labels, and is part of the time:
 * points of one series with the same time would overwrite each other. By hand, as the client's own
 * `Point` takes ten times as long; a test holds the two to the same bytes.
 */
export const toLine = (measurement: string, table: Table, row: Row, number: number): string => {
  const { tags, fields } = planOf(measurement, table);
  let line = measurement;
  for (const { name, place } of tags) {
    const value = row.tags[place] ?? '';
    // Line protocol has no empty tag value: absent, and '' again when read.
    if (value !== '') line += `,${name}=${tagText(encodeTag(value))}`;
  }
  let separator = ' ';
  for (const { name, place, kind } of fields) {
    const text = kind === 'nulls' ? nullsOf(table, row) : fieldText(kind, place, row);
    if (text === null) continue;
    line += `${separator}${name}=${text}`;
    separator = ',';
  }
  return `${line} ${timeNs(row.timeMs, number)}`;
};

type FieldPlan = { name: string; place: number; kind: FieldKind | 'label' | 'nulls' };

/** What a table's lines have in common; tags and fields by name, as InfluxDB keeps them. */
const planOf = (measurement: string, table: Table) => {
  const known = plans.get(table);
  if (known !== undefined) return known;
  refuseEscaped([measurement, ...table.tags, ...Object.keys(table.fields)]);
  const columns = table.tags.map((name, place) => ({ name, place }));
  const isLabel = ({ name }: { name: string }) => table.labels?.includes(name) === true;
  const fields: FieldPlan[] = [
    ...columns.filter(isLabel).map((column) => ({ ...column, kind: 'label' as const })),
    ...Object.entries(table.fields).map(([name, kind], place) => ({ name, place, kind })),
    { name: nullsField, place: -1, kind: 'nulls' },
  ];
  const tags = columns.filter((column) => !isLabel(column));
  const plan = { tags: tags.sort(byName), fields: fields.sort(byName) };
  plans.set(table, plan);
  return plan;
};
const plans = new WeakMap<
  Table,
  { tags: { name: string; place: number }[]; fields: FieldPlan[] }
>();

const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);

/** Names are the schema's, and need no escaping; one that would is a mistake in the schema. */
const refuseEscaped = (names: readonly string[]): void => {
  const wrong = names.find((name) => !/^\w+$/.test(name));
  if (wrong !== undefined) throw new TypeError(`${wrong}: a name is letters, digits and _`);
};

const fieldText = (kind: FieldPlan['kind'], place: number, row: Row): string | null => {
  // A label is written also where it is empty, so that it can be asked for.
  if (kind === 'label') return quoted(encodeTag(row.tags[place] ?? ''));
  const value: Value = row.values[place] ?? null;
  if (value === null) return null;
  if (typeof value === 'string') return quoted(value);
  if (kind === 'float') return String(value);
  if (Math.abs(value) >= 2 ** 63) throw new TypeError(`${value} is no 64-bit integer`);
  return `${value}i`;
};

const nullsOf = (table: Table, row: Row): string => {
  let nulls = '';
  let place = 0;
  for (const name in table.fields) {
    if ((row.values[place] ?? null) === null) nulls += nulls === '' ? name : `,${name}`;
    place += 1;
  }
  return `"${nulls}"`;
};

const quoted = (text: string): string =>
  /["\\]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`;

/** Line ends and backslashes are encoded already. */
const tagText = (text: string): string =>
  /[, =]/.test(text) ? text.replace(/[, =]/g, '\\$&') : text;

/** Nanoseconds in a millisecond: as many combinations of labels a measurement can have. */
export const numbersPerMs = 1_000_000;

/** 64 bits, more than a number holds. */
const timeNs = (timeMs: number, number: number): string =>
  timeMs > 0
    ? `${timeMs}${String(number).padStart(6, '0')}`
    : String(BigInt(timeMs) * BigInt(numbersPerMs) + BigInt(number));

/** Makes what gives the labels of a row as one text; no tab is left in any of them. */
export const labelReader = (table: Table): ((row: Row) => string) => {
  const places = table.tags.flatMap((tag, i) => (table.labels?.includes(tag) ? [i] : []));
  return ({ tags }) => {
    let text = '';
    for (const place of places) text += `${encodeTag(tags[place] ?? '')}\t`;
    return text;
  };
};

/**
 * Line protocol cannot carry a line end in a tag, nor a backslash in every place; InfluxDB also
 * trims nothing and allows the rest. Such characters, and % itself, are percent-encoded: names
 * made by us never have them.
 */
export const encodeTag = (value: string): string =>
  unwritable.test(value)
    ? value.replace(/[%\\\p{Cc}]/gu, (character) => encodeURIComponent(character))
    : value;
const unwritable = /[%\\\p{Cc}]/u;

export const decodeTag = (value: string): string =>
  value.includes('%') ? decodeURIComponent(value) : value;
