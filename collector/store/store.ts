import type { Rollup } from './rollup-schema.ts';
import type { FieldOf, Measurement, Point, TagOf } from './schema.ts';

/** Equal to one value, or to one of several. */
export type TagFilter<M extends Measurement> = Partial<
  Record<TagOf<M>, string | readonly string[]>
>;

export type SelectQuery<M extends Measurement> = {
  measurement: M;
  /** Inclusive, epoch ms. */
  fromMs: number;
  /** Exclusive, epoch ms. */
  toMs: number;
  tags?: TagFilter<M>;
  /** Only these are read, the others are null; absent: all. */
  fields?: readonly FieldOf<M>[];
  order?: 'oldest-first' | 'newest-first';
  /** Every result set is bounded. */
  limit: number;
};

/**
 * `median` is the mean of the two middle values where there is no middle one; `p95` the value of
 * rank round(0.95 n), half up (InfluxQL's PERCENTILE), null below that; `last` the newest. Of
 * values only: points where the field is null do not count, and a group without any has no row.
 */
export const statistics = ['count', 'mean', 'min', 'max', 'median', 'p95', 'sum', 'last'] as const;
export type Statistic = (typeof statistics)[number];

export type AggregateQuery<M extends Measurement> = {
  measurement: M;
  field: FieldOf<M>;
  statistics: readonly Statistic[];
  fromMs: number;
  toMs: number;
  tags?: TagFilter<M>;
  by?: readonly TagOf<M>[];
  /** Width of time buckets (aligned to the epoch); absent: one value over the whole range. */
  everyMs?: number;
};

export type AggregateRow = {
  tags: Record<string, string>;
  /** Start of the bucket; null without `everyMs`. */
  timeMs: number | null;
  values: Partial<Record<Statistic, number | null>>;
};

/** Rows of a roll-up as one, for each group and bucket: every field in the way its name says. */
export type MergeQuery<M extends Rollup = Rollup> = {
  measurement: M;
  fields: readonly FieldOf<M>[];
  fromMs: number;
  toMs: number;
  tags?: TagFilter<M>;
  by?: readonly TagOf<M>[];
  everyMs?: number;
};

export type MergedRow = {
  tags: Record<string, string>;
  /** Start of the bucket; null without `everyMs`. */
  timeMs: number | null;
  values: Record<string, number | null>;
};

/** The engine cannot take or give data now; the caller answers 503 and the sender tries again. */
export class StoreUnavailable extends Error {
  override name = 'StoreUnavailable';
}

/**
 * The engine keeps refusing some of the points (InfluxDB: a field of another kind, a limit on tag
 * values, older than it keeps); the others are stored. Writing them again does not help.
 */
export class PointsRefused extends Error {
  override name = 'PointsRefused';
  /** How many, where the engine says. */
  readonly refusedCount: number | null;
  constructor(message: string, refusedCount: number | null, options?: ErrorOptions) {
    super(message, options);
    this.refusedCount = refusedCount;
  }
}

/**
 * The series store. `write` resolves only when the points would survive a crash of this process,
 * and overwrites a point of the same measurement, tags and time: writing twice counts once.
 */
export type Store = {
  readonly engine: 'duckdb' | 'influxdb';
  write(points: readonly Point[]): Promise<void>;
  select<M extends Measurement>(query: SelectQuery<M>): Promise<Point<M>[]>;
  aggregate<M extends Measurement>(query: AggregateQuery<M>): Promise<AggregateRow[]>;
  merge<M extends Rollup>(query: MergeQuery<M>): Promise<MergedRow[]>;
  /** Distinct values of a tag seen in a time range, sorted; without '' (no value). */
  tagValues<M extends Measurement>(query: {
    measurement: M;
    tag: TagOf<M>;
    fromMs: number;
    toMs: number;
  }): Promise<string[]>;
  /** Of these measurements, or of all. */
  deleteBefore(timeMs: number, of?: readonly Measurement[]): Promise<void>;
  /** Resolves when the engine answers; throws StoreUnavailable otherwise. */
  ping(): Promise<void>;
  stop(): Promise<void>;
};
