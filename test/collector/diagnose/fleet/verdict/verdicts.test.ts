import { describe, expect, it } from 'vitest';
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

describe('what is not said', () => {
  it('nothing of a device whose own request shows none of what others suffer from', () => {
    const devices = [
      slowApp(270),
      slowApp(20),
      slowApp(20, 'payroll', { recentTotals: [20, 250] }),
    ];
    const { verdicts } = judges().judge(
      viewOf(0, [...devices.map((app) => ({ applications: [app] })), ...others(9)]),
      [stretch([0, 1, 2])],
    );
    // The third was slow in the bin before: a burst that leaves one request out is there all the same.
    expect(verdicts.map((each) => each.deviceId)).toEqual([deviceId(0), deviceId(2)]);
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
});
