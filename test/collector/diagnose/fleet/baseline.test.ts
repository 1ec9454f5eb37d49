import { describe, expect, test } from 'vitest';
import type { BinView } from '#collector/diagnose/fleet/bin-view.ts';
import { createFeed, startMs, tunnelReading } from './feed.ts';

const binMs = 300_000;
const dayBins = 288;

/** Noise that is the same in every run: fractions of multiples of the golden ratio. */
const wiggle = (i: number): number => ((i * 0.618_033_988_75) % 1) - 0.5;

const tunnelOf = (view: BinView) => view.device(1).tunnel;

/** Feeds one control round trip in each bin and gives the tunnel's difference in the last. */
const feedBins = (
  feed: ReturnType<typeof createFeed>,
  from: number,
  to: number,
  rttMs: (bin: number) => number,
) => {
  let last: ReturnType<typeof tunnelOf> = null;
  for (let bin = from; bin < to; bin += 1) {
    const fromMs = startMs + bin * binMs;
    feed.take(tunnelReading(fromMs + 1_000, { controlRttMs: rttMs(bin) }));
    last = tunnelOf(feed.close(fromMs));
  }
  return last;
};

describe('seasonal robust baselines', () => {
  test('a key is used once eight bins are known, not before', () => {
    const feed = createFeed(binMs);
    expect(feedBins(feed, 0, 8, (i) => 20 + wiggle(i))?.ready).toBe(false);
    expect(feedBins(feed, 8, 9, (i) => 20 + wiggle(i))?.ready).toBe(true);
  });

  test('a rise shows in full, once and twice in a row', () => {
    const feed = createFeed(binMs);
    feedBins(feed, 0, 40, (i) => 20 + wiggle(i));
    const once = feedBins(feed, 40, 41, () => 60);
    expect(once?.fastMs).toBeCloseTo(40, 0);
    expect(once?.persistentMs).toBeLessThan(2);
    const twice = feedBins(feed, 41, 42, () => 60);
    expect(twice?.persistentMs).toBeGreaterThan(39);
    expect(twice?.scaleMs).toBeLessThan(4);
  });

  test('the busy hours of every day are normal by the third day', () => {
    const busy = (i: number): number => {
      const hour = ((i % dayBins) * 5) / 60;
      return 20 + 9 * Math.exp(-(((hour - 20.5) / 2) ** 2)) + 6 * wiggle(i);
    };
    const peak = 2 * dayBins + 20.5 * 12;
    const learned = createFeed(binMs);
    feedBins(learned, 0, peak, busy);
    expect(Math.abs(feedBins(learned, peak, peak + 1, () => 29)?.fastMs ?? 99)).toBeLessThan(4);
    const level = createFeed(binMs, { seasonal: false });
    feedBins(level, 0, peak, busy);
    expect(feedBins(level, peak, peak + 1, () => 29)?.fastMs).toBeGreaterThan(6);
  });

  test('the second night is as the first, though the level has risen with the day in between', () => {
    const busy = (i: number): number => {
      const hour = ((i % dayBins) * 5) / 60;
      return 40 + 20 * Math.exp(-(((hour - 13) / 3) ** 2) / 2) + 6 * wiggle(i);
    };
    const feed = createFeed(binMs);
    const noon = 13 * 12;
    const night = dayBins + 3 * 12;
    feedBins(feed, 0, night, busy);
    expect(Math.abs(feedBins(feed, night, night + 1, () => 40)?.fastMs ?? 99)).toBeLessThan(1.5);
    feedBins(feed, night + 1, dayBins + noon, busy);
    const peak = feedBins(feed, dayBins + noon, dayBins + noon + 1, () => 60);
    expect(Math.abs(peak?.fastMs ?? 99)).toBeLessThan(4);
  });

  test('a fault of six hours does not become normal', () => {
    const feed = createFeed(binMs);
    feedBins(feed, 0, dayBins, (i) => 20 + wiggle(i));
    const during = feedBins(feed, dayBins, dayBins + 72, (i) => 80 + wiggle(i));
    expect(during?.fastMs).toBeGreaterThan(50);
    const after = feedBins(feed, dayBins + 72, dayBins + 73, () => 20);
    expect(Math.abs(after?.fastMs ?? 99)).toBeLessThan(8);
  });

  test('a change for good becomes normal within days', () => {
    const feed = createFeed(binMs);
    feedBins(feed, 0, dayBins, (i) => 20 + wiggle(i));
    const after = feedBins(feed, dayBins, 5 * dayBins, (i) => 45 + wiggle(i));
    expect(after?.fastMs).toBeLessThan(8);
  });

  test('bins of ten seconds learn as slowly by the clock, and are of use after eight of them', () => {
    const feed = createFeed(10_000);
    let last: ReturnType<typeof tunnelOf> = null;
    const step = (i: number, rttMs: number): void => {
      const fromMs = startMs + i * 10_000;
      feed.take(tunnelReading(fromMs + 500, { controlRttMs: rttMs }));
      last = tunnelOf(feed.close(fromMs));
    };
    for (let i = 0; i < 12; i += 1) step(i, 20 + wiggle(i));
    expect(last).toMatchObject({ ready: true });
    for (let i = 12; i < 60; i += 1) step(i, 80);
    expect((last as { fastMs: number } | null)?.fastMs).toBeGreaterThan(40);
  });

  test('a bin with fewer samples than usual is less sure of its value', () => {
    const feed = createFeed(binMs);
    const take = (bin: number, count: number) => {
      const fromMs = startMs + bin * binMs;
      for (let i = 0; i < count; i += 1) {
        const rttMs = 20 + 4 * wiggle(bin * 9 + i);
        feed.take(tunnelReading(fromMs + i * 1_000, { controlRttMs: rttMs }));
      }
      return tunnelOf(feed.close(fromMs));
    };
    for (let bin = 0; bin < 40; bin += 1) take(bin, 9);
    const full = take(40, 9);
    const sparse = take(41, 1);
    expect(sparse?.sampleCount).toBe(1);
    expect(sparse?.scaleMs).toBeGreaterThan(2.5 * (full?.scaleMs ?? 99));
  });

  test('runs beside the plan count in their bin and teach nothing', () => {
    const feed = createFeed(binMs);
    feedBins(feed, 0, 40, (i) => 20 + wiggle(i));
    for (let bin = 40; bin < 200; bin += 1) {
      const fromMs = startMs + bin * binMs;
      feed.take(tunnelReading(fromMs, { controlRttMs: 26, requested: true }));
      expect(tunnelOf(feed.close(fromMs))?.fastMs).toBeCloseTo(6, 0);
    }
  });
});
