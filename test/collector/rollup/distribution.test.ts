import { expect, it } from 'vitest';
import {
  bucketFields,
  countIn,
  distributionOf,
  emptyDistribution,
  quantileOf,
} from '#collector/rollup/distribution.ts';
import { bucketBoundsMs } from '#collector/store/rollup-schema.ts';
import { seededRandom } from '#test/collector/store/make-point.ts';

const distribution = (values: readonly number[]) => {
  const made = emptyDistribution();
  for (const value of values) countIn(made, value);
  return made;
};

/** The value of rank ceil(share · n): the smallest that so many do not exceed. */
const exact = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? Number.NaN;
};

it('the ladder’s neighbours differ by a quarter at most, or by one millisecond', () => {
  for (const [i, bound] of bucketBoundsMs.entries()) {
    const before = bucketBoundsMs[i - 1] ?? 0;
    expect(bound > before && (bound - before <= 1 || bound / before <= 1.25)).toBe(true);
  }
});

it('a quantile is off by a quarter of the exact one at most, or by one millisecond', () => {
  const random = seededRandom(7);
  const normal = () => Math.sqrt(-2 * Math.log(random() || 1e-9)) * Math.cos(6.283185 * random());
  const shapes: (() => number)[] = [
    () => 180 * Math.exp(0.5 * normal()),
    () => (random() < 0.9 ? 30 + 4 * normal() : 2_000 + 300 * normal()),
    () => random() * 5,
    () => 250,
    () => 10 ** (random() * 4.7),
    () => bucketBoundsMs[Math.floor(random() * bucketBoundsMs.length)] ?? 1,
  ];
  let worst = 0;
  for (let round = 0; round < 600; round += 1) {
    const draw = shapes[round % shapes.length] ?? (() => 1);
    const values = Array.from({ length: 1 + Math.floor(random() * 500) }, () =>
      Math.max(0.01, draw()),
    );
    for (const share of [0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1]) {
      const [found, real] = [quantileOf(distribution(values), share) ?? -1, exact(values, share)];
      const off = Math.abs(found - real);
      expect(off <= Math.max(1, real * 0.25) + 1e-9, `${share} of round ${round}`).toBe(true);
      if (real > 10) worst = Math.max(worst, off / real);
    }
  }
  // It is a bound that is used, not a lucky one.
  expect(worst).toBeGreaterThan(0.05);
});

it('beyond the ladder a quantile lies between its last bound and the largest value', () => {
  const found = quantileOf(distribution([10, 70_000, 120_000]), 0.9) ?? 0;
  expect(found).toBeGreaterThan(60_000);
  expect(found).toBeLessThanOrEqual(120_000);
});

it('of nothing there is no quantile', () => {
  expect(quantileOf(emptyDistribution(), 0.5)).toBeNull();
});

it('what is stored of a distribution gives the same one back', () => {
  const random = seededRandom(3);
  const made = distribution(Array.from({ length: 999 }, () => random() * 90_000));
  const { minMs, maxMs } = made;
  expect(distributionOf(bucketFields(made), { count: 999, minMs, maxMs })).toEqual(made);
});
