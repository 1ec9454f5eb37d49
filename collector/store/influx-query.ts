import { encodeTag, nullsField } from './influx-line.ts';
import { allowedValues, wholeRange } from './query.ts';
import { type Rollup, wayOf } from './rollup-schema.ts';
import { tableOf } from './row.ts';
import type { Measurement } from './schema.ts';
import type { AggregateQuery, MergeQuery, SelectQuery, Statistic, TagFilter } from './store.ts';

/** InfluxQL that 1.x, 2.x and 3.x all understand. */
export const selectInfluxql = <M extends Measurement>(
  query: SelectQuery<M>,
  limit: number,
): string => {
  const direction = query.order === 'newest-first' ? 'DESC' : 'ASC';
  return `SELECT ${columnsOf(query)} FROM ${quoteName(query.measurement)} WHERE ${whereOf(query)} ORDER BY time ${direction} LIMIT ${limit}`;
};

/** With `nulls`, which every row has: a row of nulls alone is one too. */
const columnsOf = <M extends Measurement>({ measurement, fields }: SelectQuery<M>): string =>
  fields === undefined
    ? '*'
    : [nullsField, ...tableOf(measurement).tags, ...fields].map(quoteName).join(', ');

/** The time of the oldest point before a time. */
export const oldestInfluxql = (measurement: Measurement, beforeMs: number): string =>
  `SELECT FIRST(${quoteName(nullsField)}) FROM ${quoteName(measurement)} WHERE time < ${beforeMs}ms`;

/** By tags and time: what is grouped by a label is asked once for each of its values. */
export const aggregateInfluxql = <M extends Measurement>(query: AggregateQuery<M>): string => {
  const field = quoteName(query.field);
  const columns = query.statistics.map((s) => `${statisticInfluxql(s, field)} AS ${quoteName(s)}`);
  const group = [
    ...(query.everyMs === undefined ? [] : [`time(${query.everyMs}ms)`]),
    ...((query.by ?? []) as readonly string[]).map(quoteName),
  ];
  return `SELECT ${columns.join(', ')} FROM ${quoteName(query.measurement)} WHERE ${whereOf(query)}${
    group.length === 0 ? '' : ` GROUP BY ${group.join(', ')}`
  }${query.everyMs === undefined ? '' : ' fill(none)'}`;
};

const statisticInfluxql = (statistic: Statistic, field: string): string =>
  statistic === 'p95' ? `PERCENTILE(${field}, 95)` : `${statistic.toUpperCase()}(${field})`;

/** Roll-ups have no labels: everything is a tag, and one statement does. */
export const mergeInfluxql = <M extends Rollup>(query: MergeQuery<M>): string => {
  const columns = query.fields.map((name) => {
    const field = quoteName(name);
    return `${wayOf(name).toUpperCase()}(${field}) AS ${field}`;
  });
  const group = [
    ...(query.everyMs === undefined ? [] : [`time(${query.everyMs}ms)`]),
    ...((query.by ?? []) as readonly string[]).map(quoteName),
  ];
  const groupBy = group.length === 0 ? '' : ` GROUP BY ${group.join(', ')}`;
  const fill = query.everyMs === undefined ? '' : ' fill(none)';
  return `SELECT ${columns.join(', ')} FROM ${quoteName(query.measurement)} WHERE ${whereOf(query)}${groupBy}${fill}`;
};

/** The values of a label: one row each, in its second column. */
export const labelValuesInfluxql = <M extends Measurement>(query: {
  measurement: M;
  label: string;
  fromMs: number;
  toMs: number;
  tags?: TagFilter<M>;
}): string =>
  `SELECT DISTINCT(${quoteName(query.label)}) FROM ${quoteName(query.measurement)} WHERE ${whereOf(query)}`;

/** SHOW TAG VALUES knows no time range: the last point of each series does. */
export const tagValuesInfluxql = (query: {
  measurement: Measurement;
  tag: string;
  fromMs: number;
  toMs: number;
}): string =>
  `SELECT LAST(${quoteName(nullsField)}) FROM ${quoteName(query.measurement)} WHERE ${whereOf(query)} GROUP BY ${quoteName(query.tag)}`;

const whereOf = <M extends Measurement>(query: {
  fromMs: number;
  toMs: number;
  tags?: TagFilter<M>;
}): string => {
  const { fromMs, toMs } = wholeRange(query);
  const conditions = [`time >= ${fromMs}ms`, `time < ${toMs}ms`];
  for (const [tag, allowed] of allowedValues(query.tags)) {
    const choices = allowed.map((value) => `${quoteName(tag)} = ${quoteText(encodeTag(value))}`);
    conditions.push(`(${choices.join(' OR ')})`);
  }
  return conditions.join(' AND ');
};

export const quoteName = (name: string): string =>
  `"${name.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

/** Within single quotes a backslash escapes itself, the quote and n; nothing else is special. */
export const quoteText = (text: string): string =>
  `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\n', '\\n')}'`;
