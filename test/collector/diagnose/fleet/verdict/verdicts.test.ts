import { describe, expect, it } from 'vitest';
import { causesByDevice } from '#collector/diagnose/fleet/verdict/causes-of-device.ts';
import type { Verdict } from '#contract/verdict.ts';
import { cell, delta, trace } from '#test/collector/diagnose/fleet/services/scene.ts';
import {
  deviceId,
  fineApp,
  judges,
  run,
  server,
  slowApp,
  startOf,
  stretch,
  viewOf,
} from './fleet.ts';

const others = (count: number) =>
  Array.from({ length: count }, () => ({ applications: [fineApp()] }));

const first = (verdicts: readonly Verdict[]): Verdict => {
  const [verdict] = verdicts;
  if (verdict === undefined) throw new Error('nothing was said');
  return verdict;
};

describe('a slow application is explained by the causes on its way', () => {
  const affected = [0, 1, 2];
  const devices = [...affected.map(() => ({ applications: [slowApp(270)] })), ...others(9)];
  const { verdicts } = judges().judge(viewOf(0, devices), [stretch(affected)]);
  const verdict = first(verdicts);

  it('one verdict for each device and application that suffers, none for the others', () => {
    expect(verdicts.map((each) => each.deviceId)).toEqual(affected.map(deviceId));
    expect(verdict).toMatchObject({
      appId: 'payroll',
      state: 'slow',
      segment: 'client-edge',
      addedMs: 270,
      totalMs: 420,
      baselineMs: 150,
      baselineFrom: 'own-past',
      at: startOf(1),
      binMs: 300_000,
    });
  });

  it('the sentence can be read out, with who else has it and who has not', () => {
    expect(verdict.sentence).toBe(
      'Payroll is slow on LAPTOP-7 since 08:50 UTC: between 10.0.1.1 and 10.0.3.1 (AS 64500) each round trip takes 45 ms longer, 270 ms on each request; 2 other devices have it too, 7 that do not cross it are fine.',
    );
    expect(verdict.action).toContain('the operator of AS 64500');
  });

  it('the cause names the stretch, its share of all that was added, who has it and since when', () => {
    expect(verdict.causes).toMatchObject([
      {
        family: 'link',
        kind: 'delay',
        element: { from: '10.0.1.1', to: '10.0.3.1', silentHopCount: 1 },
        addedMs: 270,
        share: 1,
        perRoundTripMs: 45,
        deviceCount: 3,
        healthyDeviceCount: 2,
        startedAt: startOf(-2),
      },
    ]);
    expect(verdict.confidence).toBeGreaterThan(0.9);
  });

  it('shares are of the observed total where that is more than the causes explain', () => {
    const more = [{ applications: [slowApp(540)] }];
    const { verdicts: again } = judges().judge(viewOf(0, more), [stretch([0])]);
    expect(first(again).causes?.[0]?.share).toBe(0.5);
  });
});

describe('what is barely noticed', () => {
  const at = (bin: number, ms: number) =>
    [
      viewOf(bin, [{ applications: [slowApp(ms)] }, ...others(9)]),
      [stretch([0], { costMs: (index) => (index === 0 ? ms : 0) })],
    ] as const;

  it('is not worth a first call, and is still told of what was worth one', () => {
    expect(judges().judge(...at(0, 36)).verdicts).toEqual([]);
    const judge = judges();
    const told = [60, 36, 36].map((ms, bin) => judge.judge(...at(bin, ms)).verdicts.length);
    expect(told).toEqual([1, 1, 1]);
    expect(judge.judge(...at(3, 25)).verdicts).toEqual([]);
  });
});

describe('what is not said', () => {
  it('nothing of a device whose own request shows none of what others suffer from', () => {
    const afterBurst = (sampleCount: number) => ({
      total: delta(20, { sampleCount, meanMs: 135 }),
      recentTotals: [20, 250],
    });
    const devices = [
      slowApp(270),
      slowApp(20),
      slowApp(20, 'payroll', afterBurst(2)),
      slowApp(20, 'payroll', afterBurst(3)),
    ];
    const { verdicts } = judges().judge(
      viewOf(0, [...devices.map((app) => ({ applications: [app] })), ...others(9)]),
      [stretch([0, 1, 2, 3])],
    );
    // The third was slow in the bin before: a burst that leaves one request out is there all the same.
    expect(verdicts.map((each) => each.deviceId)).toEqual([deviceId(0), deviceId(2)]);
  });

  it('nothing through a tunnel whose own round trip is as usual, whatever others meet on the way', () => {
    const calm = { tunnel: delta(2, { nowMs: 32, normalMs: 30 }) };
    const late = { tunnel: delta(45, { nowMs: 75, normalMs: 30 }) };
    const slow = { applications: [slowApp(60)] };
    const { verdicts } = judges().judge(
      viewOf(0, [{ ...slow, ...calm }, { ...slow, ...late }, slow, ...others(9)]),
      [stretch([0, 1, 2])],
    );
    expect(verdicts.map((each) => each.deviceId)).toEqual([deviceId(1), deviceId(2)]);
  });

  it('a hole for large packets though round trips are as usual: what is small passes', () => {
    const calm = { tunnel: delta(2, { nowMs: 32, normalMs: 30 }) };
    const hole = { ...stretch([0, 1]), family: 'mtu' as const };
    const slow = { applications: [slowApp(270)], ...calm };
    const { verdicts } = judges().judge(viewOf(0, [slow, slow, ...others(9)]), [hole]);
    expect(verdicts.map((each) => each.causes?.[0]?.family)).toEqual(['mtu', 'mtu']);
  });

  it('nothing where two bins’ requests, each of which might be luck, show none of it together', () => {
    const noisy = (more: object) => ({
      applications: [
        slowApp(20, 'payroll', {
          total: delta(20, { scaleMs: 150, meanScaleMs: 110, meanMs: 10, ...more }),
        }),
      ],
    });
    const devices = [noisy({}), noisy({ persistentMs: null }), noisy({ meanMs: 140 })];
    const { verdicts } = judges().judge(viewOf(0, devices), [stretch([0, 1, 2])]);
    expect(verdicts.map((each) => each.deviceId)).toEqual([deviceId(1), deviceId(2)]);
  });

  it('nothing of a page on a device whose own newest load does not show it', () => {
    const page = stretch([0, 1, 2], {
      ...{ key: 'page:payroll:delay', family: 'page', segment: 'page', scope: 'application' },
      ...{ addedMs: 200, costMs: () => 200 },
    });
    const loaded = (ms: number | null) => ({
      applications: [
        slowApp(0, 'payroll', { render: ms === null ? null : delta(ms, { scaleMs: 40 }) }),
      ],
    });
    const { verdicts } = judges().judge(viewOf(0, [loaded(0), loaded(190), loaded(null)]), [page]);
    expect(verdicts.map((each) => each.deviceId)).toEqual([deviceId(1), deviceId(2)]);
  });

  it('nothing of packets lost where three requests in a row should have suffered and did not', () => {
    const lossOf = (lossRatio: number) =>
      stretch([0], { kind: 'loss', addedMs: 0, lossRatio, costMs: () => 400 });
    const judge = (lossRatio: number, addedMs: number) =>
      judges().judge(viewOf(0, [{ applications: [slowApp(addedMs)] }]), [lossOf(lossRatio)])
        .verdicts.length;
    expect(judge(0.5, 4)).toBe(0);
    expect(judge(0.5, 260)).toBe(1);
    // One request in four is hit: three that were not say little.
    expect(judge(0.07, 4)).toBe(1);
  });

  it('nothing where a cause adds less than anybody notices', () => {
    const small = stretch([0], { costMs: () => 20 });
    expect(judges().judge(viewOf(0, others(2)), [small])).toEqual({ verdicts: [], incidents: [] });
  });

  it('nothing where it is less than 7 % of what the application always takes', () => {
    const heavy = slowApp(0, 'payroll', { total: delta(0, { normalMs: 2_000 }) });
    const cause = stretch([0], { costMs: () => 100 });
    expect(judges().judge(viewOf(0, [{ applications: [heavy] }]), [cause]).verdicts).toEqual([]);
  });

  it('no name where the evidence is thin: unknown, with the two best guesses', () => {
    const weak = stretch([0], {
      gainNats: 0.1,
      marginNats: 0.05,
      observerCount: 1,
      costMs: () => 34,
      runnerUp: {
        key: 'x',
        family: 'last-mile',
        segment: 'client-edge',
        element: {
          id: 'x',
          name: 'access line of LAPTOP-7',
          from: null,
          to: null,
          asn: null,
          silentHopCount: 0,
        },
      },
    });
    const device = { applications: [slowApp(34)] };
    const { verdicts } = judges().judge(viewOf(0, [device]), [weak, server([0], 31)]);
    expect(first(verdicts)).toMatchObject({ state: 'inconclusive', segment: null, score: null });
    expect(first(verdicts).sentence).toContain(
      'most likely between 10.0.1.1 and 10.0.3.1 (AS 64500) (34 ms) or the server of Payroll (31 ms)',
    );
  });

  it('no name for a device that was first seen minutes ago', () => {
    const device = { applications: [slowApp(270)], firstSeenMs: startOf(-2) };
    const { verdicts } = judges().judge(viewOf(0, [device]), [stretch([0])]);
    expect(first(verdicts).state).toBe('inconclusive');
    expect(first(verdicts).sentence).toContain('not been seen for long enough');
  });

  it('no name where the requests themselves deny it for three bins', () => {
    const calm = slowApp(2, 'payroll');
    const { verdicts } = judges().judge(viewOf(0, [{ applications: [calm] }]), [
      stretch([0], { costMs: () => 40 }),
    ]);
    expect(first(verdicts).sentence).toContain('do not take as much longer');
  });
});

describe('slow, and nothing accepted explains it', () => {
  const device = {
    applications: [slowApp(120, 'payroll', { newestRun: run() })],
    tunnel: delta(0, { nowMs: 30, normalMs: 30 }),
  };
  const view = viewOf(0, [device], {
    cells: [cell('server', 'ams', 'payroll', 0, { delta: delta(0, { nowMs: 20, normalMs: 20 }) })],
  });

  it('is unknown, and the ledger’s largest rise is the guess', () => {
    const verdict = first(judges().judge(view, []).verdicts);
    expect(verdict).toMatchObject({ state: 'inconclusive', causes: [] });
    expect(verdict.sentence).toMatch(/most likely the application’s server \(\d+ ms\)/);
  });

  it('is not said from one bin alone: single requests are slow by chance', () => {
    const once = slowApp(120, 'payroll', { recentTotals: [120, 3, 0] });
    expect(judges().judge(viewOf(0, [{ applications: [once] }]), []).verdicts).toEqual([]);
  });
});

describe('what may be, and what was measured', () => {
  it('a loss of which the requests show nothing may cost something, and is not above the usual', () => {
    const loss = stretch([0], {
      ...{ kind: 'loss', addedMs: 0, lossRatio: 0.05, costMs: () => 90 },
      ...{ gainNats: 0, marginNats: 0, observerCount: 1 },
    });
    const device = { applications: [slowApp(4)], firstSeenMs: startOf(-2) };
    const { verdicts } = judges().judge(viewOf(0, [device]), [loss]);
    expect(first(verdicts).sentence).toContain(
      'Payroll may be slow on LAPTOP-7 (5 % of the packets are lost, which may cost about 90 ms on each request), but',
    );
  });
});

describe('names', () => {
  it('are those of the cause’s own parts, alike in sentence, cause, evidence and incident', () => {
    const devices = [0, 1].map(() => ({ applications: [slowApp(240, 'site')] }));
    const line = stretch([0, 1], {
      ...{ family: 'last-mile', scope: 'site', key: 'last-mile:home-3' },
      elementFor: () => ({ ...stretch([]).element, id: 'home-3', name: 'access line of site 3' }),
    });
    const facts = { devices: {}, edges: {}, applications: { site: { name: 'Intranet' } } };
    const { verdicts } = judges(undefined, facts).judge(viewOf(0, devices), [line]);
    expect(first(verdicts).sentence).toContain('Intranet is slow');
    expect(first(verdicts).causes?.[0]?.element.name).toBe('access line of site 3');
    const said = judges(undefined, facts).judge(viewOf(0, devices), [server([0, 1], 240, 'site')]);
    const words = JSON.stringify(said);
    expect(first(said.verdicts).causes?.[0]?.element.name).toBe('the server of Intranet');
    expect(said.incidents[0]?.element.name).toBe('the server of Intranet');
    expect(words).not.toContain('server of site');
    expect(words).not.toMatch(/[\u{e000}-\u{e003}]/u);
  });

  it('of an application called as something every object has is its own', () => {
    const devices = [{ applications: [slowApp(240, 'constructor')] }];
    const { verdicts } = judges().judge(viewOf(0, devices), [server([0], 240, 'constructor')]);
    expect(first(verdicts).sentence).toContain('constructor is slow on LAPTOP-7');
  });

  it('of a site that nobody named is that of a device on it', () => {
    const at = { siteId: 'q3Zk', applications: [slowApp(0, 'payroll', bad)] };
    const [{ incidents } = { incidents: [] }] = [
      judges().judge(
        viewOf(0, [at, at, at, { ...at, siteId: 'else', applications: [fineApp()] }]),
        [],
      ),
    ];
    expect(incidents[0]?.element.name).toBe(
      'the local network of the site of LAPTOP-7 and 2 others',
    );
  });
  const bad = { runCount: 1, okCount: 0, failureType: 'tunnel.down' } as const;
});

describe('two causes at once', () => {
  it('of like size in different places share the blame', () => {
    const device = { applications: [slowApp(510)] };
    const { verdicts } = judges().judge(viewOf(0, [device]), [stretch([0]), server([0], 240)]);
    const verdict = first(verdicts);
    expect(verdict.sentence).toContain('for two reasons: between 10.0.1.1');
    expect(verdict.sentence).toContain('the server of Payroll takes 240 ms longer');
    expect(verdict.causes?.map(({ addedMs }) => addedMs)).toEqual([270, 240]);
  });

  it('of unlike size: the larger is named, both are listed', () => {
    const device = { applications: [slowApp(330)] };
    const { verdicts } = judges().judge(viewOf(0, [device]), [server([0], 60), stretch([0])]);
    expect(first(verdicts)).toMatchObject({ segment: 'client-edge', state: 'slow' });
    expect(first(verdicts).causes?.map(({ family }) => family)).toEqual(['link', 'application']);
  });
});

describe('evidence says what was checked and cleared', () => {
  const linesOf = (device: object, cause = stretch([0])) =>
    first(
      judges().judge(viewOf(0, [{ applications: [slowApp(270)], ...device }]), [cause]).verdicts,
    ).evidence;

  it('a full processor whose programs run on time', () => {
    const lag = delta(0.1, { nowMs: 0.4, normalMs: 0.3, scaleMs: 0.4 });
    expect(linesOf({ lag, cpuRatio: 0.97 })).toContainEqual(
      expect.objectContaining({
        finding: 'cleared',
        segment: 'device',
        text: 'The processor is at 97 %, but programs run on time.',
      }),
    );
  });

  it('a hop that answers late while nothing behind it does', () => {
    const hop = (ttl: number, riseMs: number) => ({
      ttl,
      address: `10.0.${ttl}.1`,
      asn: null,
      sentCount: 3,
      receivedCount: 3,
      rttMedianMs: 50 + riseMs,
      rttMinMs: 50,
      delta: delta(riseMs),
      answers: 1,
      loss: null,
    });
    const lines = linesOf(
      { trace: trace({ hops: [hop(1, 0), hop(2, 140), hop(3, 1)], rtt: delta(1) }) },
      server([0], 270),
    );
    expect(lines).toContainEqual(
      expect.objectContaining({
        finding: 'cleared',
        text: 'Hop 2 (10.0.2.1) answers 140 ms later than usual, hops behind it do not: it is slow to answer, not to forward.',
      }),
    );
  });

  it('the server, by the pool of all who met it', () => {
    const view = viewOf(0, [{ applications: [slowApp(270)] }], {
      cells: [cell('server', 'ams', 'payroll', 1)],
    });
    expect(first(judges().judge(view, [stretch([0])]).verdicts).evidence).toContainEqual(
      expect.objectContaining({ finding: 'cleared', segment: 'server' }),
    );
  });
});

describe('the ledger of the newest run', () => {
  const ledgerOf = (more: object = {}) => {
    const device = {
      applications: [slowApp(270, 'payroll', { newestRun: run() })],
      lag: delta(0, { nowMs: 0, normalMs: 0 }),
      tunnel: delta(60, { nowMs: 90, normalMs: 30 }),
      gateway: delta(0, { nowMs: 5, normalMs: 5 }),
      queue: delta(0, { nowMs: 1, normalMs: 1 }),
      ...more,
    };
    return first(judges().judge(viewOf(0, [device]), [stretch([0])]).verdicts).ledger;
  };

  it('parts and residual make the total, the path by the run’s own CONNECT, beside what is usual', () => {
    const ledger = ledgerOf();
    const sum = ledger?.parts.reduce((all, { ms }) => all + (ms ?? 0), 0) ?? 0;
    expect(sum + (ledger?.residualMs ?? 0)).toBeCloseTo(425, 6);
    const path = ledger?.parts.find(({ segment }) => segment === 'client-edge');
    expect(path).toMatchObject({ ms: 282, baselineMs: 75, addedMs: 207 });
  });

  it('what was not measured is null and stays in the residual', () => {
    const part = (segment: string) =>
      ledgerOf({ gateway: null, tunnel: null })?.parts.find((each) => each.segment === segment);
    expect(part('gateway')?.ms).toBeNull();
    expect(part('client-edge')?.ms).toBeNull();
  });
});

describe('a large fleet', () => {
  it('in which hundreds of devices have a cause of their own says the same of each', () => {
    const own = (index: number) =>
      stretch([index], {
        key: `wifi:${index}`,
        family: 'wifi',
        segment: 'gateway',
        element: { ...stretch([]).element, id: deviceId(index), name: `Wi-Fi of ${index}` },
      });
    const at = (siteId?: string) => ({
      ...(siteId !== undefined && { siteId }),
      applications: [slowApp(270)],
    });
    const devices = [...Array.from({ length: 90 }, () => at()), at('berlin')];
    const line = stretch([90], {
      key: 'last-mile:berlin',
      scope: 'site',
      element: { ...stretch([]).element, id: 'berlin' },
    });
    const elsewhere = stretch([7], { key: 'x', element: { ...stretch([]).element, id: 'other' } });
    const accepted = [...Array.from({ length: 90 }, (_, index) => own(index)), line, elsewhere];
    const { verdicts } = judges().judge(viewOf(0, devices), accepted);
    expect(verdicts).toHaveLength(91);
    expect(verdicts.map(({ causes }) => causes?.length)).toEqual(
      devices.map((_, index) => (index === 7 ? 2 : 1)),
    );
  });

  it('in which a site is called what a device is takes neither for the other', () => {
    const named = (id: string, scope: 'device' | 'site') =>
      stretch([], { key: `${scope} ${id}`, scope, element: { ...stretch([]).element, id } });
    const devices = Array.from({ length: 50 }, (_, index) => ({
      ...(index === 49 && { siteId: deviceId(3) }),
      applications: [slowApp(270)],
    }));
    const wifi = devices.map((_, index) => named(deviceId(index), 'device'));
    const line = named(deviceId(3), 'site');
    const view = viewOf(0, devices);
    const causesOf = causesByDevice(view, [...wifi, line]);
    expect(causesOf(view.device(49))).toEqual([wifi[49], line]);
    expect(causesOf(view.device(4))).toEqual([wifi[4]]);
  });
});
