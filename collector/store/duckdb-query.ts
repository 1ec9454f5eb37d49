import { quote } from './duckdb-tables.ts';
import { allowedValues, wholeRange } from './query.ts';
import { type Rollup, wayOf } from './rollup-schema.ts';
import { tableOf } from './row.ts';
import type { Measurement } from './schema.ts';
import type { AggregateQuery, MergeQuery, SelectQuery, Statistic, TagFilter } from './store.ts';

export type Statement = { sql: string; values: (string | number)[] };

/** Time first, then tags, then fields, in the schema's order; newest or oldest rows up to the limit. */
export const selectStatement = <M extends Measurement>(
  query: SelectQuery<M>,
  limit: number,
): Statement => {
  const table = tableOf(query.measurement);
  const wanted = query.fields as readonly string[] | undefined;
  const fields = Object.keys(table.fields).map((name) =>
    wanted === undefined || wanted.includes(name) ? quote(name) : 'null',
  );
  const names = [...['time_ms', ...table.tags].map(quote), ...fields];
  const where = whereOf(query);
  const direction = query.order === 'newest-first' ? 'desc' : 'asc';
  return {
    sql: `select ${names.join(', ')} from ${quote(query.measurement)} where ${where.sql}
          order by time_ms ${direction}, ${table.tags.map(quote).join(', ')} limit ${limit}`,
    values: where.values,
  };
};

/** Tags, then bucket, then fields. */
export const mergeStatement = <M extends Rollup>(query: MergeQuery<M>): Statement => {
  const by = (query.by ?? []).map((tag) => quote(tag as string));
  const where = whereOf(query);
  const group = [...by, ...(query.everyMs === undefined ? [] : ['bucket'])];
  const fields = query.fields.map((name) => `cast(${wayOf(name)}(${quote(name)}) as double)`);
  return {
    sql: `select ${[...by, `${bucketSql(query.everyMs)} as bucket`, ...fields].join(', ')}
          from ${quote(query.measurement)} where ${where.sql}
          ${group.length === 0 ? '' : `group by ${group.join(', ')}`} having count(*) > 0`,
    values: where.values,
  };
};

/** Floored also before 1970, where % is negative. */
const bucketSql = (everyMs: number | undefined): string =>
  everyMs === undefined ? 'null' : `time_ms - ((time_ms % ${everyMs}) + ${everyMs}) % ${everyMs}`;

/** Tags, then bucket, then statistics. */
export const aggregateStatement = <M extends Measurement>(query: AggregateQuery<M>): Statement => {
  const by = (query.by ?? []).map((tag) => quote(tag as string));
  const field = quote(query.field);
  const where = whereOf(query);
  const group = [...by, ...(query.everyMs === undefined ? [] : ['bucket'])];
  return {
    sql: `select ${[...by, `${bucketSql(query.everyMs)} as bucket`, ...query.statistics.map((s) => statisticSql(s, field))].join(', ')}
          from ${quote(query.measurement)} where ${where.sql} and ${field} is not null
          ${group.length === 0 ? '' : `group by ${group.join(', ')}`} having count(*) > 0`,
    values: where.values,
  };
};

/**
 * As InfluxQL defines them, so that both engines agree: MEDIAN interpolates; PERCENTILE takes the
 * value of rank round(n·p), half up, which is neither of DuckDB's own quantiles.
 */
const statisticSql = (statistic: Statistic, field: string): string => {
  const sql = {
    count: `count(${field})`,
    mean: `avg(${field})`,
    min: `min(${field})`,
    max: `max(${field})`,
    median: `median(${field})`,
    p95: `list_sort(list(${field}))[cast(floor(count(${field}) * 0.95 + 0.5) as bigint)]`,
    sum: `sum(${field})`,
    last: `arg_max(${field}, time_ms)`,
  }[statistic];
  return statistic === 'count' ? sql : `cast(${sql} as double)`;
};

export const tagValuesStatement = (query: {
  measurement: Measurement;
  tag: string;
  fromMs: number;
  toMs: number;
}): Statement => {
  const where = whereOf(query);
  const tag = quote(query.tag);
  return {
    sql: `select distinct ${tag} from ${quote(query.measurement)}
          where ${where.sql} and ${tag} <> '' order by 1`,
    values: where.values,
  };
};

const whereOf = <M extends Measurement>(query: {
  fromMs: number;
  toMs: number;
  tags?: TagFilter<M>;
}): Statement => {
  const { fromMs, toMs } = wholeRange(query);
  const conditions = [`time_ms >= ${fromMs}`, `time_ms < ${toMs}`];
  const values: string[] = [];
  for (const [tag, allowed] of allowedValues(query.tags)) {
    const places = allowed.map((value) => `$${values.push(value)}`);
    conditions.push(places.length === 0 ? 'false' : `${quote(tag)} in (${places.join(', ')})`);
  }
  return { sql: conditions.join(' and '), values };
};
