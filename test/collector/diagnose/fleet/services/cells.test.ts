import { describe, expect, it } from 'vitest';
import { allOn } from '../../../../../collector/diagnose/fleet/accepted.ts';
import type { Cell } from '../../../../../collector/diagnose/fleet/bin-view.ts';
import { inferServices } from '../../../../../collector/diagnose/fleet/services/infer-services.ts';
import { applicationView, cell, delta, onwardView, sceneOf } from './scene.ts';

const edges = ['ams', 'fra', 'par'];
const apps = ['crm', 'docs', 'mail', 'wiki'];

/** All edges and applications of one part; `rise` says how far each is off. */
const grid = (part: Cell['part'], rise: (edge: string, app: string) => number): Cell[] =>
  edges.flatMap((edge) => apps.map((app) => cell(part, edge, app, rise(edge, app))));

const infer = (parts: Parameters<typeof sceneOf>[0], options = allOn, former: string[] = []) =>
  inferServices(sceneOf(parts), new Set(former), options);

const named = (accepted: ReturnType<typeof infer>) =>
  accepted.map(({ family, segment, element }) => `${family} ${segment} ${element.id}`);

describe('what the slow cells have in common is named', () => {
  it.each([
    ['server', (_: string, app: string) => app === 'crm', 'application server crm'],
    ['tls', (_: string, app: string) => app === 'crm', 'tls tls crm'],
    ['tls', (edge: string) => edge === 'fra', 'tls tls fra'],
    ['transfer', (_: string, app: string) => app === 'docs', 'transfer transfer docs'],
    ['dns', (edge: string) => edge === 'fra', 'edge-dns dns fra'],
    ['dns', (_: string, app: string) => app === 'docs', 'application-dns dns docs'],
    ['in-edge', (edge: string) => edge === 'par', 'edge in-edge par'],
  ] as const)('%s: %s', (part, hits, expected) => {
    const cells = grid(part, (edge, app) => (hits(edge, app) ? 120 : 0));
    const accepted = infer({ cells });
    expect(named(accepted)).toEqual([expected]);
    expect(accepted[0]?.addedMs).toBeCloseTo(120, 0);
    expect(accepted[0]?.marginNats).toBeGreaterThan(5);
  });

  it('a front end, where the application is well behind another address', () => {
    const cells = edges.flatMap((edge) => [
      cell('server', edge, 'crm', 200, { frontEnd: '192.0.2.1' }),
      cell('server', edge, 'crm', 0, { frontEnd: '192.0.2.2' }),
      cell('server', edge, 'docs', 0, { frontEnd: '192.0.2.9' }),
    ]);
    expect(named(infer({ cells }))).toEqual(['front-end server 192.0.2.1']);
  });

  it('an overloaded edge is one cause, though handshakes suffer from it too', () => {
    const cells = [
      ...grid('in-edge', (edge) => (edge === 'ams' ? 150 : 0)),
      ...grid('tls', (edge) => (edge === 'ams' ? 45 : 0)),
    ];
    const devices = [{ applications: [applicationView('crm')] }];
    const [edge, ...others] = infer({ cells, devices });
    expect(others).toEqual([]);
    expect(edge).toMatchObject({ family: 'edge', segment: 'in-edge', element: { id: 'ams' } });
    expect(edge?.costMs(0, 'crm')).toBeCloseTo(195, 0);
  });

  it('two at once are told apart', () => {
    const cells = [
      ...grid('server', (_, app) => (app === 'crm' ? 300 : 0)),
      ...grid('dns', (edge) => (edge === 'fra' ? 90 : 0)),
    ];
    expect(named(infer({ cells })).sort()).toEqual(['application server crm', 'edge-dns dns fra']);
  });
});

describe('what is told for the first time', () => {
  const slow = (riseMs: number, former: string[] = []) => {
    const cells = edges.map((edge) => cell('server', edge, 'crm', riseMs, { sampleSpreadMs: 20 }));
    return infer({ cells }, allOn, former).map(({ key }) => key);
  };

  it('is likely by seven to one: hardly more likely than not is no call', () => {
    expect(slow(18)).toEqual([]);
    expect(slow(24)).toEqual(['application:crm:delay']);
  });

  it('goes on with less, once it has been told', () => {
    expect(slow(18, ['application:crm:delay'])).toEqual(['application:crm:delay']);
  });
});

describe('whom a cause is charged to', () => {
  it('devices whose runs met a slow cell, and nobody else', () => {
    const cells = grid('server', (_, app) => (app === 'crm' ? 100 : 0));
    const devices = [
      { applications: [applicationView('crm'), applicationView('docs')] },
      { applications: [applicationView('crm', { via: 'direct' })] },
    ];
    const [cause] = infer({ cells, devices });
    expect(cause?.costMs(0, 'crm')).toBeCloseTo(100, 0);
    expect(cause?.costMs(0, 'docs')).toBe(0);
    expect(cause?.costMs(1, 'crm')).toBe(0);
  });

  it('an edge of the group that does not show it is left out, and counted as healthy', () => {
    const cells = grid('server', (edge, app) => (app === 'crm' && edge !== 'par' ? 100 : 0));
    const devices = [{ applications: [applicationView('crm', { edgeId: 'par' })] }];
    for (const cause of infer({ cells, devices })) expect(cause.costMs(0, 'crm')).toBe(0);
  });

  it('the evidence shows its own numbers and what was cleared', () => {
    const cells = grid('dns', (edge) => (edge === 'ams' ? 100 : 0));
    const devices = [{ applications: [applicationView('crm')] }];
    const lines = infer({ cells, devices })[0]?.evidenceFor(0, 'crm') ?? [];
    expect(lines[0]).toMatchObject({ finding: 'against', value: 150, baseline: 50, unit: 'ms' });
    expect(lines.map((line) => line.text)).toContainEqual(
      expect.stringContaining('are normal in it from 2 other edges'),
    );
  });
});

it('what speaks for and against is gathered once, however many ask', () => {
  const devices = Array.from({ length: 40 }, () => ({ applications: [applicationView('crm')] }));
  let looked = 0;
  const scene = sceneOf({ devices, cells: grid('dns', (edge) => (edge === 'ams' ? 100 : 0)) });
  const cells = scene.cells.map((one) => ({
    ...one,
    get appId() {
      looked += 1;
      return one.appId;
    },
  }));
  const [cause] = inferServices({ ...scene, cells }, new Set(), allOn);
  looked = 0;
  for (const index of devices.keys()) cause?.evidenceFor(index, 'crm');
  expect(looked / devices.length).toBeLessThan(cells.length / 2);
});

describe('what names nobody', () => {
  it('a CPU of an edge that is busy while nothing waits', () => {
    const busy = [
      { edgeId: 'ams', lag: delta(0), queue: delta(0), cpuRatio: 0.99, sessionCount: 9 },
    ];
    expect(infer({ cells: grid('in-edge', () => 0), edges: busy })).toEqual([]);
  });

  it('one bin of a cell with few samples', () => {
    const cells = [cell('server', 'ams', 'crm', 300, { count: 3, sudden: true })];
    expect(infer({ cells })).toEqual([]);
  });

  it('a cell that its samples’ own scatter explains', () => {
    const cells = [cell('server', 'ams', 'crm', 60, { count: 4, sampleSpreadMs: 80 })];
    expect(infer({ cells })).toEqual([]);
  });

  it('a server that looks slow by retransmissions on a way that loses', () => {
    const lone = (loss: number) => ({
      cells: [
        cell('server', 'ams', 'crm', 220, { count: 1, singlesMs: [230, 240, 225] }),
        cell('server', 'ams', 'docs', 0),
      ],
      onward: [
        onwardView('ams', 'crm', {
          loss: { sent: 100, lost: loss, recentLost: loss, normalRatio: 0 },
        }),
      ],
      devices: [{ applications: [applicationView('crm')] }],
    });
    expect(named(infer(lone(0)))).toEqual(['application server crm']);
    expect(infer(lone(15))).toEqual([]);
  });

  it('a cell met only by devices whose own way jitters by as much', () => {
    const scene = (isHot: boolean) => ({
      cells: [cell('server', 'ams', 'crm', 60, { count: 2, singlesMs: [62, 58, 61, 60] })],
      devices: [0, 1].map(() => ({
        isHot,
        tunnel: delta(isHot ? 120 : 0),
        applications: [applicationView('crm')],
      })),
    });
    expect(named(infer(scene(false)))).toEqual(['application server crm']);
    expect(infer(scene(true))).toEqual([]);
  });
});

describe('what the way does to a service', () => {
  it('a second round trip of the handshake is the slower way’s, what is beyond it is not', () => {
    const slower = (tlsRiseMs: number) => ({
      cells: [cell('tls', 'ams', 'crm', tlsRiseMs), cell('tls', 'ams', 'docs', 0)],
      onward: [onwardView('ams', 'crm', { connect: delta(60) })],
    });
    expect(infer(slower(62))).toEqual([]);
    expect(named(infer(slower(300)))).toEqual(['tls tls crm']);
  });

  it('a run whose server is not known is charged with what nearly all met there', () => {
    const cells = (rises: readonly [number, number]) =>
      edges.flatMap((edge) =>
        rises.map((riseMs, at) =>
          cell('server', edge, 'crm', riseMs, { frontEnd: `192.0.2.${at}` }),
        ),
      );
    const devices = [{ applications: [applicationView('crm', { frontEnd: null })] }];
    expect(infer({ cells: cells([200, 200]), devices })[0]?.costMs(0, 'crm')).toBeCloseTo(200, 0);
    expect(infer({ cells: cells([200, 0]), devices })[0]?.costMs(0, 'crm')).toBe(0);
  });

  it('a straight look-up is no shared resolver’s', () => {
    const cells = [cell('dns', null, 'crm', 90), cell('dns', 'ams', 'docs', 0)];
    expect(named(infer({ cells }))).toEqual(['application-dns dns crm']);
  });
});

describe('a lone device', () => {
  const lone = (singlesMs: number[]) => ({
    cells: [
      cell('server', 'ams', 'crm', 150, { count: 1, singlesMs }),
      cell('server', 'ams', 'docs', 0, { count: 1 }),
    ],
    devices: [{ applications: [applicationView('crm')] }],
  });
  const alone = { ...allOn, fleet: false };

  it('has its application named once three bins in a row show it', () => {
    expect(named(infer(lone([150, 160, 150]), alone))).toEqual(['application server crm']);
  });

  it('waits while only two do: one request in thirty is slow', () => {
    expect(infer(lone([150, 160, 0]), alone)).toEqual([]);
    expect(infer(lone([150, 160]), alone)).toEqual([]);
  });

  it('needs less to go on than to begin', () => {
    const former = ['application:crm:delay'];
    expect(named(infer(lone([150, 160]), alone, former))).toEqual(['application server crm']);
  });
});

describe('the fast pass', () => {
  const cells = grid('dns', (edge) => (edge === 'fra' ? 120 : 0)).map((each) => ({
    ...each,
    delta: { ...each.delta, sampleCount: 8, persistentMs: each.edgeId === 'fra' ? 1 : 0 },
  }));

  it('takes several cells of one bin for persistence', () => {
    expect(infer({ cells })).toMatchObject([{ element: { id: 'fra' }, pass: 'fast' }]);
    const lone = cells.map((each) => ({ ...each, deviceCount: 3 }));
    expect(infer({ cells: lone }, { ...allOn, fastPass: false })).toEqual([]);
  });
});

describe('what is too small for one bin', () => {
  const small = (riseMs: number, lasting: { ms: number; beforeMs: number }) =>
    apps.map((app) =>
      cell('server', 'ams', app, app === 'crm' ? riseMs : 0, {
        count: 11,
        sampleSpreadMs: 55,
        lasting: {
          ...{ scaleShare: 0.45, justBeforeMs: 0 },
          ...(app === 'crm' ? lasting : { ms: 0, beforeMs: 0 }),
        },
      }),
    );

  it('is named when half a dozen show it, it began by a step and is still there', () => {
    expect(infer({ cells: small(60, { ms: 0, beforeMs: 0 }) })).toEqual([]);
    expect(named(infer({ cells: small(60, { ms: 60, beforeMs: 2 }) }))).toEqual([
      'application server crm',
    ]);
  });

  it('is not what came slowly, unless it was named before', () => {
    const slowly = { cells: small(60, { ms: 60, beforeMs: 45 }) };
    expect(infer(slowly)).toEqual([]);
    expect(named(infer(slowly, allOn, ['application:crm:delay']))).toEqual([
      'application server crm',
    ]);
  });

  it('is over when the newest bins no longer show it', () => {
    expect(infer({ cells: small(10, { ms: 60, beforeMs: 2 }) })).toEqual([]);
  });
});

describe('on a cell’s first day', () => {
  const noon = (beforeMs: number) => ({
    cells: grid('server', (_, app) => (app === 'crm' ? 80 : 0)).map((one) => ({
      ...one,
      isYoung: true,
      lasting: { ms: 80, beforeMs: 0, justBeforeMs: beforeMs, scaleShare: 0.45 },
    })),
  });

  it('a rise that came slowly is the time of day, one that came at once is a cause', () => {
    expect(infer(noon(40))).toEqual([]);
    expect(named(infer(noon(0)))).toEqual(['application server crm']);
  });
});

it('a place that scatters more than the cause it belongs to is not named beside it', () => {
  const cells = grid('dns', (edge, app) => (app !== 'docs' ? 0 : edge === 'par' ? 380 : 150));
  const devices = [{ applications: [applicationView('docs', { edgeId: 'par' })] }];
  const accepted = infer({ cells, devices });
  expect(named(accepted)).toEqual(['application-dns dns docs']);
  expect(accepted[0]?.costMs(0, 'docs')).toBeGreaterThan(300);
});

describe('a cell of its own', () => {
  const alone = (riseMs: number, persistentMs: number) => [
    cell('server', null, 'crm', 0, { frontEnd: '192.0.2.1' }),
    cell('server', null, 'crm', riseMs, {
      frontEnd: '192.0.2.2',
      delta: delta(riseMs, { persistentMs, sampleCount: 16, scaleMs: 9, persistentScaleMs: 8 }),
      sampleSpreadMs: 25,
      deviceCount: 16,
    }),
  ];

  it('is surer by far in the second bin that shows it', () => {
    const [once] = infer({ cells: alone(100, 0) });
    const [twice] = infer({ cells: alone(100, 70) });
    expect(named([twice as never])).toEqual(['front-end server 192.0.2.2']);
    expect(twice?.gainNats).toBeGreaterThan((once?.gainNats ?? 0) + 3);
  });

  it('straight from devices does not depend on what is amiss in their tunnels', () => {
    const straight = { via: 'direct', edgeId: null, frontEnd: '192.0.2.2' } as const;
    const devices = Array.from({ length: 16 }, (_, i) => ({
      isHot: i < 8,
      tunnel: delta(i < 8 ? 250 : 0),
      applications: [applicationView('crm', { ...straight, directConnect: delta(0) })],
    }));
    expect(named(infer({ cells: alone(100, 70), devices }))).toEqual([
      'front-end server 192.0.2.2',
    ]);
  });

  it('that jumps for several devices at once, far beyond their scatter, needs no second bin', () => {
    const jump = (deviceCount: number) => [
      cell('server', 'ams', 'docs', 400, {
        delta: delta(400, { persistentMs: 4, sampleCount: 8, scaleMs: 3 }),
        sampleSpreadMs: 5,
        deviceCount,
      }),
    ];
    expect(named(infer({ cells: jump(4) }))).toEqual(['application server docs']);
    expect(infer({ cells: jump(2) })).toEqual([]);
  });
});

describe('of few samples each one speaks', () => {
  const alone = (app: string, singlesMs: number[], more: Parameters<typeof cell>[4] = {}) =>
    cell('server', 'ams', app, singlesMs[0] ?? 0, {
      count: 1,
      sampleSpreadMs: 40,
      singlesMs,
      ...more,
    });

  it('a server that is slow for one device run after run is named, and what was before is left out', () => {
    const accepted = infer({
      cells: [alone('crm', [180, 210, 190, 205, 5, -20]), alone('wiki', [0, 9, -9])],
    });
    expect(named(accepted)).toEqual(['application server crm']);
    expect(accepted[0]?.addedMs).toBeGreaterThan(150);
  });

  it.each([
    ['one slow request among usual ones', [900, 4, -12, 8]],
    ['two of five', [400, 10, 380, -5, 12]],
    ['three usual ones after slow ones', [5, -9, 12, 200, 210, 190]],
  ])('%s names nobody', (_, singlesMs) => {
    expect(named(infer({ cells: [alone('crm', singlesMs)] }))).toEqual([]);
  });

  it('look-ups that miss the cache some times in a row are no fault, slower ones than ever are', () => {
    const misses = { share: 0.35, ms: 37, spreadMs: 13 };
    const lookups = (singlesMs: number[]) => ({
      cells: [
        cell('dns', 'ams', 'crm', singlesMs[0] ?? 0, {
          count: 1,
          sampleSpreadMs: 15,
          singlesMs,
          misses,
        }),
      ],
    });
    expect(named(infer(lookups([38, 29, 45, 33, 1, 0])))).toEqual([]);
    expect(named(infer(lookups([98, 71, 110, 74, 96, 73])))).toHaveLength(1);
  });

  it('a place’s first look-ups that no cache answers are no fault, and what is told are those told of', () => {
    const dns = (singlesMs: number[], share: number) => ({
      cells: [
        cell('dns', 'ams', 'crm', singlesMs[0] ?? 0, {
          count: 1,
          sampleSpreadMs: 2,
          singlesMs,
          misses: { share, ms: 0, spreadMs: 0 },
        }),
      ],
    });
    expect(named(infer(dns([60, 70, 55], 0.12)))).toEqual([]);
    const devices = [{ index: 0, applications: [applicationView('crm')] }];
    const [fault] = infer({ ...dns([60, 70, 55, 66, 59, 71, 63], 0.05), devices });
    const evidence = fault?.evidenceFor(0, 'crm').map(({ text }) => text);
    expect(evidence?.[0]).toContain('mean of the newest 7 runs of 1 device');
  });
});
