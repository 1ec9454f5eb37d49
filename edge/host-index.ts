import { normalHost } from '#contract/host-pattern.ts';
import { createRangeIndex } from '#contract/range-index.ts';

/** Lists of numbers by what a host matches; each list is in ascending order. */
export type HostIndex = {
  /** `name`: as `normalHost` gives it. */
  find(name: string): readonly (readonly number[])[];
};

/**
 * Compiles many lists of HostPatterns (see contract/policy.ts) into one index: a look-up costs one
 * step per label of the name, or per prefix length of an address, however many patterns there are.
 * Values are to be added in ascending order.
 */
export const compileHostIndex = (
  entries: readonly { patterns: readonly string[]; value: number }[],
): HostIndex => {
  const exact = new Map<string, number[]>();
  const under = new Map<string, number[]>();
  const ranges = createRangeIndex<number>();
  const everything: number[] = [];
  for (const { patterns, value } of entries) {
    for (const pattern of patterns) {
      if (pattern === '*') add(everything, value);
      else if (ranges.add(pattern, value)) continue;
      else if (pattern.startsWith('*.')) addTo(under, pattern.slice(2), value);
      else if (pattern.startsWith('.')) {
        addTo(exact, pattern.slice(1), value);
        addTo(under, pattern.slice(1), value);
      } else addTo(exact, pattern, value);
    }
  }

  return {
    find(name) {
      const found: number[][] = everything.length === 0 ? [] : [everything];
      const inRanges = ranges.find(name);
      if (inRanges.length > 0) found.push([...new Set(inRanges)].sort((a, b) => a - b));
      const whole = exact.get(name);
      if (whole) found.push(whole);
      for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
        const suffix = under.get(name.slice(dot + 1));
        if (suffix) found.push(suffix);
      }
      return found;
    },
  };
};

const add = (list: number[], value: number): void => {
  if (list.at(-1) !== value) list.push(value);
};

const addTo = (map: Map<string, number[]>, name: string, value: number): void => {
  const key = normalHost(name);
  const list = map.get(key);
  if (list) add(list, value);
  else map.set(key, [value]);
};
