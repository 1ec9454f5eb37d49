import { Point as ClientPoint } from '@influxdata/influxdb-client';
import { describe, expect, it } from 'vitest';
import { encodeTag, nullsField, toLine } from '#collector/store/influx-line.ts';
import { type Row, type Table, tableOf } from '#collector/store/row.ts';
import { type FieldKind, measurements } from '#collector/store/schema.ts';
import { seededRandom } from './make-point.ts';

const rowsOfEach = 200;

describe('a line of line protocol', () => {
  it('has the bytes that InfluxData’s own client makes of the row', () => {
    const random = seededRandom(11);
    for (const name of measurements) {
      const table = tableOf(name);
      for (let n = 0; n < rowsOfEach; n += 1) {
        const row = randomRow(table, random);
        const number = Math.floor(random() * 1_000_000);
        expect(toLine(name, table, row, number)).toBe(lineOfClient(name, table, row, number));
      }
    }
  });

  it('refuses a name that would need escaping, and a whole number beyond 64 bits', () => {
    const row = { key: '', timeMs: 1, tags: ['a'], values: [2 ** 63] };
    const table = { tags: ['device'], fields: { n: 'integer' as const } };
    expect(() => toLine('m', { ...table, tags: ['a b'] }, row, 0)).toThrow('a b: a name is');
    expect(() => toLine('m', table, row, 0)).toThrow('no 64-bit integer');
  });
});

const randomRow = (table: Table, random: () => number): Row => ({
  key: '',
  timeMs: random() < 0.05 ? -Math.floor(random() * 1e12) : Math.floor(random() * 2e12),
  tags: table.tags.map(() => randomText(random)),
  values: Object.values(table.fields).map((kind) =>
    random() < 0.3 ? null : randomValue(kind, random),
  ),
});

const randomValue = (kind: FieldKind, random: () => number): string | number => {
  if (kind === 'string') return randomText(random);
  if (kind === 'flag') return random() < 0.5 ? 0 : 1;
  const value = (random() - 0.5) * 10 ** Math.floor(random() * 30 - 8);
  return kind === 'float' ? value : Math.round(value) % Number.MAX_SAFE_INTEGER;
};

const pieces = ['a', 'Z9', ' ', ',', '=', '"', '\\', '%', '\n', '\t', '\r', 'é', '🙂', '{"x":1}'];
const randomText = (random: () => number): string =>
  Array.from(
    { length: Math.floor(random() * 6) },
    () => pieces[Math.floor(random() * pieces.length)],
  ).join('');

const lineOfClient = (name: string, table: Table, row: Row, number: number): string => {
  const line = new ClientPoint(name);
  table.tags.forEach((tag, i) => {
    const value = encodeTag(row.tags[i] ?? '');
    if (table.labels?.includes(tag)) line.stringField(tag, value);
    else if (value !== '') line.tag(tag, value);
  });
  const nulls: string[] = [];
  Object.entries(table.fields).forEach(([field, kind], i) => {
    const value = row.values[i] ?? null;
    if (value === null) nulls.push(field);
    else if (typeof value === 'string') line.stringField(field, value);
    else if (kind === 'float') line.floatField(field, value);
    else line.intField(field, value);
  });
  line.stringField(nullsField, nulls.join(','));
  const timeNs = BigInt(row.timeMs) * 1_000_000n + BigInt(number);
  return line.timestamp(String(timeNs)).toLineProtocol() as string;
};
