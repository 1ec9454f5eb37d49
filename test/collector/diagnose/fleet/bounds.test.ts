import { describe, expect, test } from 'vitest';
import { createEngine } from '#collector/diagnose/fleet/engine.ts';
import {
  createFeed,
  deviceId,
  deviceReading,
  httpReading,
  pathReading,
  startMs,
  tunnelReading,
} from './feed.ts';

const binMs = 60_000;
const dayBins = 1_440;
const facts = { devices: {}, edges: {}, applications: {} };
const idOf = (device: number): string =>
  `00000000-0000-4000-8000-${device.toString(16).padStart(12, '0')}`;

/** Bytes in arrays that there are more after some work. */
const arraysFor = (work: () => void): number => {
  const before = process.memoryUsage().arrayBuffers;
  work();
  return process.memoryUsage().arrayBuffers - before;
};

describe('what comes late', () => {
  test('costs what is in it, over however many bins it is spread and whoever sent it', () => {
    const engine = createEngine({ binMs, facts });
    const nowMs = startMs + 2 * dayBins * binMs;
    // The one who comes back has a high number in a fleet of some size.
    for (let device = 0; device < 3_000; device += 1) {
      engine.observe(deviceReading(nowMs, { deviceId: idOf(device) }));
    }
    engine.advanceTo(nowMs + binMs);
    const bytes = arraysFor(() => {
      for (let bin = 0; bin < dayBins; bin += 1) {
        const timeMs = nowMs - bin * binMs;
        const mine = { deviceId: idOf(2_999) };
        engine.observe(tunnelReading(timeMs, mine));
        engine.observe(deviceReading(timeMs, mine));
        engine.observe(httpReading(timeMs, mine));
        engine.observe(pathReading(timeMs, [['10.0.0.1', 5]], mine));
      }
    });
    expect(bytes).toBeLessThan(8_000_000);
  });

  test('is learned from before it is much', () => {
    const feed = createFeed(binMs);
    feed.take(tunnelReading(startMs + 100 * binMs));
    feed.close(startMs + 100 * binMs);
    const engine = createEngine({ binMs, facts });
    engine.observe(tunnelReading(startMs + 100 * binMs));
    engine.advanceTo(startMs + 101 * binMs);
    const size = engine.save().length;
    for (let n = 0; n < 60_000; n += 1) engine.observe(tunnelReading(startMs + n));
    expect(engine.save().length - size).toBeLessThan(1_000_000);
  });
});

test('before the first bin is closed only some are open', () => {
  const { state, take } = createFeed(binMs);
  for (let bin = 0; bin < 1_000; bin += 1) take(tunnelReading(startMs + bin * binMs));
  expect(state.open.size).toBe(64);
});

describe('what one device makes up', () => {
  const hopsOf = (n: number): [string, number][] =>
    Array.from({ length: 64 }, (_, ttl) => [`10.${n >> 8}.${n & 255}.${ttl}`, 5]);

  test('is bounded in a bin and in a day', () => {
    const feed = createFeed(binMs);
    // All in one day.
    feed.close(startMs);
    for (let bin = 0; bin < 20; bin += 1) {
      const fromMs = startMs + (bin + 1) * binMs;
      for (let n = 0; n < 200; n += 1) {
        feed.take(pathReading(fromMs + n, hopsOf(bin * 200 + n)));
        feed.take(httpReading(fromMs + n, { appId: `app-${bin}-${n}`, probeId: `p-${bin}-${n}` }));
      }
      const open = feed.state.open.get(fromMs / binMs);
      expect(open?.traces.count).toBe(64);
      feed.close(fromMs);
    }
    const { addresses, appNames, words, keys, paths } = feed.state;
    expect(addresses.count + appNames.count + words.count).toBeLessThanOrEqual(2_010);
    expect(keys.rows.count).toBeLessThan(10_000);
    expect(paths.hops.count).toBeLessThan(500);
  });

  test('is no limit for others', () => {
    const feed = createFeed(binMs);
    for (let n = 0; n < 3_000; n += 1) feed.take(httpReading(startMs + n, { appId: `app-${n}` }));
    const other = idOf(7);
    feed.take(httpReading(startMs, { deviceId: other, appId: 'its-own' }));
    const view = feed.close(startMs);
    const known = (id: string) => view.device(view.indexOf(id) as number).applications.length;
    expect(known(deviceId)).toBeLessThanOrEqual(2_000);
    expect(known(other)).toBe(1);
  });
});
