import { createRollupRows } from '#collector/control/rollup-rows.ts';
import { distributionOf, quantileOf } from '#collector/rollup/distribution.ts';
import { binMs, hourMs, rolledUp } from '#collector/rollup/tiers.ts';
import { bucketBoundsMs, bucketField, type Rollup, wayOf } from '#collector/store/rollup-schema.ts';
import type { FieldOf } from '#collector/store/schema.ts';
import type {
  AggregateQuery,
  AggregateRow,
  MergedRow,
  Statistic,
  Store,
} from '#collector/store/store.ts';
import type { TriageParts, Window } from './window.ts';

/** Windows up to this are read from raw points. */
const shortMs = 48 * hourMs;
/** Roll-ups that end longer before the window does are being made still. */
const behindMs = hourMs;

/**
 * The store as a window is read: what a long one asks of all devices comes from roll-ups. There
 * distorted and inconclusive runs, and those beside the plan, are in no time, and medians are off by
 * a bucket at most. What roll-ups cannot say is read from raw points.
 */
export const rolledUpStore = async (
  { store, state }: TriageParts,
  window: Window,
): Promise<Store> => {
  if (window.toMs - window.fromMs <= shortMs) return store;
  const madeToMs = ((await createRollupRows(state.db).progress())?.nextBin ?? 0) * binMs;
  if (madeToMs < window.toMs - behindMs) return store;
  return {
    ...store,
    aggregate: (asking) => {
      const query = asking as AnyQuery;
      if (isNewestArrival(query)) return newestArrivals(store, query);
      const asked = askedOf(query);
      return asked === undefined ? store.aggregate(asking) : answer(store, query, asked, madeToMs);
    },
  };
};

const isNewestArrival = (query: AnyQuery): boolean =>
  query.measurement === 'http' &&
  query.field === 'received_at_ms' &&
  query.statistics.join() === 'max' &&
  query.by?.join() === 'app' &&
  query.everyMs === undefined;

/** By the raw points of the last two days; of an application that is silent for longer, to the hour. */
const newestArrivals = async (store: Store, query: AnyQuery): Promise<AggregateRow[]> => {
  const recentMs = query.toMs - shortMs;
  const [raw, hours] = await Promise.all([
    store.aggregate<'http'>({ ...rawQuery, fromMs: recentMs, toMs: query.toMs }),
    store.merge({
      measurement: 'http_1h',
      fields: ['run_count'],
      by: ['app'],
      everyMs: hourMs,
      ...{ fromMs: query.fromMs, toMs: recentMs },
    }),
  ]);
  const newest = new Map<string, AggregateRow>();
  for (const { tags, timeMs } of hours) {
    const max = Math.min((timeMs ?? 0) + hourMs, recentMs) - 1;
    // In order of time within an application.
    newest.set(tags['app'] ?? '', { tags, timeMs: null, values: { max } });
  }
  for (const row of raw) newest.set(row.tags['app'] ?? '', row);
  return [...newest.values()];
};

const rawQuery = {
  measurement: 'http',
  field: 'received_at_ms',
  statistics: ['max'],
  by: ['app'],
} as const;

type AnyQuery = {
  measurement: string;
  field: string;
  statistics: readonly Statistic[];
  fromMs: number;
  toMs: number;
  tags?: AggregateQuery<'http'>['tags'] | undefined;
  by?: readonly string[] | undefined;
  everyMs?: number | undefined;
};

/** What a question is in roll-ups: whose, of which value, with or without buckets. */
type Asked = { name: string; fields: string[]; hours?: 'http_1h'; fives: Rollup };

const askedOf = (query: AnyQuery): Asked | undefined => {
  const { measurement, field, statistics, everyMs, tags = {}, by = [] } = query;
  if (measurement !== 'http' && measurement !== 'page_load') return undefined;
  const plan = rolledUp[measurement];
  const name = Object.entries(plan.values).find(([, stored]) => stored === field)?.[0];
  if (name === undefined || (everyMs ?? hourMs) % hourMs !== 0) return undefined;
  if ([...Object.keys(tags), ...by].some((tag) => !rollupTags.has(tag))) return undefined;
  if (statistics.includes('last')) return undefined;
  const isRanked = statistics.some((statistic) => statistic === 'median' || statistic === 'p95');
  if (isRanked && name !== plan.bucketsOf) return undefined;
  const spread = [`${name}_count`, `${name}_sum_ms`, `${name}_min_ms`, `${name}_max_ms`];
  return {
    name,
    fields: [...spread, ...(isRanked ? bucketBoundsMs.map(bucketField) : [])],
    fives: plan.into,
    ...(measurement === 'http' ? { hours: 'http_1h' as const } : {}),
  };
};

const rollupTags: ReadonlySet<string> = new Set(['app', 'probe', 'via', 'edge']);

/** Hours as far as they are made, and the 5 minutes since. */
const answer = async (
  store: Store,
  query: AnyQuery,
  { name, fields, hours, fives }: Asked,
  madeToMs: number,
): Promise<AggregateRow[]> => {
  const wholeMs = hours === undefined ? query.fromMs : Math.floor(madeToMs / hourMs) * hourMs;
  const read = (measurement: Rollup, fromMs: number, toMs: number): Promise<MergedRow[]> => {
    if (fromMs >= toMs) return Promise.resolve([]);
    const { tags, by, everyMs } = query;
    return store.merge({
      measurement,
      fields: fields as FieldOf<Rollup>[],
      fromMs,
      toMs,
      ...(tags === undefined ? {} : { tags }),
      ...(by === undefined ? {} : { by }),
      ...(everyMs === undefined ? {} : { everyMs }),
    } as Parameters<Store['merge']>[0]);
  };
  const found = await Promise.all([
    hours === undefined ? [] : read(hours, query.fromMs, Math.min(wholeMs, query.toMs)),
    read(fives, Math.max(wholeMs, query.fromMs), query.toMs),
  ]);
  return joined(found.flat()).flatMap((row) => statisticsOf(row, name, query.statistics));
};

/** Rows of both for the same group and bucket as one. */
const joined = (rows: readonly MergedRow[]): MergedRow[] => {
  const byKey = new Map<string, MergedRow>();
  for (const row of rows) {
    const key = JSON.stringify([row.timeMs, row.tags]);
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, { ...row, values: { ...row.values } });
    else addTo(known.values, row.values);
  }
  return [...byKey.values()];
};

const addTo = (into: MergedRow['values'], values: MergedRow['values']): void => {
  for (const [field, value] of Object.entries(values)) {
    const before = into[field] ?? null;
    into[field] =
      before === null || value === null ? (before ?? value) : ways[wayOf(field)](before, value);
  }
};

const ways = { sum: (a: number, b: number) => a + b, min: Math.min, max: Math.max } as const;

/** As raw points would give them; a group without any value has no row. */
const statisticsOf = (
  { tags, timeMs, values }: MergedRow,
  name: string,
  wanted: readonly Statistic[],
): AggregateRow[] => {
  const count = values[`${name}_count`] ?? 0;
  if (count === 0) return [];
  const sum = values[`${name}_sum_ms`] ?? 0;
  const [min, max] = [values[`${name}_min_ms`] ?? 0, values[`${name}_max_ms`] ?? 0];
  const quantile = (share: number) =>
    quantileOf(distributionOf(values, { count, minMs: min, maxMs: max }), share);
  const read: Partial<Record<Statistic, () => number | null>> = {
    ...{ count: () => count, sum: () => sum, min: () => min, max: () => max },
    mean: () => sum / count,
    median: () => quantile(0.5),
    p95: () => quantile(0.95),
  };
  const entries = wanted.map((statistic) => [statistic, read[statistic]?.() ?? null]);
  return [{ tags, timeMs, values: Object.fromEntries(entries) }];
};
