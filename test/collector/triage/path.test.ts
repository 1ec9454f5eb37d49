import { describe, expect, test } from 'vitest';
import { toPoints } from '#collector/store/points.ts';
import type { Point } from '#collector/store/schema.ts';
import { drawPath } from '#collector/triage/path.ts';
import type { PathResult } from '#contract/result.ts';
import { hopsOf, type Leg } from '#test/support/seed-results.ts';

const at = Date.UTC(2026, 0, 2);

const traceOf = (leg: Leg, change: Partial<PathResult['body']> = {}): Point<'path'> => {
  const [point] = toPoints(
    {
      kind: 'result',
      type: 'path',
      id: '00000000-0000-4000-8000-0000000000ff',
      deviceId: '00000000-0000-4000-8000-000000000001',
      appId: 'whyslow-edge',
      probeId: 'edge-path-fra-1',
      via: 'direct',
      edgeId: 'fra-1',
      startedAt: at,
      durationMs: 900,
      availability: 1,
      failure: null,
      self: { eventLoopDelayMs: 1, cpuStealRatio: 0, clockJumpMs: 0 },
      distortion: 'none',
      body: { ...hopsOf(leg, 'edge.example'), protocol: 'icmp', method: 'raw', ...change },
    },
    at,
  );
  if (point?.measurement !== 'path') throw new Error('a path result gives a path point');
  return point;
};

const hopOf = (ttl: number, address: string, rttMs: number) => ({
  ...{ ttl, address, sentCount: 5, receivedCount: 4 },
  ...{ rttMinMs: rttMs, rttMedianMs: rttMs, rttMaxMs: rttMs },
});

const onwardWithout = (reason: string): Point<'onward'> => {
  const [point] = toPoints(
    {
      kind: 'onward',
      id: '00000000-0000-4000-8000-0000000000fe',
      edgeId: 'fra-1',
      appId: 'mail',
      at,
      dnsMs: 3,
      connectMs: 12,
      connectLossRatio: 0,
      path: null,
      pathMissing: reason,
    },
    at,
  );
  if (point?.measurement !== 'onward') throw new Error('an onward sample gives an onward point');
  return point;
};

const names = { deviceName: 'anna-laptop', applicationName: 'Mail' };
const nothing = { toEdge: null, direct: null, onward: null, tunnel: null };

describe('the drawn path', () => {
  test('has two legs joined by the edge, each measured on its own', () => {
    const legs = drawPath({
      ...names,
      ...nothing,
      edgeId: 'fra-1',
      toEdge: traceOf({ hops: [['192.0.2.1', 2]], endMs: 16 }),
      onward: onwardWithout('no permission'),
    });
    expect(legs.map(({ from, to, rttMs }) => [from, to, rttMs])).toEqual([
      ['anna-laptop', 'edge fra-1', 16],
      ['edge fra-1', 'Mail', 12],
    ]);
  });

  test('shows a leg that was not measured as not measured, with the reason', () => {
    const legs = drawPath({
      ...names,
      ...nothing,
      edgeId: 'fra-1',
      onward: onwardWithout('no raw sockets'),
    });
    expect(legs.map(({ missing, hops }) => [missing, hops])).toEqual([
      ['no trace from the device to this edge in this window', []],
      ['no raw sockets', []],
    ]);
    expect(legs[0]?.rttMs).toBeNull();
  });

  test('keeps a silent hop in its place', () => {
    const [leg] = drawPath({
      ...names,
      ...nothing,
      edgeId: 'fra-1',
      toEdge: traceOf({
        hops: [
          ['192.0.2.1', 2],
          [null, null],
          ['203.0.113.9', 14],
        ],
        endMs: 16,
      }),
    });
    expect(leg?.hops.map(({ ttl, address }) => [ttl, address])).toEqual([
      [1, '192.0.2.1'],
      [2, null],
      [3, '203.0.113.9'],
      [4, '198.51.100.80'],
    ]);
  });

  test('blames no router that answers late while everything behind it is fast', () => {
    const [leg] = drawPath({
      ...names,
      ...nothing,
      edgeId: 'fra-1',
      toEdge: traceOf({
        hops: [
          ['192.0.2.1', 2],
          ['203.0.113.5', 90],
          ['203.0.113.9', 14],
        ],
        endMs: 16,
      }),
    });
    expect(leg?.hops.map(({ rttMs, addedMs }) => [rttMs, addedMs])).toEqual([
      [2, 2],
      [90, 12],
      [14, 0],
      [16, 2],
    ]);
  });

  test('says whose a hop is, what branches there are, and who only limits its answers', () => {
    const limited = {
      ...hopOf(1, '192.0.2.1', 2),
      state: 'limited' as const,
      ...{ name: 'gw.test', asn: 64500, asName: 'ACCESS', country: 'DE' },
    };
    const branch = { flowCount: 3, rttMinMs: 1, rttMedianMs: 1, pathSentCount: 60 };
    const split = {
      ...hopOf(2, '203.0.113.5', 9),
      branches: [
        { ...branch, address: '203.0.113.5', pathLossRatio: 0, pathRttMedianMs: 16 },
        { ...branch, address: '203.0.113.6', pathLossRatio: 0.1, pathRttMedianMs: 16 },
      ],
    };
    const toEdge = traceOf({ hops: [], endMs: 16 }, { hops: [limited, split] });
    const [leg] = drawPath({ ...names, ...nothing, edgeId: 'fra-1', toEdge });
    expect(leg?.hops.map(({ about }) => about)).toEqual([
      'gw.test; AS64500 ACCESS DE; limits its answers, which is no loss',
      '2 branches: 203.0.113.5, 203.0.113.6 loses 10 %',
    ]);
  });

  test('says that an agent without raw sockets sees the target only', () => {
    const [leg] = drawPath({
      ...names,
      ...nothing,
      edgeId: 'fra-1',
      toEdge: traceOf({ hops: [], endMs: 16 }, { hops: [], method: 'unprivileged' }),
    });
    expect(leg?.missing).toContain('raw sockets');
    expect(leg?.rttMs).toBe(16);
  });

  test('without a tunnel is one leg from the device to the application', () => {
    const legs = drawPath({
      ...names,
      ...nothing,
      edgeId: null,
      direct: traceOf({ hops: [['192.0.2.1', 2]], endMs: 20 }),
    });
    expect(legs.map(({ from, to }) => [from, to])).toEqual([['anna-laptop', 'Mail']]);
  });
});
