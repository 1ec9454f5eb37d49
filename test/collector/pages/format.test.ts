import { describe, expect, test } from 'vitest';
import { bytes, count, duration, ms, percent, when } from '#collector/pages/format.ts';

const plain = (text: string) => text.replaceAll('\u202f', ' ');

describe('numbers for people', () => {
  test.each([
    [0, '0 ms'],
    [0.04, '0 ms'],
    [0.25, '0.3 ms'],
    [9.94, '9.9 ms'],
    [9.96, '10 ms'],
    [10.4, '10 ms'],
    [1_234.6, '1 235 ms'],
    [1_234_567, '1 234 567 ms'],
    [-6.2, '−6.2 ms'],
    [null, '–'],
  ])('%s milliseconds read as %s', (value, text) => {
    expect(plain(ms(value))).toBe(text);
  });

  test.each([
    [0, '0 %'],
    [0.004, '0.4 %'],
    [0.123, '12 %'],
    [1, '100 %'],
  ])('a ratio of %s reads as %s', (value, text) => {
    expect(plain(percent(value))).toBe(text);
  });

  test('bytes come in a unit that fits', () => {
    expect([12, 5_120, 92_000_000].map((value) => plain(bytes(value)))).toEqual([
      '12 B',
      '5.1 kB',
      '92 MB',
    ]);
  });

  test('one is singular', () => {
    expect([count(1, 'device', 'devices'), count(2, 'device', 'devices')]).toEqual([
      '1 device',
      '2 devices',
    ]);
  });

  test.each([
    [2_000, 'moments'],
    [20_000, '20 s'],
    [180_000, '3 min'],
    [7_200_000, '2 h'],
    [259_200_000, '3 days'],
  ])('%s milliseconds last %s', (length, text) => {
    expect(duration(length)).toBe(text);
  });

  test('a time says how long ago, and exactly when on hover', () => {
    const now = Date.UTC(2026, 0, 2, 3, 4, 5);
    expect(when(now - 180_000, now).text).toBe(
      '<time datetime="2026-01-02T03:01:05.000Z" title="2026-01-02T03:01:05.000Z">3 min ago</time>',
    );
    expect(when(now + 6 * 86_400_000, now).text).toContain('in 6 days');
    expect(when(null, now).text).toContain('never');
  });
});
