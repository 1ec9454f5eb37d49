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
      cells: [cell('server', 'ams', 'crm', 220, { count: 1 }), cell('server', 'ams', 'docs', 0)],
      onward: [
        onwardView('ams', 'crm', {
          loss: { sent: 100, lost: loss, recentLost: loss, normalRatio: 0 },
        }),
      ],
      devices: [{ applications: [applicationView('crm', { recentTotals: [230, 240, 225] })] }],
    });
    expect(named(infer(lone(0)))).toEqual(['application server crm']);
    expect(infer(lone(15))).toEqual([]);
  });

  it('a cell met only by devices whose own way jitters by as much', () => {
    const scene = (isHot: boolean) => ({
      cells: [cell('server', 'ams', 'crm', 60, { count: 2 })],
      devices: [0, 1].map(() => ({
        isHot,
        tunnel: delta(isHot ? 120 : 0),
        applications: [applicationView('crm', { recentTotals: [80, 80, 80] })],
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
  const lone = (recentTotals: (number | null)[]) => ({
    cells: [
      cell('server', 'ams', 'crm', 150, { count: 1 }),
      cell('server', 'ams', 'docs', 0, { count: 1 }),
    ],
    devices: [{ applications: [applicationView('crm', { recentTotals })] }],
  });
  const alone = { ...allOn, fleet: false };

  it('has its application named once three bins in a row show it', () => {
    expect(named(infer(lone([150, 160, 150]), alone))).toEqual(['application server crm']);
  });

  it('waits while only two do: one request in thirty is slow', () => {
    expect(infer(lone([150, 160, 0]), alone)).toEqual([]);
    expect(infer(lone([150, 160, null]), alone)).toEqual([]);
  });

  it('needs less to go on than to begin', () => {
    const former = ['application:crm:delay'];
    expect(named(infer(lone([150, 160, null]), alone, former))).toEqual(['application server crm']);
  });
});

describe('the fast pass', () => {
  const cells = grid('dns', (edge) => (edge === 'fra' ? 120 : 0)).map((each) => ({
    ...each,
    delta: { ...each.delta, sampleCount: 8, persistentMs: each.edgeId === 'fra' ? 1 : 0 },
  }));

  it('takes several cells of one bin for persistence', () => {
    expect(infer({ cells })).toMatchObject([{ element: { id: 'fra' }, pass: 'fast' }]);
    expect(infer({ cells }, { ...allOn, fastPass: false })).toEqual([]);
  });
});
