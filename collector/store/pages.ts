import type { Measurement, Point } from './schema.ts';
import type { SelectQuery, Store } from './store.ts';

/** Rows held at once: a path's hops are a few kilobytes of text each. */
export const usualPageRows = 10_000;

/**
 * Every row of a range, a bounded portion at a time, in order of time: where one question would give
 * more rows than that, the time is halved.
 */
export async function* pages<M extends Measurement>(
  store: Pick<Store, 'select'>,
  query: Omit<SelectQuery<M>, 'limit' | 'order'>,
  maxRows: number,
): AsyncGenerator<Point<M>[]> {
  const { fromMs, toMs } = query;
  const isOneMs = toMs - fromMs <= 1;
  // One more than may be held tells that there are more; a millisecond cannot be halved.
  const limit = isOneMs ? 1_000_000 : maxRows + 1;
  const points = await store.select({ ...query, limit });
  if (isOneMs || points.length <= maxRows) {
    if (points.length > 0) yield points;
    return;
  }
  const middleMs = Math.floor((fromMs + toMs) / 2);
  yield* pages(store, { ...query, toMs: middleMs }, maxRows);
  yield* pages(store, { ...query, fromMs: middleMs }, maxRows);
}
