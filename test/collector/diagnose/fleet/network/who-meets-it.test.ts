import { describe, expect, it } from 'vitest';
import { allOn } from '#collector/diagnose/fleet/accepted.ts';
import type { DeviceView } from '#collector/diagnose/fleet/bin-view.ts';
import { inferNetwork } from '#collector/diagnose/fleet/network/infer-network.ts';
import { deviceUnit } from '#collector/diagnose/fleet/network/unit.ts';
import { application, delta, device, loss, trace, view } from './world.ts';

const infer = (devices: DeviceView[]) => inferNetwork(view(devices), new Set(), allOn);

const many = (count: number, changes: (at: number) => Partial<DeviceView>, from = 0) =>
  Array.from({ length: count }, (_, at) =>
    device(from + at, { deviceId: `device-${from + at}`, ...changes(at) }),
  );

const way = (core: string, addedMs: number) =>
  trace(
    [
      { address: '192.168.1.1' },
      { address: '198.51.100.1' },
      { address: core, addedMs },
      { address: '203.0.113.200', addedMs },
    ],
    addedMs,
  );

describe('who meets a cause and shows nothing of it', () => {
  it('is told by the way that meets it: a straight one, though the tunnel is well', () => {
    const straight = (at: number): Partial<DeviceView> => ({
      trace: way('core-2', 0),
      applications: [
        {
          ...application('erp', null),
          frontEnd: '203.0.113.200',
          directConnect: delta(80),
          directTrace: way('core-1', 80),
        },
      ],
      siteId: `site-${at}`,
    });
    const [found] = infer(many(8, straight));
    expect(found?.elementFor(0, 'erp').to).toBe('core-1');
    expect([found?.observerCount, found?.healthyCount]).toEqual([8, 0]);
  });

  it('is told by its total, where probes go another way and no handshake was measured', () => {
    const straight = (changes: Partial<ReturnType<typeof application>>) => ({
      ...application('erp', null),
      frontEnd: '203.0.113.200',
      directConnect: delta(80),
      directTrace: way('core-1', 80),
      ...changes,
    });
    const unseen = (addedMs: number): Partial<DeviceView> => ({
      sameFlow: false,
      applications: [straight({ directConnect: null, total: delta(addedMs, 10, 400) })],
    });
    const slow = many(8, (at) => ({ siteId: `site-${at}`, applications: [straight({})] }));
    const found = infer([
      ...slow,
      ...many(1, () => unseen(0), 8),
      ...many(1, () => unseen(320), 9),
    ]);
    const costs = [0, 8, 9].map((at) =>
      found.reduce((sum, { costMs }) => sum + costMs(at, 'erp'), 0),
    );
    expect(costs[0]).toBeGreaterThan(300);
    expect(costs[1]).toBe(0);
    expect(costs[2]).toBeGreaterThan(300);
  });

  it('is told of a loss by packets that all came back', () => {
    const losing = many(6, () => ({
      gatewayLoss: loss(60, 8),
      underlayLoss: loss(60, 8),
      tunnelLoss: loss(120, 16),
      siteId: 'office',
    }));
    const well = many(2, () => ({ siteId: 'office' }), 6);
    const found = infer([...losing, ...well]);
    expect(found.map(({ family, kind }) => `${family} ${kind}`)).toEqual(['gateway loss']);
    expect([found[0]?.observerCount, found[0]?.healthyCount]).toEqual([8, 2]);
  });

  it('counts a device once, however many stretches of one network it crosses', () => {
    const inside = (branch: string) =>
      trace(
        [
          { address: '192.168.1.1' },
          { address: '198.51.100.1', asn: 64_500 },
          { address: `${branch}-1`, addedMs: 30, asn: 64_900 },
          { address: `${branch}-2`, addedMs: 30, asn: 64_900 },
          { address: 'edge', addedMs: 30, asn: 64_999 },
        ],
        30,
      );
    const slow = many(6, (at) => ({
      trace: inside(['a', 'b', 'c'][at % 3] as string),
      underlay: delta(30),
      tunnel: delta(30),
      siteId: `site-${at}`,
    }));
    for (const { observerCount, healthyCount } of infer(slow)) {
      expect(observerCount).toBeLessThanOrEqual(6);
      expect(healthyCount).toBe(0);
    }
  });
});

describe('routers with addresses that only their own network knows', () => {
  const keysOf = (siteId: string, asn: number, hops: readonly string[], known = false) => {
    const made = trace(
      [...hops, 'end'].map((address) => ({ address })),
      0,
    );
    const unknown = made.hops.map((hop) =>
      known ? { ...hop, asn: 64_999 } : { ...hop, asn: null },
    );
    const one = device(0, { deviceId: 'd', siteId, asn, trace: { ...made, hops: unknown } });
    return deviceUnit(one).paths.flatMap(({ nodes }) => nodes.map(({ key }) => key));
  };

  it('are one in each site', () => {
    const hops = ['192.168.0.1', '192.168.1.1', '198.51.100.1'];
    const [a, b] = [keysOf('a', 64_500, hops), keysOf('b', 64_501, hops)];
    expect(a[0]).not.toBe(b[0]);
    expect(a.slice(1)).toEqual(b.slice(1));
  });

  it('are one in each provider, where its hops say whose they are or lie behind one that does', () => {
    const shared = ['192.168.0.1', '100.64.0.1', '198.51.100.1', '10.9.0.1'];
    expect(keysOf('a', 64_500, shared)).toEqual(keysOf('b', 64_500, shared));
    expect(keysOf('a', 64_500, shared)[0]).not.toBe(keysOf('b', 64_501, shared)[0]);
    const named = ['192.168.0.1', '10.9.0.1'];
    expect(keysOf('a', 64_500, named, true)).toEqual(keysOf('b', 64_500, named, true));
  });

  it('may be a gateway of version 6, whose link has a prefix of its own', () => {
    const slow = many(1, () => ({
      underlay: delta(40),
      tunnel: delta(40),
      trace: trace(
        [
          { address: '2001:db8:10:1::1', addedMs: 0 },
          { address: '2001:db8:ffff::1', addedMs: 40 },
          { address: '2001:db8:ffff::2', addedMs: 40 },
        ],
        40,
      ),
    }));
    expect(infer(slow).map(({ family }) => family)).toEqual(['last-mile']);
  });
});

describe('a loss in the tunnel alone', () => {
  const policed = (): Partial<DeviceView> => ({
    tunnelLoss: loss(120, 24),
    trace: way('core-1', 0),
  });

  it('is the tunnel’s, not that of a way whose own packets all come back', () => {
    const found = infer([...many(1, policed), ...many(10, () => ({ trace: way('core-1', 0) }), 1)]);
    expect(found.map(({ family, kind }) => `${family} ${kind}`)).toEqual(['tunnel-client loss']);
    expect(found[0]?.costMs(0, 'mail')).toBeGreaterThan(100);
    expect(found[0]?.costMs(1, 'mail')).toBe(0);
  });

  it('is the edge’s where all its devices have it', () => {
    const south = many(10, () => ({ edgeId: 'south', trace: way('core-2', 0) }), 10);
    const found = infer([...many(10, policed), ...south]);
    expect(found.map(({ family, kind, element }) => `${family} ${kind} ${element.id}`)).toEqual([
      'edge loss north',
    ]);
  });

  it('stays with the way where the way outside of the tunnel loses too', () => {
    const found = infer([
      ...many(1, () => ({ ...policed(), underlayLoss: loss(60, 12) })),
      ...many(10, () => ({ trace: way('core-1', 0) }), 1),
    ]);
    expect(found.map(({ family }) => family)).not.toContain('tunnel-client');
  });
});
