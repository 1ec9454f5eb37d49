import { at, type Columns, pageRows } from './columns.ts';

type Samples = Columns<{ readonly key: 'u32'; readonly ms: 'f32' }>;

/** Samples by key, sorted: whatever order they came in, the same numbers in the same places. */
export type Grouped = {
  /** Keys with samples, ascending. */
  keys: Uint32Array;
  /** The samples of `keys[i]` are `values[starts[i]]` to `values[starts[i + 1]]`. */
  starts: Uint32Array;
  values: Float32Array;
};

export const groupSamples = (samples: Samples, keyCount: number): Grouped => {
  const ends = new Uint32Array(keyCount + 1);
  for (let from = 0; from < samples.count; from += pageRows) {
    const { key } = samples.page(from);
    const rows = Math.min(pageRows, samples.count - from);
    for (let slot = 0; slot < rows; slot += 1) {
      const one = key[slot] as number;
      ends[one] = (ends[one] as number) + 1;
    }
  }
  let touched = 0;
  let sum = 0;
  for (let key = 0; key < keyCount; key += 1) {
    const count = ends[key] as number;
    if (count > 0) touched += 1;
    ends[key] = sum;
    sum += count;
  }
  const values = new Float32Array(samples.count);
  for (let from = 0; from < samples.count; from += pageRows) {
    const { key: keys, ms } = samples.page(from);
    const rows = Math.min(pageRows, samples.count - from);
    for (let slot = 0; slot < rows; slot += 1) {
      const key = keys[slot] as number;
      const to = ends[key] as number;
      values[to] = ms[slot] as number;
      ends[key] = to + 1;
    }
  }
  return listed(ends, values, keyCount, touched);
};

const listed = (
  ends: Uint32Array,
  values: Float32Array,
  keyCount: number,
  touched: number,
): Grouped => {
  const keys = new Uint32Array(touched);
  const starts = new Uint32Array(touched + 1);
  let start = 0;
  let next = 0;
  for (let key = 0; key < keyCount; key += 1) {
    const end = ends[key] as number;
    if (end === start) continue;
    sortRange(values, start, end);
    keys[next] = key;
    next += 1;
    starts[next] = end;
    start = end;
  }
  return { keys, starts, values };
};

/** Most keys have a handful of samples: insertion beats everything there. */
const sortRange = (values: Float32Array, from: number, to: number): void => {
  if (to - from > 24) {
    values.subarray(from, to).sort();
    return;
  }
  for (let i = from + 1; i < to; i += 1) {
    const value = values[i] as number;
    let j = i - 1;
    while (j >= from && (values[j] as number) > value) {
      values[j + 1] = values[j] as number;
      j -= 1;
    }
    values[j + 1] = value;
  }
};

/** Of sorted values between two places. */
export const middleOf = (sorted: ArrayLike<number>, from: number, to: number): number => {
  const last = to - from - 1;
  return (at(sorted, from + (last >> 1)) + at(sorted, from + ((last + 1) >> 1))) / 2;
};

/** A fifth are at or below. */
export const lowEndOf = (sorted: ArrayLike<number>, from: number, to: number): number =>
  at(sorted, from + Math.floor((to - from - 1) * 0.2));

export const statisticOf = (
  isLow: boolean,
  sorted: ArrayLike<number>,
  from: number,
  to: number,
): number => (isLow ? lowEndOf(sorted, from, to) : middleOf(sorted, from, to));

/** Without a tenth at either end. */
export const trimmedMeanOf = (sorted: ArrayLike<number>, from: number, to: number): number => {
  const cut = Math.floor((to - from) * 0.1);
  let sum = 0;
  for (let i = from + cut; i < to - cut; i += 1) sum += at(sorted, i);
  return sum / (to - from - 2 * cut);
};

/** One key's samples: all of them sorted, and how the planned ones among them lie. */
export type KeySamples = {
  key: number;
  values: Float32Array;
  from: number;
  to: number;
  /** Some were measured beside the plan: the planned ones alone; absent: all were planned. */
  planned?: Float32Array;
};

/** Visits all keys, ascending. The argument is good for the visit only. */
export const eachKey = (
  planned: Grouped,
  beside: Grouped,
  visit: (samples: KeySamples) => void,
): void => {
  let j = 0;
  for (let i = 0; i < planned.keys.length; i += 1) {
    const key = at(planned.keys, i);
    while (j < beside.keys.length && at(beside.keys, j) < key) visit(besideOnly(beside, j++));
    const own = {
      key,
      values: planned.values,
      from: at(planned.starts, i),
      to: at(planned.starts, i + 1),
    };
    if (j < beside.keys.length && at(beside.keys, j) === key) visit(both(own, beside, j++));
    else visit(own);
  }
  while (j < beside.keys.length) visit(besideOnly(beside, j++));
};

const besideOnly = ({ keys, starts, values }: Grouped, j: number): KeySamples => ({
  key: at(keys, j),
  values,
  from: at(starts, j),
  to: at(starts, j + 1),
  planned: new Float32Array(0),
});

const both = (own: KeySamples, { starts, values }: Grouped, j: number): KeySamples => {
  const planned = own.values.slice(own.from, own.to);
  const all = new Float32Array(planned.length + at(starts, j + 1) - at(starts, j));
  all.set(planned);
  all.set(values.subarray(at(starts, j), at(starts, j + 1)), planned.length);
  return { key: own.key, values: all.sort(), from: 0, to: all.length, planned };
};

/** All keys of two ascending lists without any in common or with some. */
export const joined = (a: Uint32Array, b: Uint32Array): Uint32Array => {
  if (b.length === 0) return a;
  return Uint32Array.from(new Set([...a, ...b])).sort();
};
