import { describe, expect, test } from 'vitest';
import type { BinView } from '#collector/diagnose/fleet/bin-view.ts';
import {
  createFeed,
  deviceId,
  deviceReading,
  httpReading,
  pageReading,
  pathReading,
  startMs,
  tunnelReading,
} from './feed.ts';

const binMs = 300_000;
const wiggle = (i: number): number => ((i * 0.618_033_988_75) % 1) - 0.5;
type Feed = ReturnType<typeof createFeed>;

const usual: [string | null, number][] = [
  ['192.168.1.1', 3],
  ['10.0.0.1', 8],
  [null, 0],
  ['203.0.113.1', 19],
];
const detour: [string | null, number][] = [
  ['192.168.1.1', 3],
  ['10.0.0.1', 8],
  ['198.51.100.9', 60],
  ['203.0.113.1', 79],
];

const noisy = (hops: typeof usual, i: number): typeof usual =>
  hops.map(([address, ms], j) => [address, ms + wiggle(i + j)]);

const step = (feed: Feed, bin: number, hops: typeof usual) => {
  const fromMs = startMs + bin * binMs;
  feed.take(tunnelReading(fromMs + 1_000));
  feed.take(pathReading(fromMs + 2_000, noisy(hops, bin)));
  return feed.close(fromMs).device(1);
};

describe('view of a bin', () => {
  test('a run is taken apart by its own numbers', () => {
    const feed = createFeed(binMs);
    // 300 ms of CONNECT were lost to an address that did not answer: they are on neither leg.
    const { proxyConnectMs, edge } = httpReading(startMs);
    const reading = httpReading(startMs, {
      proxyConnectMs: (proxyConnectMs ?? 0) + 300,
      edge: edge && { ...edge, waitedMs: 300 },
    });
    feed.take(reading);
    const view = feed.close(startMs);
    expect(view.device(1).runRoundTrip?.nowMs).toBeCloseTo(20);
    expect(view.onward[0]?.connect?.nowMs).toBeCloseTo(10);
    const parts = Object.fromEntries(view.cells.map(({ part, delta }) => [part, delta.nowMs]));
    expect(parts['in-edge']).toBeCloseTo(0.5);
    expect(parts['dns']).toBeCloseTo(1.5);
    expect(parts['tls']).toBeCloseTo(4);
    expect(parts['server']).toBeCloseTo(50);
    expect(parts['transfer']).toBeCloseTo(14);
    expect(view.cells[0]).toMatchObject({ edgeId: 'edge-1', appId: 'crm', frontEnd: '192.0.2.1' });
    const run = view.device(1).applications[0]?.newestRun;
    expect(run).toEqual(reading);
  });

  test('a straight run has one round trip, its handshake', () => {
    const feed = createFeed(binMs);
    const straight = { via: 'direct', edgeId: null, edge: null, proxyConnectMs: null } as const;
    feed.take(
      httpReading(startMs, { ...straight, dnsMs: 7, connectMs: 25, remoteAddress: '192.0.2.1' }),
    );
    const view = feed.close(startMs);
    const app = view.device(1).applications[0];
    expect(app?.directConnect?.nowMs).toBeCloseTo(25);
    expect(app?.roundTrips).toEqual({ leg1: 0, leg2: 0, direct: 3 });
    expect(view.cells.map(({ part, edgeId, delta }) => [part, edgeId, delta.nowMs])).toEqual([
      ['dns', null, 7],
      ['tls', null, 9],
      ['server', null, 55],
      ['transfer', null, 14],
    ]);
  });

  test('of a new place some look-ups are thought to miss the cache, until a dozen did not', () => {
    const feed = createFeed(binMs);
    const shareAfter = (bins: number) => {
      let share: number | undefined;
      for (let bin = 0; bin < bins; bin += 1) {
        const at = startMs + bin * binMs;
        feed.take(httpReading(at));
        share = feed.close(at).cells.find(({ part }) => part === 'dns')?.misses?.share;
      }
      return share;
    };
    expect(shareAfter(10)).toBeGreaterThan(0.05);
    expect(shareAfter(100)).toBeLessThan(0.01);
  });

  test('distorted and failed runs count as what they are, and never as normal', () => {
    const feed = createFeed(binMs);
    for (let bin = 0; bin < 20; bin += 1) {
      feed.take(httpReading(startMs + bin * binMs, { totalMs: 160 + wiggle(bin) }));
      feed.close(startMs + bin * binMs);
    }
    const at = startMs + 20 * binMs;
    feed.take(httpReading(at, { totalMs: 9_000, distorted: true }));
    feed.take(httpReading(at + 1, { totalMs: 9_000, ok: false, failureType: 'tls.timeout' }));
    const view = feed.close(at);
    const app = view.device(1).applications[0];
    expect(app).toMatchObject({ runCount: 1, okCount: 0, failureType: 'tls.timeout', total: null });
    expect(view.ailing).toEqual([1]);
    feed.take(httpReading(at + binMs));
    expect(feed.close(at + binMs).device(1).applications[0]?.total?.normalMs).toBeCloseTo(160, 0);
  });

  test('a busy event loop is taken off what the device timed, and widens it', () => {
    const feed = createFeed(binMs);
    const take = (bin: number, lagMs: number) => {
      const fromMs = startMs + bin * binMs;
      feed.take(deviceReading(fromMs, { lagMs, gatewayRttMs: 2 + lagMs + 0.2 * wiggle(bin) }));
      return feed.close(fromMs);
    };
    for (let bin = 0; bin < 20; bin += 1) take(bin, 1);
    const device = take(20, 41).device(1);
    expect(device.lagExtraMs).toBeCloseTo(40);
    expect(device.gateway?.fastMs).toBeCloseTo(0, 0);
    expect(device.gateway?.scaleMs).toBeGreaterThan(15);
    expect(device.isHot).toBe(true);
  });

  test('only a device with a reference off its normal is hot', () => {
    const feed = createFeed(binMs);
    for (let bin = 0; bin < 20; bin += 1) {
      feed.take(tunnelReading(startMs + bin * binMs, { controlRttMs: 20 + wiggle(bin) }));
      expect(feed.close(startMs + bin * binMs).hot).toEqual([]);
    }
    feed.take(tunnelReading(startMs + 20 * binMs, { controlRttMs: 50 }));
    const view = feed.close(startMs + 20 * binMs);
    expect(view.hot).toEqual([1]);
    expect(view.active).toEqual([1]);
  });

  test('a hop that is silent now and then leaves the way the same', () => {
    const feed = createFeed(binMs);
    for (let bin = 0; bin < 12; bin += 1) {
      const hops = usual.map((hop, i): (typeof usual)[number] =>
        i === 1 && bin % 3 === 1 ? [null, 0] : hop,
      );
      const trace = step(feed, bin, hops).trace;
      expect(trace?.changedAtMs).toBeNull();
      if (bin > 0) expect(trace?.signature).toBe('192.168.1.1 10.0.0.1 * 203.0.113.1');
    }
    const hop = step(feed, 12, usual).trace?.hops[1];
    expect(hop?.answers).toBeGreaterThan(0.5);
    expect(hop?.answers).toBeLessThan(0.9);
    expect(hop?.delta?.ready).toBe(true);
  });

  test('a detour is not normal after half an hour: what was known of its last hop still counts', () => {
    const feed = createFeed(binMs);
    const day = 288;
    for (let bin = 0; bin < day; bin += 1) step(feed, bin, usual);
    let device = step(feed, day, detour);
    for (let bin = day + 1; bin < day + 24; bin += 1) device = step(feed, bin, detour);
    const { trace } = device;
    expect(trace?.changedAtMs).toBe(startMs + day * binMs);
    expect(trace?.hops[2]?.delta?.ready).toBe(false);
    expect(trace?.hops[3]?.delta).toMatchObject({ ready: true });
    expect(trace?.hops[3]?.delta?.fastMs).toBeGreaterThan(45);
    expect(trace?.rtt?.fastMs).toBeGreaterThan(45);
    expect(step(feed, day + 24, usual).trace?.changedAtMs).toBeNull();
  });

  test('two ways taken in turns are both normal', () => {
    const feed = createFeed(binMs);
    const other: typeof usual = [...usual.slice(0, 1), ['10.0.0.2', 14], ...usual.slice(2)];
    for (let bin = 0; bin < 60; bin += 1) {
      const device = step(feed, bin, bin % 2 === 0 ? usual : other);
      if (bin < 30) continue;
      expect(device.trace?.changedAtMs).toBeNull();
      expect(Math.abs(device.trace?.hops[1]?.delta?.fastMs ?? 99)).toBeLessThan(2);
    }
  });

  test('losses are counted over half an hour, and what is lost normally is learned', () => {
    const feed = createFeed(binMs);
    const take = (bin: number, pingLostCount: number) => {
      const fromMs = startMs + bin * binMs;
      feed.take(tunnelReading(fromMs, { pingSentCount: 20, pingLostCount }));
      return feed.close(fromMs);
    };
    for (let bin = 0; bin < 50; bin += 1) take(bin, bin % 25 === 24 ? 1 : 0);
    const calm = take(50, 0).device(1).tunnelLoss;
    expect(calm).toMatchObject({ sent: 120, lost: 1 });
    expect(calm?.normalRatio).toBeLessThan(0.01);
    take(51, 4);
    const lossy = take(52, 5);
    expect(lossy.device(1).tunnelLoss).toMatchObject({ lost: 10, recentLost: 9 });
    expect(lossy.device(1).tunnelLoss?.normalRatio).toBeLessThan(0.01);
    expect(lossy.hot).toEqual([1]);
  });

  test('a cell of few samples is judged by those of three bins', () => {
    const feed = createFeed(binMs);
    for (let bin = 0; bin < 5; bin += 1) {
      const fromMs = startMs + bin * binMs;
      feed.take(httpReading(fromMs, { waitMs: 80 + bin }));
      const cell = feed.close(fromMs).cells.find(({ part }) => part === 'server');
      expect(cell?.delta.sampleCount).toBe(Math.min(3, bin + 1));
      expect(cell?.deviceCount).toBe(1);
    }
  });

  test('late readings are learned from', () => {
    const feed = createFeed(binMs);
    for (let bin = 0; bin < 9; bin += 1) {
      feed.take(tunnelReading(startMs + bin * binMs, { deviceId: 'other' }));
      feed.close(startMs + bin * binMs);
    }
    for (let bin = 0; bin < 9; bin += 1) feed.take(tunnelReading(startMs + bin * binMs));
    const now = startMs + 9 * binMs;
    feed.take(tunnelReading(now, { controlRttMs: 60 }));
    const device = feed.close(now).device(2);
    expect(device.tunnel).toMatchObject({ ready: true, fastMs: 40 });
  });

  const nameOf = (i: number) => deviceId.replace(/.$/, String(i));
  /** How many devices the third party of the page is said to have, bin by bin. */
  const countsOf = (loads: readonly (readonly number[])[]) => {
    const feed = createFeed(binMs);
    return loads.map((devices, bin) => {
      const fromMs = startMs + bin * binMs;
      for (const [i, device] of devices.entries())
        feed.take(pageReading(fromMs + 1_000 * i, nameOf(device)));
      return feed.close(fromMs).pages[0]?.thirdParties[0]?.deviceCount;
    });
  };
  const nine = [1, 2, 3, 4, 5, 6, 7, 8, 9];

  test('loads by one device are one device, however many they are', () => {
    expect(countsOf(Array(9).fill(nine)).at(-1)).toBe(9);
    expect(countsOf(Array(9).fill(nine.map(() => 1))).at(-1)).toBe(1);
  });

  test('devices that wait for a third party are counted once over bins with few loads', () => {
    const usual = Array(9).fill([1, 2]);
    expect(countsOf([...usual, [1, 3], [1, 4], [1, 4]]).slice(-4)).toEqual([2, 3, 4, 3]);
  });

  test('a cell remembers what it was off by for half a dozen bins, and before that', () => {
    const feed = createFeed(binMs);
    const lastingAfter = (bins: number, waitMs: number, from: number) => {
      let server: BinView['cells'][number] | undefined;
      for (let bin = from; bin < from + bins; bin += 1) {
        feed.take(httpReading(startMs + bin * binMs, { waitMs: waitMs + wiggle(bin) }));
        server = feed.close(startMs + bin * binMs).cells.find(({ part }) => part === 'server');
      }
      return server;
    };
    expect(lastingAfter(3, 80, 0)?.lasting).toBeNull();
    lastingAfter(17, 80, 3);
    const risen = lastingAfter(6, 120, 20);
    expect(risen?.lasting?.ms).toBeGreaterThan(25);
    expect(risen?.lasting?.beforeMs).toBeLessThan(3);
    expect(risen).toMatchObject({ isYoung: true });
    // After a night without a run nothing is known of what lasts.
    feed.close(startMs + 199 * binMs);
    expect(lastingAfter(1, 80, 200)?.lasting).toBeNull();
  });
});
