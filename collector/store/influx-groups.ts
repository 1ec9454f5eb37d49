import type { InfluxHttp, InfluxSeries } from './influx-http.ts';
import { decodeTag } from './influx-line.ts';
import { aggregateInfluxql, labelValuesInfluxql, mergeInfluxql } from './influx-query.ts';
import { sortRows } from './query.ts';
import type { Rollup } from './rollup-schema.ts';
import { tableOf } from './row.ts';
import type { Measurement } from './schema.ts';
import type { AggregateQuery, AggregateRow, MergedRow, MergeQuery, TagFilter } from './store.ts';

/**
 * InfluxQL groups by tags alone. By labels: which combinations there are in the range, then one
 * statement for each. A request has one statement, as 3.x takes no more.
 */
export const aggregateGroups = async <M extends Measurement>(
  http: InfluxHttp,
  query: AggregateQuery<M>,
): Promise<AggregateRow[]> => {
  const by: readonly string[] = query.by ?? [];
  const labels = by.filter((name) => isLabel(query.measurement, name));
  const tags = by.filter((name) => !labels.includes(name));
  const rows: AggregateRow[] = [];
  for (const group of await groupsOf(http, query, labels)) {
    const found = await http.query(
      aggregateInfluxql({ ...query, by: tags as never, tags: filterOf(query, group) }),
    );
    rows.push(...found.flatMap((one) => rowsOf(one, by, group, query.everyMs !== undefined)));
  }
  return sortRows(rows);
};

export const mergeGroups = async <M extends Rollup>(
  http: InfluxHttp,
  query: MergeQuery<M>,
): Promise<MergedRow[]> => {
  const by: readonly string[] = query.by ?? [];
  const found = await http.query(mergeInfluxql(query));
  const rows = found.flatMap((one) => rowsOf(one, by, {}, query.everyMs !== undefined));
  return sortRows(rows) as MergedRow[];
};

export const isLabel = (measurement: Measurement, tag: string): boolean =>
  tableOf(measurement).labels?.includes(tag) === true;

/** Values of a label in a range, '' included. */
export const labelValues = async (
  http: InfluxHttp,
  query: Parameters<typeof labelValuesInfluxql>[0],
): Promise<string[]> => {
  const [found] = await http.query(labelValuesInfluxql(query));
  return (found?.values ?? []).map(([, value]) => decodeTag(String(value ?? '')));
};

type Group = Record<string, string>;

/** One label after the other, so that only combinations that occur are asked for. */
const groupsOf = async <M extends Measurement>(
  http: InfluxHttp,
  query: AggregateQuery<M>,
  labels: readonly string[],
): Promise<Group[]> => {
  let groups: Group[] = [{}];
  for (const label of labels) {
    const longer: Group[] = [];
    for (const group of groups) {
      const { measurement, fromMs, toMs } = query;
      const range = { measurement, fromMs, toMs, tags: filterOf(query, group) };
      const values = await labelValues(http, { ...range, label });
      longer.push(...values.map((value) => ({ ...group, [label]: value })));
    }
    groups = longer;
  }
  return groups;
};

const filterOf = <M extends Measurement>(query: AggregateQuery<M>, group: Group): TagFilter<M> =>
  ({ ...query.tags, ...group }) as TagFilter<M>;

const rowsOf = (
  found: InfluxSeries,
  by: readonly string[],
  group: Group,
  bucketed: boolean,
): AggregateRow[] =>
  found.values.map(([time, ...values]) => ({
    tags: Object.fromEntries(
      by.map((tag) => [tag, group[tag] ?? decodeTag(found.tags?.[tag] ?? '')]),
    ),
    timeMs: bucketed ? Number(time) : null,
    values: Object.fromEntries(
      found.columns.slice(1).map((name, i) => [name, (values[i] ?? null) as number | null]),
    ),
  }));
