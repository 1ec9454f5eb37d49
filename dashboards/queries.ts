import type { FieldOf, Measurement, TagOf } from '#collector/store/schema.ts';

/**
 * InfluxQL, typed by the store's schema: a renamed tag or field fails to compile. Only the subset
 * that InfluxDB 1.x, 2.x and 3.x all speak (no continuous queries, one level, portable functions).
 */
export type Aggregation = 'mean' | 'max' | 'min' | 'median' | 'last' | 'count' | 'sum';

type Column<M extends Measurement> = { field: FieldOf<M>; how: Aggregation; as: string };

type SeriesQuery<M extends Measurement> = {
  from: M;
  columns: readonly Column<M>[];
  /** Tag → dashboard variable, matched as a multi-value variable. */
  where?: Partial<Record<TagOf<M>, `$${string}`>>;
  /** Tag → fixed value. */
  only?: Partial<Record<TagOf<M>, string>>;
  /** Tags that must have a value: InfluxDB keeps an empty one as absent. */
  present?: readonly TagOf<M>[];
  by?: readonly TagOf<M>[];
};

/** Values over time, in Grafana's own interval. */
export const overTime = <M extends Measurement>(
  query: SeriesQuery<M>,
  fill: 'null' | 'none' = 'none',
): string =>
  `SELECT ${columns(query)} FROM "${query.from}" WHERE ${conditions(query)} GROUP BY ${['time($__interval)', ...tags(query)].join(', ')} fill(${fill})`;

/** One row a tag combination over the whole range shown. */
export const overRange = <M extends Measurement>(query: SeriesQuery<M>): string => {
  const by = tags(query);
  return `SELECT ${columns(query)} FROM "${query.from}" WHERE ${conditions(query)}${by.length === 0 ? '' : ` GROUP BY ${by.join(', ')}`}`;
};

/** How many values of a tag measured anything over the whole range shown. */
export const countOf = <M extends Measurement>(query: {
  tag: TagOf<M>;
  from: M;
  field: FieldOf<M>;
  where?: SeriesQuery<M>['where'];
  as: string;
}): string => {
  const { from, field, where = {}, tag, as } = query;
  const column = { field, how: 'count', as: 'points' } as const;
  return `SELECT count("points") AS "${as}" FROM (${overRange<M>({ from, columns: [column], where, by: [tag] })})`;
};

/** Raw rows, newest first, bounded. */
export const rows = <M extends Measurement>(query: {
  from: M;
  fields: readonly (FieldOf<M> | TagOf<M>)[];
  where?: Partial<Record<TagOf<M>, `$${string}`>>;
  limit: number;
}): string =>
  `SELECT ${query.fields.map((field) => `"${field}"`).join(', ')} FROM "${query.from}" WHERE ${conditions(query)} ORDER BY time DESC LIMIT ${query.limit}`;

/** Values of a tag for a variable, narrowed by the variables before it. */
export const tagValues = <M extends Measurement>(
  from: M,
  tag: TagOf<M>,
  where: Partial<Record<TagOf<M>, `$${string}`>> = {},
): string => {
  const narrowed = Object.entries(where).map(([key, variable]) => `"${key}" =~ /^${variable}$/`);
  return `SHOW TAG VALUES FROM "${from}" WITH KEY = "${tag}"${narrowed.length === 0 ? '' : ` WHERE ${narrowed.join(' AND ')}`}`;
};

const columns = <M extends Measurement>({ columns: list }: SeriesQuery<M>): string =>
  list.map(({ field, how, as }) => `${how}("${field}") AS "${as}"`).join(', ');

const tags = <M extends Measurement>({ by }: SeriesQuery<M>): string[] =>
  (by ?? []).map((tag) => `"${tag}"`);

const conditions = (query: {
  where?: Partial<Record<string, string>>;
  only?: Partial<Record<string, string>>;
  present?: readonly string[];
}): string =>
  [
    '$timeFilter',
    ...Object.entries(query.where ?? {}).map(([tag, variable]) => `"${tag}" =~ /^${variable}$/`),
    ...Object.entries(query.only ?? {}).map(([tag, value]) => `"${tag}" = '${value}'`),
    ...(query.present ?? []).map((tag) => `"${tag}" =~ /./`),
  ].join(' AND ');
