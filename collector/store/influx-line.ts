import { Point as Line } from '@influxdata/influxdb-client';
import type { Row, Table, Value } from './row.ts';

/**
 * Written with every point: the names of the fields that are null, with commas between. It makes a
 * point of nulls storable (line protocol has no point without a field), lets a point that is
 * written again have fewer values than before (InfluxDB merges fields), and is the one field by
 * which a series can be found whatever was measured.
 */
export const nullsField = 'nulls';

/** One row as a line of line protocol, time in milliseconds; the client escapes. */
export const toLine = (measurement: string, table: Table, row: Row): string => {
  const line = new Line(measurement);
  table.tags.forEach((tag, i) => {
    const value = row.tags[i] ?? '';
    // Line protocol has no empty tag value: absent, and '' again when read.
    if (value !== '') line.tag(tag, encodeTag(value));
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
  return line.timestamp(String(row.timeMs)).toLineProtocol() as string;
};

/**
 * Line protocol cannot carry a line end in a tag, nor a backslash in every place; InfluxDB also
 * trims nothing and allows the rest. Such characters, and % itself, are percent-encoded: names
 * made by us never have them.
 */
export const encodeTag = (value: string): string =>
  value.replace(/[%\\\p{Cc}]/gu, (character) => encodeURIComponent(character));

export const decodeTag = (value: string): string =>
  value.includes('%') ? decodeURIComponent(value) : value;
