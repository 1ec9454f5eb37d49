import { expect, test } from 'vitest';
import { knownNames } from '#contract/known-names.ts';

test.each([
  [[], '; there is none yet'],
  [['a'], '; there is a'],
  [['b', 'a', 'b'], '; there are a, b'],
])('what exists is named: %j', (names, says) => {
  expect(knownNames(names)).toBe(says);
});

test('at most ten are named, and how many more there are', () => {
  const names = Array.from({ length: 13 }, (_, i) => `p${String(i).padStart(2, '0')}`);
  expect(knownNames(names)).toMatch(/^; there are p00, .*, p09 and 3 more$/);
});
