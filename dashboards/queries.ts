import type { FieldOf, LabelOf, Measurement, SeriesTagOf, TagOf } from '#collector/store/schema.ts';

/**
 * InfluxQL, typed by the store's schema: a renamed tag or field fails to compile. Only the subset
 * that InfluxDB 1.x, 2.x and 3.x all speak (no continuous queries, one level, portable functions).
 */
export type Aggregation = 'mean' | 'max' | 'min' | 'median' | 'last' | 'count' | 'sum';

type Column<M extends Measurement> =
  | { field: FieldOf<M>; how: Aggregation; as: string }
  /** Of a roll-up: what adds up, divided by how many it is of. */
  | { sum: FieldOf<M>; per: readonly FieldOf<M>[]; as: string };

type SeriesQuery<M extends Measurement> = {
  from: M;
  columns: readonly Column<M>[];
  /** Tag → dashboard variable, matched as a multi-value variable. */
  where?: Partial<Record<TagOf<M>, `$${string}`>>;
  /** Tag → fixed value. */
  only?: Partial<Record<TagOf<M>, string>>;
  /** A count that is not 0: without one there is nothing to divide by. */
  counted?: FieldOf<M>;
  /** Labels are no tags in InfluxDB, which groups by tags alone: see `splitBy` and `countBy` of panels. */
  by?: readonly SeriesTagOf<M>[];
};

/** Values over time, in Grafana's own interval. */
export const overTime = <M extends Measurement>(
  query: SeriesQuery<M>,
  fill: 'null' | 'none' = 'none',
): string =>
  `SELECT ${columns(query)} FROM "${query.from}" WHERE ${conditions(query)} GROUP BY ${['time($__interval)', ...tags(query)].join(', ')} fill(${fill})`;

/** The mean of a value of a roll-up. */
export const meanOf = <N extends string>(name: N, as: string) =>
  ({ sum: `${name}_sum_ms`, per: [`${name}_count`], as }) as const;

/** One row a tag combination over the whole range shown. */
export const overRange = <M extends Measurement>(query: SeriesQuery<M>): string => {
  const by = tags(query);
  return `SELECT ${columns(query)} FROM "${query.from}" WHERE ${conditions(query)}${by.length === 0 ? '' : ` GROUP BY ${by.join(', ')}`}`;
};

/** The largest sum of a field over the rows of one time, such as of devices on all edges. */
export const mostAtOnce = <M extends Measurement>(
  query: Omit<SeriesQuery<M>, 'columns'> & { field: FieldOf<M>; as: string },
): string => {
  const { field, as, ...rest } = query;
  const columns = [{ field, how: 'sum', as: 'at_once' }] as const;
  const each = overTime<M>({ ...rest, columns }).replace('$__interval', '5m');
  return `SELECT max("at_once") AS "${as}" FROM (${each})`;
};

/** Raw rows, newest first, bounded. */
export const rows = <M extends Measurement>(query: {
  from: M;
  fields: readonly (FieldOf<M> | TagOf<M>)[];
  where?: Partial<Record<TagOf<M>, `$${string}`>>;
  only?: Partial<Record<TagOf<M>, string>>;
  limit: number;
}): string =>
  `SELECT ${query.fields.map((field) => `"${field}"`).join(', ')} FROM "${query.from}" WHERE ${conditions(query)} ORDER BY time DESC LIMIT ${query.limit}`;

/** Values of a label that occur in the time shown, for a variable. */
export const labelValues = <M extends Measurement>(
  from: M,
  label: LabelOf<M>,
  where: Partial<Record<TagOf<M>, `$${string}`>> = {},
): string => `SELECT distinct("${label}") FROM "${from}" WHERE ${conditions({ where })}`;

/** Values of a tag for a variable, narrowed by the variables before it. */
export const tagValues = <M extends Measurement>(
  from: M,
  tag: SeriesTagOf<M>,
  where: Partial<Record<SeriesTagOf<M>, `$${string}`>> = {},
): string => {
  const narrowed = Object.entries(where).map(([key, variable]) => `"${key}" =~ /^${variable}$/`);
  return `SHOW TAG VALUES FROM "${from}" WITH KEY = "${tag}"${narrowed.length === 0 ? '' : ` WHERE ${narrowed.join(' AND ')}`}`;
};

const columns = <M extends Measurement>({ columns: list }: SeriesQuery<M>): string =>
  list.map((column) => `${expression(column)} AS "${column.as}"`).join(', ');

const expression = <M extends Measurement>(column: Column<M>): string => {
  if ('how' in column) return `${column.how}("${column.field}")`;
  const per = column.per.map((field) => `sum("${field}")`).join(' + ');
  return `sum("${column.sum}") / ${column.per.length === 1 ? per : `(${per})`}`;
};

const tags = <M extends Measurement>({ by }: SeriesQuery<M>): string[] =>
  (by ?? []).map((tag) => `"${tag}"`);

const conditions = (query: {
  where?: Partial<Record<string, string>>;
  only?: Partial<Record<string, string>>;
  counted?: string;
}): string =>
  [
    '$timeFilter',
    ...Object.entries(query.where ?? {}).map(([tag, variable]) => `"${tag}" =~ /^${variable}$/`),
    ...Object.entries(query.only ?? {}).map(([tag, value]) => `"${tag}" = '${value}'`),
    ...(query.counted === undefined ? [] : [`"${query.counted}" > 0`]),
  ].join(' AND ');
