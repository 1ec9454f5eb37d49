import { describe, expect, it } from 'vitest';
import { toPoints } from '#collector/store/points.ts';
import type { Point } from '#collector/store/schema.ts';
import { medianInterval, tunnelTaxOf } from '#collector/triage/tunnel-tax.ts';
import { sampleRecords } from '#test/collector/store/sample-records.ts';

const sample = toPoints(
  sampleRecords['http after a redirect, through the tunnel'] as never,
  1_700_000_005_000,
)[0] as Point<'http'>;

const run = (
  pair: number | null,
  via: 'tunnel' | 'direct',
  changes: Partial<Point<'http'>['fields']> = {},
): Point<'http'> => ({
  ...sample,
  tags: { ...sample.tags, via },
  fields: {
    ...sample.fields,
    pair_id: pair === null ? null : `pair-${pair}`,
    inspected: null,
    inspection: null,
    ...changes,
  },
});

const pairs = (differences: readonly number[]): Point<'http'>[] =>
  differences.flatMap((ms, i) => [
    run(i, 'tunnel', { duration_ms: 100 + ms }),
    run(i, 'direct', { duration_ms: 100 }),
  ]);

describe('the tunnel tax', () => {
  it('is the median of the pairs’ differences with its interval, in one sentence', () => {
    const tax = tunnelTaxOf(pairs([11, 12, 13, 14, 15, 90]));
    expect(tax).toMatchObject({ pairCount: 6, medianMs: 13.5, lowMs: 11, highMs: 90 });
    expect(tax?.sentence).toBe(
      'A request takes 14 ms longer through the tunnel than direct (95 % sure: 11 to 90 ms; 6 pairs).',
    );
  });

  it('is not told from too few pairs, and is nothing without any', () => {
    const tax = tunnelTaxOf(pairs([1, 2, 3, 4, 5]));
    expect(tax).toMatchObject({ pairCount: 5, medianMs: null, lowMs: null, highMs: null });
    expect(tax?.sentence).toContain('Too few pairs');
    expect(tunnelTaxOf([run(null, 'tunnel'), run(null, 'direct')])).toBeNull();
  });

  it('says so when no difference can be told from chance, and when the tunnel is faster', () => {
    expect(tunnelTaxOf(pairs([-3, -2, -1, 1, 2, 3]))?.sentence).toContain('takes as long');
    expect(tunnelTaxOf(pairs([-30, -29, -28, -28, -27, -26]))?.sentence).toContain(
      '28 ms less through the tunnel',
    );
  });

  it('leaves out halves, distorted runs and failures, and counts who failed alone', () => {
    const tax = tunnelTaxOf([
      ...pairs([10, 10, 10, 10, 10, 10, 10]),
      run(20, 'tunnel'),
      run(21, 'tunnel', { distorted: 1, duration_ms: 9_000 }),
      run(21, 'direct'),
      run(22, 'tunnel', { ok: 0, failure_source: 'edge', duration_ms: 5 }),
      run(22, 'direct'),
      run(23, 'tunnel'),
      run(23, 'direct', { ok: 0, failure_source: 'agent', duration_ms: 5 }),
    ]);
    expect(tax).toMatchObject({
      pairCount: 7,
      medianMs: 10,
      onlyTunnelFailedCount: 1,
      onlyDirectFailedCount: 0,
    });
    expect(tax?.sentence).toContain('1 failed only through the tunnel');
  });

  it.each([
    ['tunnel', [1, 'Zscaler'], [0, 'Public CA']],
    ['direct', [0, 'Public CA'], [1, 'Firewall CA']],
    ['both', [1, 'Zscaler'], [1, 'Firewall CA']],
    // A private application's own CA.
    ['none', [1, 'Company CA'], [1, 'Company CA']],
    ['none', [0, 'Public CA'], [0, 'Public CA']],
  ] as const)('says that TLS is inspected: %s', (expected, one, other) => {
    const show = ([inspected, issuer]: readonly [number, string]) => ({
      inspected,
      certificate_issuer: issuer,
      inspection: inspected === 1 ? `private-root: ${issuer}` : null,
    });
    const tax = tunnelTaxOf([run(1, 'tunnel', show(one)), run(1, 'direct', show(other))]);
    expect(tax?.inspection).toBe(expected);
  });
});

describe('the interval of a median', () => {
  // Tables of the sign test (Conover, Practical Nonparametric Statistics): the rank from each end.
  it.each([
    [6, 1],
    [8, 1],
    [9, 2],
    [12, 3],
    [20, 6],
    [25, 8],
    [50, 18],
    [100, 40],
    [2_000, 956],
  ])('of %i values lies between the %i-th from each end', (n, rank) => {
    const interval = medianInterval(Array.from({ length: n }, (_, i) => i + 1));
    expect(interval).toMatchObject({ lowMs: rank, highMs: n + 1 - rank });
  });

  it('holds the true median in at least 95 of 100 cases, whatever the spread', () => {
    const random = createRandom(7);
    for (const draw of [
      () => random(),
      () => -Math.log(1 - random()),
      () => (random() - 0.5) ** 3,
    ]) {
      const truth = medianOf(Array.from({ length: 200_001 }, draw));
      let held = 0;
      for (let i = 0; i < 2_000; i++) {
        const values = Array.from({ length: 15 }, draw).sort((a, b) => a - b);
        const interval = medianInterval(values);
        if (interval && interval.lowMs <= truth && truth <= interval.highMs) held += 1;
      }
      expect(held / 2_000).toBeGreaterThan(0.95);
    }
  });
});

const medianOf = (values: number[]): number =>
  values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Mulberry32: the same numbers on every run. */
const createRandom = (seed: number) => {
  let state = seed;
  return (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
};
