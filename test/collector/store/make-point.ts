import {
  type FieldsOf,
  type Measurement,
  type Point,
  series,
  type TagOf,
} from '#collector/store/schema.ts';

/** A point with what a test cares about; no tag and no value elsewhere. */
export const makePoint = <M extends Measurement>(
  measurement: M,
  timeMs: number,
  tags: Partial<Record<TagOf<M>, string>>,
  fields: Partial<FieldsOf<M>> = {},
): Point<M> => {
  const { tags: tagNames, fields: kinds } = series[measurement];
  return {
    measurement,
    timeMs,
    tags: { ...Object.fromEntries(tagNames.map((tag) => [tag, ''])), ...tags },
    fields: { ...Object.fromEntries(Object.keys(kinds).map((name) => [name, null])), ...fields },
  } as unknown as Point<M>;
};

/** Random numbers 0..1 that are the same every time (mulberry32). */
export const seededRandom = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};
