import { describe, expect, it } from 'vitest';
import { allOn } from '../../../../../collector/diagnose/fleet/accepted.ts';
import type {
  ApplicationView,
  TraceView,
} from '../../../../../collector/diagnose/fleet/bin-view.ts';
import { inferServices } from '../../../../../collector/diagnose/fleet/services/infer-services.ts';
import { applicationView, cell, delta, onwardView, pageCell, sceneOf, trace } from './scene.ts';

const infer = (parts: Parameters<typeof sceneOf>[0], former: string[] = []) =>
  inferServices(sceneOf(parts), new Set(former), allOn);
const named = (accepted: ReturnType<typeof infer>) =>
  accepted.map(({ family, segment, element }) => `${family} ${segment} ${element.id}`);

describe('the device itself', () => {
  const late = { scaleMs: 0.5, persistentScaleMs: 0.4 };

  it('is named when its timers are late, once for every step it times', () => {
    const devices = [
      { lag: delta(30, late), cpuRatio: 0.98, applications: [applicationView('crm')] },
    ];
    const [cause] = infer({ devices });
    expect(named([cause as never])).toEqual(['device device device-0']);
    expect(cause?.costMs(0, 'crm')).toBeCloseTo(120, 0);
    expect(cause?.evidenceFor(0, 'crm').map((line) => line.text)).toContainEqual(
      'CPU 98 %: it has none to spare.',
    );
  });

  it('is not, however busy its CPU and full its memory, while they are on time', () => {
    expect(infer({ devices: [{ cpuRatio: 1, memoryUsedRatio: 0.99, signalDbm: -88 }] })).toEqual(
      [],
    );
  });

  it('is not after a single late bin, unless that is very late', () => {
    const once = (ms: number) => [{ lag: delta(ms, { ...late, persistentMs: 0 }) }];
    expect(infer({ devices: once(12) })).toEqual([]);
    expect(infer({ devices: once(40) })).toMatchObject([{ family: 'device', pass: 'fast' }]);
  });
});

describe('a page', () => {
  const users = Array.from({ length: 8 }, () => ({ applications: [applicationView('crm')] }));

  it('is named when what follows its document takes longer on many devices', () => {
    expect(named(infer({ devices: users, pages: [pageCell('crm', 300)] }))).toEqual([
      'page page crm',
    ]);
  });

  it('begins with loads of the bin: those of before are of a way that may be well again', () => {
    const scene = { devices: users, pages: [pageCell('crm', 300, { ageBins: 1 })] };
    expect(infer(scene)).toEqual([]);
    expect(named(infer(scene, ['page:crm:delay']))).toEqual(['page page crm']);
  });

  it('is not named for answers that take longer to come over', () => {
    const cells = [cell('transfer', 'ams', 'crm', 250), cell('transfer', 'fra', 'crm', 260)];
    const namedAt = (ms: number) =>
      named(infer({ devices: users, cells, pages: [pageCell('crm', ms)] }));
    expect(namedAt(400)).toEqual(['transfer transfer crm']);
    expect(namedAt(900)).toContain('page page crm');
  });

  it('one host that it waits for is named instead, once for all pages it is in', () => {
    const thirdParties = [
      { host: 'cdn.example', delta: delta(400), deviceCount: 12, ageBins: 0 },
      { host: 'fonts.example', delta: delta(0), deviceCount: 12, ageBins: 0 },
    ];
    const accepted = infer({
      devices: users,
      pages: [pageCell('crm', 0, { thirdParties }), pageCell('docs', 0, { thirdParties })],
    });
    expect(named(accepted)).toEqual(['third-party page cdn.example']);
    expect(accepted[0]?.costMs(0, 'crm')).toBeCloseTo(400, 0);
  });

  it('is not named for what nobody sees of a page, however many devices show it', () => {
    expect(infer({ devices: users, pages: [pageCell('crm', 45)] })).toEqual([]);
  });

  it('no longer waits for a host once newer loads of another page do not', () => {
    const waits = (riseMs: number, ageBins: number, deviceCount = 12) => [
      { host: 'cdn.example', delta: delta(riseMs), deviceCount, ageBins },
    ];
    const withNewer = (newer: ReturnType<typeof waits>) =>
      infer(
        {
          devices: users,
          pages: [
            pageCell('crm', 0, { thirdParties: waits(400, 1) }),
            pageCell('docs', 0, { thirdParties: newer }),
          ],
        },
        ['third-party:cdn.example:delay'],
      );
    expect(withNewer(waits(0, 0))).toEqual([]);
    expect(named(withNewer(waits(0, 2)))).toEqual(['third-party page cdn.example']);
    expect(named(withNewer(waits(0, 0, 2)))).toEqual(['third-party page cdn.example']);
  });

  it('is not named for a way that is slower by a few round trips’ worth', () => {
    const onward = [onwardView('ams', 'crm', { connect: delta(80) })];
    expect(infer({ devices: users, onward, pages: [pageCell('crm', 300)] })).toEqual([]);
  });

  it('of a lone device needs two loads in a row and more of a rise', () => {
    const lone = (riseMs: number, persistentMs: number | null) => ({
      devices: users.slice(0, 1),
      pages: [
        pageCell('crm', riseMs, {
          deviceCount: 1,
          render: delta(riseMs, { scaleMs: 6, persistentScaleMs: 5, persistentMs }),
        }),
      ],
    });
    expect(infer(lone(300, null))).toEqual([]);
    expect(infer(lone(60, 60))).toEqual([]);
    expect(named(infer(lone(300, 280)))).toEqual(['page page crm']);
  });
});

describe('a way that swallows large packets', () => {
  const hangs = { okCount: 0, failureType: 'http.timed_out' } as const;
  const both = [
    applicationView('crm', { ...hangs, frontEnd: '192.0.2.1' }),
    applicationView('docs', { ...hangs, frontEnd: '192.0.2.2' }),
    applicationView('wiki', { frontEnd: '192.0.2.3' }),
  ];
  const onward = ['crm', 'docs', 'wiki'].map((app) => onwardView('ams', app));

  it('lies behind the edge when two applications hang there and a third does not', () => {
    const elsewhere = both.map((app) => ({ ...app, edgeId: 'fra', okCount: 1, failureType: null }));
    const devices = [
      { applications: both },
      { applications: both },
      { edgeId: 'fra', applications: elsewhere },
    ];
    const [hole, ...others] = infer({ devices, onward });
    expect(others).toEqual([]);
    expect(hole).toMatchObject({ family: 'mtu', kind: 'failure', segment: 'edge-origin' });
    expect(hole?.costMs(0, 'crm')).toBeGreaterThan(10_000);
    expect(hole?.costMs(0, 'wiki')).toBe(0);
    expect(hole?.costMs(2, 'crm')).toBe(0);
  });

  it('is no explanation for one application that does not answer: that is its server', () => {
    expect(infer({ devices: [{ applications: both.slice(0, 1) }], onward })).toEqual([]);
  });

  it('is none for applications that hang from every edge', () => {
    const elsewhere = both.map((app) => ({ ...app, edgeId: 'fra' }));
    const devices = [{ applications: both }, { edgeId: 'fra', applications: elsewhere }];
    expect(infer({ devices, onward })).toEqual([]);
  });

  it('lies before the edge when all of one device hangs while its pings come back', () => {
    const well = both.map((app) => ({ ...app, okCount: 1, failureType: null }));
    const all = both.map((app) => ({ ...app, ...hangs }));
    const devices = [{ applications: all }, { applications: well }, { applications: well }];
    expect(named(infer({ devices, onward }))).toEqual(['mtu client-edge device-0>ams']);
  });

  it('is found where the ways that swallow them meet, and ways that do not never go', () => {
    const hop = (address: string) => ({ address }) as TraceView['hops'][number];
    const way = (app: string, addresses: string[], swallows: boolean) =>
      onwardView('ams', app, {
        trace: trace({
          hops: addresses.map(hop),
          mtuBlackHole: swallows,
          mtuBytes: swallows ? 1_280 : 1_500,
        }),
      });
    const ways = [
      way('crm', ['10.0.0.1', '10.0.1.1', '192.0.2.1'], true),
      way('docs', ['10.0.0.1', '10.0.1.1', '192.0.2.2'], true),
      way('wiki', ['10.0.0.1', '10.0.2.1', '192.0.2.3'], false),
    ];
    const slow = [
      cell('tls', 'ams', 'crm', 400),
      cell('tls', 'ams', 'docs', 420),
      cell('tls', 'ams', 'wiki', 0),
    ];
    const apps = ['crm', 'docs', 'wiki'].map((app) => applicationView(app));
    const [hole, ...others] = infer({
      devices: [{ applications: apps }],
      cells: slow,
      onward: ways,
    });
    expect(others).toEqual([]);
    expect(hole).toMatchObject({
      family: 'mtu',
      kind: 'delay',
      segment: 'edge-origin',
      element: { from: '10.0.0.1', to: '10.0.1.1' },
    });
    expect(hole?.costMs(0, 'crm')).toBeCloseTo(400, 0);
    expect(hole?.costMs(0, 'wiki')).toBe(0);
    expect(hole?.evidenceFor(0, 'crm')[0]?.text).toContain('1280 bytes');
  });

  it('is its, and neither the edge’s handshakes nor lines, where most go through it', () => {
    const hops = (core: string) => [
      { address: '192.168.1.1' } as TraceView['hops'][number],
      { address: core } as TraceView['hops'][number],
    ];
    const loads = (index: number, slow: boolean) => ({
      trace: trace({
        hops: hops(slow ? '10.0.0.1' : '10.0.0.2'),
        mtuBlackHole: slow,
        mtuBytes: slow ? 1_400 : 1_500,
      }),
      deviceId: `device-${index}`,
      applications: ['crm', 'docs'].map((app) =>
        applicationView(app, {
          newestRun: {
            ...{ proxyConnectMs: 40, connectMs: 0, dnsMs: null, waitMs: 60, bodyBytes: 10_000 },
            tlsMs: slow ? 690 : 90,
            receiveMs: slow ? 650 : 50,
            edge: { queueMs: 0, dnsMs: 1, connectMs: 10, address: null },
          } as unknown as ApplicationView['newestRun'],
          total: delta(slow ? 1_200 : 0),
          recentTotals: slow ? [1_200, 1_200, 1_200] : [0, 0, 0],
        }),
      ),
    });
    const parts = ['tls', 'transfer'] as const;
    const found = infer({
      devices: [true, true, true, true, false].map((slow, index) => loads(index, slow)),
      cells: parts.flatMap((part) =>
        ['crm', 'docs'].map((app) => cell(part, 'ams', app, 600, { count: 15, deviceCount: 5 })),
      ),
      pages: [pageCell('crm', 600, { deviceCount: 5 })],
    });
    expect(named(found).map((each) => each.split(' ')[0])).toEqual(['mtu']);
    expect(found[0]?.costMs(0, 'crm')).toBeGreaterThan(1_000);
    expect(found[0]?.costMs(4, 'crm')).toBe(0);
  });

  it('costs a hanging application more than any delay', () => {
    const hops = [{ address: '10.0.0.1' }] as unknown as TraceView['hops'];
    const tested = [onwardView('ams', 'crm', { trace: trace({ hops, mtuBlackHole: true }) })];
    const [hole] = infer({ devices: [{ applications: both.slice(0, 1) }], onward: tested });
    expect(hole).toMatchObject({ family: 'mtu', kind: 'failure', segment: 'edge-origin' });
  });
});

describe('a line of one device', () => {
  const run = (receiveMs: number) =>
    ({
      proxyConnectMs: 40,
      connectMs: 0,
      dnsMs: null,
      tlsMs: 45,
      waitMs: 60,
      receiveMs,
      bodyBytes: 100_000,
      edge: { queueMs: 0, dnsMs: 1, connectMs: 10, address: null },
    }) as unknown as ApplicationView['newestRun'];
  const loads = (riseMs: number, receiveMs: number) => ({
    cells: ['crm', 'docs'].map((app) => cell('transfer', 'ams', app, 0)),
    devices: [
      {
        applications: ['crm', 'docs'].map((app) =>
          applicationView(app, {
            newestRun: run(receiveMs),
            total: delta(riseMs),
            recentTotals: [riseMs, riseMs, 0],
          }),
        ),
      },
    ],
  });

  it('that is slow is named when whatever it loads takes its time, and for nobody else', () => {
    expect(named(infer(loads(200, 270)))).toEqual(['transfer transfer device-0']);
  });

  it('is not where the rise lies elsewhere', () => {
    expect(infer(loads(200, 70))).toEqual([]);
  });

  it('is named beside a slower way, where transfers take longer by far more than that', () => {
    const onSlowerWay = (receiveMs: number) => {
      const { cells, devices } = loads(400, receiveMs);
      return { cells, devices: devices.map((one) => ({ ...one, isHot: true, tunnel: delta(50) })) };
    };
    expect(named(infer(onSlowerWay(270)))).toEqual(['transfer transfer device-0']);
    expect(infer(onSlowerWay(200))).toEqual([]);
  });
});
