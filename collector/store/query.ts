import { tableOf } from './row.ts';
import type { Measurement } from './schema.ts';
import type { AggregateQuery, AggregateRow, SelectQuery, TagFilter } from './store.ts';

/** The names in a query come from the schema or not at all: nothing else reaches an engine unquoted. */
export const checkNames = (query: {
  measurement: Measurement;
  field?: string;
  fields?: readonly string[];
  tag?: string;
  tags?: object;
  by?: readonly string[];
}): void => {
  const table = tableOf(query.measurement);
  const tags = [
    ...(query.by ?? []),
    ...Object.keys(query.tags ?? {}),
    ...(query.tag === undefined ? [] : [query.tag]),
  ];
  const wrong = tags.find((tag) => !table.tags.includes(tag));
  if (wrong !== undefined) throw new TypeError(`${query.measurement} has no tag ${wrong}`);
  const fields = [...(query.fields ?? []), ...(query.field === undefined ? [] : [query.field])];
  const unknown = fields.find((field) => !Object.hasOwn(table.fields, field));
  if (unknown !== undefined) throw new TypeError(`${query.measurement} has no field ${unknown}`);
};

/** Text can be counted and nothing else. */
export const checkStatistics = <M extends Measurement>(query: AggregateQuery<M>): void => {
  const kind = tableOf(query.measurement).fields[query.field];
  const other = query.statistics.find((statistic) => statistic !== 'count');
  if (kind === 'string' && other !== undefined) {
    throw new TypeError(`${other} of ${query.measurement}.${query.field}, which is text`);
  }
  if (query.statistics.length === 0) throw new TypeError('an aggregate needs a statistic');
  if (query.everyMs !== undefined && !(Number.isSafeInteger(query.everyMs) && query.everyMs > 0)) {
    throw new TypeError(`buckets of ${query.everyMs} ms`);
  }
};

/** Rows the engines may hold at once for one caller. */
export const selectLimit = <M extends Measurement>(query: SelectQuery<M>): number => {
  if (!Number.isSafeInteger(query.limit) || query.limit < 1) {
    throw new TypeError(`a select needs a limit of at least 1, not ${query.limit}`);
  }
  return Math.min(query.limit, 1_000_000);
};

/** The filter as tag and the values it may have. */
export const allowedValues = <M extends Measurement>(
  tags: TagFilter<M> | undefined,
): [string, readonly string[]][] =>
  Object.entries(tags ?? {}).flatMap(([tag, wanted]) =>
    wanted === undefined
      ? []
      : [[tag, typeof wanted === 'string' ? [wanted] : (wanted as string[])]],
  );

/** The range in whole milliseconds: from inclusive, to exclusive. */
export const wholeRange = (range: { fromMs: number; toMs: number }) => ({
  fromMs: wholeMs(range.fromMs),
  toMs: wholeMs(range.toMs),
});

/** Rounded up, as stored times are whole: `>= 0.5` is `>= 1`, and `< 0.5` is `< 1`. */
export const wholeMs = (ms: number): number => {
  // Bounds that both engines can hold (InfluxDB counts nanoseconds in 64 bits: 1677 to 2262).
  const bounded = Math.min(Math.max(Math.ceil(ms), -9_000_000_000_000), 9_000_000_000_000);
  if (Number.isNaN(bounded)) throw new TypeError(`time ${ms}`);
  return bounded === 0 ? 0 : bounded;
};

/** One order on every engine: by tags in the order asked for, then by time. */
export const sortRows = (rows: AggregateRow[]): AggregateRow[] => {
  const keyed = rows.map((row) => ({ row, tags: Object.values(row.tags) }));
  keyed.sort((a, b) => compareTags(a.tags, b.tags) || (a.row.timeMs ?? 0) - (b.row.timeMs ?? 0));
  return keyed.map(({ row }) => row);
};

const compareTags = (a: readonly string[], b: readonly string[]): number => {
  for (const [i, value] of a.entries()) {
    const other = b[i] ?? '';
    if (value !== other) return value < other ? -1 : 1;
  }
  return 0;
};
