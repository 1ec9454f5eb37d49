import { isDense } from '#collector/diagnose/beside-plan.ts';
import { type Measurement, type Point, series } from '../store/schema.ts';
import { createDeviceCounts } from './device-counts.ts';
import { bucketFields, countIn, type Distribution, emptyDistribution } from './distribution.ts';
import { type RolledUp, rolledUp } from './tiers.ts';

type Value = string | number | null | undefined;
/** A raw point of any of the measurements, read by name. */
type Raw = { tags: Record<string, string | undefined>; fields: Record<string, Value> };

/**
 * Takes in the raw points of one stretch of time, a portion at a time, and gives its roll-up points.
 * What they are depends on the points alone; but for the last digits of sums, not on their order.
 */
export const createFold = (measurement: RolledUp, startMs: number) => {
  const { into } = rolledUp[measurement];
  const tagNames: readonly string[] = series[into].tags;
  const rows = new Map<string, Row>();
  const devices = createDeviceCounts();
  const takeIn = measurement === 'tunnel' ? takeInSample : takeInRun(measurement);

  const rowOf = (tags: Raw['tags']): Row => {
    let key = '';
    for (const name of tagNames) key += `${tags[name] ?? ''}\u0000`;
    const known = rows.get(key);
    if (known) return known;
    const row = emptyRow(measurement, Object.fromEntries(tagNames.map((t) => [t, tags[t] ?? ''])));
    rows.set(key, row);
    return row;
  };

  return {
    add(points: readonly Point<RolledUp>[]): void {
      for (const point of points as unknown as readonly Raw[]) {
        const row = rowOf(point.tags);
        devices.see(row, point.tags['device'] ?? '');
        takeIn(row, point);
      }
    },
    points: (): Point[] =>
      [...rows.values()].map((row) => pointOf(into, startMs, row, devices.count(row))),
  };
};

type Spread = { field: string; count: number; sum: number; min: number; max: number };
type Row = {
  tags: Record<string, string>;
  counts: Record<string, number>;
  extremes: Record<string, number | null>;
  spreads: Record<string, Spread>;
  latency: Distribution;
  latencyField: string;
};

const emptyRow = (measurement: RolledUp, tags: Record<string, string>): Row => {
  const { values, bucketsOf, into } = rolledUp[measurement];
  const spread = (field: string): Spread => ({
    field,
    count: 0,
    sum: 0,
    min: Number.POSITIVE_INFINITY,
    max: Number.NEGATIVE_INFINITY,
  });
  const fields: Record<string, string> = values;
  return {
    tags,
    counts: Object.fromEntries(
      Object.keys(series[into].fields)
        .filter(isSum)
        .map((n) => [n, 0]),
    ),
    extremes: {},
    spreads: Object.fromEntries(Object.entries(fields).map(([n, field]) => [n, spread(field)])),
    latency: emptyDistribution(),
    latencyField: fields[bucketsOf] ?? '',
  };
};

const isSum = (name: string): boolean => !/_(min|max)_/.test(name);

const add = (row: Row, name: string, value: Value): void => {
  row.counts[name] = (row.counts[name] ?? 0) + (typeof value === 'number' ? value : 0);
};

const takeInValues = (row: Row, { fields }: Raw): void => {
  for (const name in row.spreads) {
    const spread = row.spreads[name] as Spread;
    const value = fields[spread.field];
    if (typeof value !== 'number') continue;
    spread.count += 1;
    spread.sum += value;
    if (value < spread.min) spread.min = value;
    if (value > spread.max) spread.max = value;
  }
  const latencyMs = fields[row.latencyField];
  if (typeof latencyMs === 'number') countIn(row.latency, latencyMs);
};

/** Of planned runs only those that say something of the application give times. */
const takeInRun = (measurement: RolledUp) => {
  const takeInMore = { http: undefined, tunnel: undefined, path: ofPath, page_load: ofPage };
  const more = takeInMore[measurement];
  return (row: Row, point: Raw): void => {
    const outcome = outcomeOf(point.fields);
    add(row, 'run_count', 1);
    add(row, `${outcome}_count`, 1);
    if (outcome !== 'ok' && outcome !== 'failed') return;
    takeInValues(row, point);
    more?.(row, point.fields);
  };
};

const outcomeOf = (fields: Raw['fields']) => {
  if (isDense({ fields } as Parameters<typeof isDense>[0])) return 'beside_plan';
  if (fields['distorted'] === 1) return 'distorted';
  if (fields['ok'] === 1) return 'ok';
  return fields['failure_source'] === 'agent' ? 'inconclusive' : 'failed';
};

const ofPath = (row: Row, fields: Raw['fields']): void => {
  add(row, 'reached_count', fields['reached']);
  add(row, 'route_change_count', typeof fields['former_route_hash'] === 'string' ? 1 : 0);
  add(row, 'black_hole_count', fields['mtu_black_hole']);
  takeInShare(row, 'loss', 'ratio', fields['loss_ratio']);
};

const ofPage = (row: Row, fields: Raw['fields']): void =>
  takeInShare(row, 'layout_shift', 'cls', fields['cls']);

const takeInShare = (row: Row, name: string, unit: string, value: Value): void => {
  if (typeof value !== 'number') return;
  add(row, `${name}_count`, 1);
  add(row, `${name}_sum_${unit}`, value);
  const most = `${name}_max_${unit}`;
  row.extremes[most] = Math.max(value, row.extremes[most] ?? value);
};

const takeInSample = (row: Row, point: Raw): void => {
  const { fields } = point;
  add(row, 'sample_count', 1);
  if (isDense({ fields } as Parameters<typeof isDense>[0])) {
    add(row, 'beside_plan_count', 1);
    return;
  }
  add(row, 'up_count', fields['up']);
  add(row, 'up_sum_bytes', fields['up_bytes']);
  add(row, 'down_sum_bytes', fields['down_bytes']);
  for (const name of ['reconnect_count', 'ping_sent_count', 'ping_lost_count']) {
    add(row, name, fields[name]);
  }
  takeInValues(row, point);
};

const pointOf = (into: Measurement, timeMs: number, row: Row, deviceCount: number): Point => {
  const spreads = Object.entries(row.spreads).flatMap(([name, { count, sum, min, max }]) => [
    [`${name}_count`, count],
    [`${name}_sum_ms`, sum],
    [`${name}_min_ms`, count === 0 ? null : min],
    [`${name}_max_ms`, count === 0 ? null : max],
  ]);
  const fields: Record<string, Value> = {
    ...Object.fromEntries(Object.keys(series[into].fields).map((name) => [name, null])),
    ...row.counts,
    ...row.extremes,
    ...Object.fromEntries(spreads),
    ...bucketFields(row.latency),
    device_count: deviceCount,
  };
  return { measurement: into, timeMs, tags: row.tags, fields } as unknown as Point;
};
