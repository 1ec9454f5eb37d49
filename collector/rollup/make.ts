import { pages, usualPageRows } from '../store/pages.ts';
import type { FieldOf, Point } from '../store/schema.ts';
import type { Store } from '../store/store.ts';
import { createFold } from './fold.ts';
import { mergeRows } from './merge.ts';
import { binMs, binsOfHour, fieldsRead, hourMs, type RolledUp, rolledUpNames } from './tiers.ts';

/** How many points each 5 minutes of a stretch hold, by measurement. */
export type PointCounts = Record<RolledUp, ReadonlyMap<number, number>>;

export const countPoints = async (
  store: Store,
  bins: { from: number; to: number },
): Promise<PointCounts> => {
  const counted = await Promise.all(
    rolledUpNames.map(async (measurement) => {
      const rows = await store.aggregate({
        measurement,
        field: always[measurement] as FieldOf<RolledUp>,
        statistics: ['count'],
        fromMs: bins.from * binMs,
        toMs: bins.to * binMs,
        everyMs: binMs,
      });
      const counts = rows.map(({ timeMs, values }): [number, number] => [
        (timeMs ?? 0) / binMs,
        values.count ?? 0,
      ]);
      return [measurement, new Map(counts)] as const;
    }),
  );
  return Object.fromEntries(counted) as unknown as PointCounts;
};

/** A field that every row has. */
const always = {
  http: 'received_at_ms',
  page_load: 'received_at_ms',
  path: 'received_at_ms',
  tunnel: 'up',
} as const satisfies { [M in RolledUp]: FieldOf<M> };

/** Makes one 5 minutes' roll-ups from the raw points. `counts` says where there are any, and about how many. */
export const makeBin = async (
  store: Store,
  bin: number,
  counts: PointCounts,
  onPage: () => Promise<void>,
): Promise<void> => {
  const made: Point[] = [];
  for (const measurement of rolledUpNames) {
    const fold = createFold(measurement, bin * binMs);
    for (const { fromMs, toMs } of slices(bin, counts[measurement].get(bin) ?? 0)) {
      const query = { measurement, fields: fieldsRead[measurement], fromMs, toMs };
      for await (const points of pages<RolledUp>(store, query, usualPageRows)) {
        fold.add(points);
        await onPage();
      }
    }
    made.push(...fold.points());
  }
  await store.write(made);
};

/** So many that one is hardly ever halved. */
const slices = (bin: number, pointCount: number): { fromMs: number; toMs: number }[] => {
  const sliceCount = Math.ceil(pointCount / (usualPageRows * 0.8));
  const at = (slice: number) => Math.round(bin * binMs + (slice * binMs) / sliceCount);
  return Array.from({ length: sliceCount }, (_, i) => ({ fromMs: at(i), toMs: at(i + 1) }));
};

/** Makes an hour's rows from those of its twelve 5 minutes. */
export const makeHour = async (store: Store, hour: number): Promise<void> => {
  const fromMs = hour * hourMs;
  const rows: Point<'http_5m'>[] = [];
  const query = { measurement: 'http_5m', fromMs, toMs: fromMs + hourMs } as const;
  for await (const page of pages(store, query, usualPageRows)) rows.push(...page);
  await store.write(mergeRows(rows, { measurement: 'http_1h', timeMs: fromMs }));
};

export const hourOf = (bin: number): number => Math.floor(bin / binsOfHour);
