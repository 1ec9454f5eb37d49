import { wayOf } from '../store/rollup-schema.ts';
import { type Measurement, type Point, series } from '../store/schema.ts';

type Fields = Record<string, number | null>;

/**
 * Rows of the same tags as one: counts, sums and buckets add up; the least and the most are those of
 * all; of device counts the largest, for the same device is in many rows.
 */
export const mergeRows = <M extends Measurement>(
  rows: readonly Point<M>[],
  into: { measurement: M | 'http_1h'; timeMs: number },
): Point[] => {
  const merged = new Map<string, { tags: Record<string, string>; fields: Fields }>();
  const ways = waysOf(into.measurement);
  for (const row of rows) {
    const { tags, fields } = row as unknown as { tags: Record<string, string>; fields: Fields };
    const key = JSON.stringify(Object.values(tags));
    const known = merged.get(key);
    if (known === undefined) merged.set(key, { tags, fields: { ...fields } });
    else for (const [name, way] of ways) known.fields[name] = way(known.fields[name], fields[name]);
  }
  return [...merged.values()].map((one) => ({ ...into, ...one }) as unknown as Point);
};

type Way = (a: number | null | undefined, b: number | null | undefined) => number | null;

const waysOf = (measurement: Measurement): [string, Way][] =>
  Object.keys(series[measurement].fields).map((name) => [name, ways[wayOf(name)]]);

const both =
  (take: (a: number, b: number) => number): Way =>
  (a, b) => {
    if (a === null || a === undefined) return b ?? null;
    return b === null || b === undefined ? a : take(a, b);
  };

const ways = { sum: both((a, b) => a + b), min: both(Math.min), max: both(Math.max) } as const;
