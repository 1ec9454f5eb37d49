import { Point as Line } from '@influxdata/influxdb-client';
import type { Row, Table, Value } from './row.ts';

/**
 * Written with every point: the names of the fields that are null, with commas between. It makes a
 * point of nulls storable (line protocol has no point without a field), lets a point that is
 * written again have fewer values than before (InfluxDB merges fields), and is the one field by
 * which a series can be found whatever was measured.
 */
export const nullsField = 'nulls';

/**
 * One row as a line of line protocol; the client escapes. `number` stands for the row's labels, and
 * is part of the time: points of one series with the same time would overwrite each other.
 */
export const toLine = (measurement: string, table: Table, row: Row, number: number): string => {
  const line = new Line(measurement);
  table.tags.forEach((tag, i) => {
    const value = encodeTag(row.tags[i] ?? '');
    // A label is written also where it is empty, so that it can be asked for.
    if (table.labels?.includes(tag)) line.stringField(tag, value);
    // Line protocol has no empty tag value: absent, and '' again when read.
    else if (value !== '') line.tag(tag, value);
  });
  const nulls: string[] = [];
  Object.entries(table.fields).forEach(([name, kind], i) => {
    const value: Value = row.values[i] ?? null;
    if (value === null) nulls.push(name);
    else if (typeof value === 'string') line.stringField(name, value);
    else if (kind === 'float') line.floatField(name, value);
    else line.intField(name, value);
  });
  line.stringField(nullsField, nulls.join(','));
  return line.timestamp(timeNs(row.timeMs, number)).toLineProtocol() as string;
};

/** Nanoseconds in a millisecond: as many combinations of labels a measurement can have. */
export const numbersPerMs = 1_000_000;

/** 64 bits, more than a number holds. */
const timeNs = (timeMs: number, number: number): string =>
  String(BigInt(timeMs) * BigInt(numbersPerMs) + BigInt(number));

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
