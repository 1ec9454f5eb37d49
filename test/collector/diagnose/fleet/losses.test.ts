import { describe, expect, it } from 'vitest';
import { createLosses } from '#collector/diagnose/fleet/losses.ts';
import { createFeed, deviceId, pathReading, startMs, tunnelReading } from './feed.ts';

const binMs = 4_000;

/** A row that lost this much of five packets in each of so many bins. */
const lived = (...parts: (readonly [bins: number, lost: number])[]) => {
  const losses = createLosses(binMs);
  const row = losses.rows.add();
  let bin = 0;
  for (const [bins, lost] of parts) {
    for (let i = 0; i < bins; i += 1) {
      losses.count(row, 5, lost, bin);
      losses.learn(row);
      bin += 1;
    }
  }
  return losses.read(row, bin - 1);
};

describe('what is lost normally', () => {
  it('is what is lost always', () => {
    expect(lived([300, 2])?.normalRatio).toBeCloseTo(0.4, 1);
  });

  it('is nothing of what a young fault loses, however short the past', () => {
    const count = lived([60, 0], [12, 1]);
    expect(count?.normalRatio).toBe(0);
    expect(count?.lost).toBe(12);
  });

  it('is nothing of a fault that is over', () => {
    expect(lived([60, 0], [60, 1], [60, 0])?.normalRatio).toBe(0);
  });
});

describe('a share of nobody knows how many packets', () => {
  it('is of as many as the shares seen so far can be of', () => {
    const losses = createLosses(binMs);
    const row = losses.rows.add();
    const known = [0, 1, 0.5, 0.333, 0.083, 0].map((ratio) => {
      losses.learnPackets(row, ratio);
      return losses.packetsOf(row);
    });
    expect(known).toEqual([0, 0, 2, 6, 12, 12]);
  });
});

describe('the share that a traced target lost', () => {
  const minuteMs = 60_000;
  const lostOf = (shares: readonly number[]) => {
    const feed = createFeed(minuteMs);
    let found: { sent: number; lost: number } | null | undefined;
    for (const [bin, lossRatio] of shares.entries()) {
      const atMs = startMs + bin * minuteMs;
      feed.take(tunnelReading(atMs));
      feed.take(pathReading(atMs, [['192.0.2.1', 20]], { lossRatio, sentCount: 3 }));
      const view = feed.close(atMs);
      const index = view.indexOf(deviceId);
      found = index === undefined ? null : view.device(index).trace?.loss;
    }
    return found;
  };

  it('is of as many packets as hops were sent where it can be', () => {
    expect(lostOf([0, 1 / 3, 0])).toMatchObject({ sent: 9, lost: 1 });
  });

  it('is of more where it cannot', () => {
    expect(lostOf([0.1, 0, 0.2])).toMatchObject({ sent: 30, lost: 3 });
  });

  it('of another target tells of how many packets one that lost nothing was sent', () => {
    const feed = createFeed(minuteMs);
    const others = { appId: 'wiki', probeId: 'wiki-path', toEdgeId: null, lossRatio: 0 };
    for (const bin of [0, 1]) {
      const atMs = startMs + bin * minuteMs;
      feed.take(tunnelReading(atMs));
      feed.take(pathReading(atMs, [['192.0.2.1', 20]], { lossRatio: 0.1, sentCount: 3 }));
      feed.take(pathReading(atMs + 1, [['192.0.2.2', 20]], others));
      feed.close(atMs);
    }
    const { losses, paths } = feed.state;
    const newest = startMs / minuteMs + 1;
    const rows = Array.from({ length: paths.targets.count }, (_, target) => target);
    const sent = rows
      .map((row) => losses.read(paths.targets.page(row).loss[row] as number, newest))
      .filter((count) => count !== null);
    expect(sent.map((count) => count?.sent)).toEqual([20, 20]);
  });
});
