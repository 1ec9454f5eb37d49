import { describe, expect, it } from 'vitest';
import type { Accepted } from '#collector/diagnose/fleet/accepted.ts';
import { deviceId, fineApp, judges, slowApp, startOf, stretch, viewOf } from './fleet.ts';

const fleet = (slow: readonly number[], size = 10) =>
  Array.from({ length: size }, (_, index) => ({
    applications: [slow.includes(index) ? slowApp(270) : fineApp()],
  }));

/** Plays bins; where nothing is given for one, nothing is accepted in it. */
const play = (bins: readonly (readonly Accepted[])[], slow = [0, 1], from = judges()) =>
  bins.map((accepted, bin) => from.judge(viewOf(bin, fleet(slow)), accepted).incidents);

const both = stretch([0, 1]);

describe('a shared incident', () => {
  it('opens with its first cause, goes on under the same id and adds up what it costs', () => {
    const [first, second] = play([[both], [both]]);
    expect(first?.[0]).toMatchObject({
      kind: 'incident',
      family: 'link',
      segment: 'client-edge',
      startedAt: startOf(-2),
      seenAt: startOf(1),
      endedAt: null,
      deviceCount: 2,
      pairCount: 2,
      perRoundTripMs: 45,
      impactMsMinutes: 2 * 270 * 5,
    });
    expect(second?.[0]?.id).toBe(first?.[0]?.id);
    expect(second?.[0]?.impactMsMinutes).toBe(2 * 2 * 270 * 5);
  });

  it('verdicts refer to it', () => {
    const { verdicts, incidents } = judges().judge(viewOf(0, fleet([0, 1])), [both]);
    for (const verdict of verdicts) {
      expect(verdict.causes?.[0]?.incidentId).toBe(incidents[0]?.id);
    }
  });

  it('ends after three bins without it, at the end of the last one with it', () => {
    const bins = play([[both], [], [], []]);
    expect(bins.map((incidents) => incidents.length)).toEqual([1, 0, 0, 1]);
    expect(bins[3]?.[0]?.endedAt).toBe(startOf(1));
    expect(bins[3]?.[0]?.sentence).toContain('from 08:50 UTC to 09:05 UTC');
  });

  it('that comes back within three bins of its end is the same one', () => {
    const bins = play([[both], [], [], [], [], [both]]);
    expect(bins[5]?.[0]).toMatchObject({ id: bins[0]?.[0]?.id, endedAt: null });
  });

  it('that comes back later is another one', () => {
    const bins = play([[both], [], [], [], [], [], [], [both]]);
    expect(bins[7]?.[0]?.id).not.toBe(bins[0]?.[0]?.id);
  });

  it('whose element inference moves by a hop is still the same, as the same devices suffer', () => {
    const element = { ...both.element, id: '10.0.3.1>10.0.4.1', name: 'a neighbour' };
    const moved = stretch([0, 1], { key: 'link:moved', element, elementFor: () => element });
    const bins = play([[both], [moved]]);
    expect(bins[1]?.[0]).toMatchObject({ id: bins[0]?.[0]?.id, element: { name: 'a neighbour' } });
  });

  it('of other devices is another one', () => {
    const element = { ...both.element, id: '10.0.3.1>10.0.4.1' };
    const judge = judges();
    const [first] = judge.judge(viewOf(0, fleet([0, 1])), [both]).incidents;
    const others = stretch([5, 6], { key: 'link:other', element, elementFor: () => element });
    const second = judge.judge(viewOf(1, fleet([5, 6])), [others]).incidents;
    expect(second.map(({ id }) => id)).not.toContain(first?.id);
  });

  it('of two causes with one element each has its own, from bin to bin', () => {
    const into = stretch([0, 1], { key: 'in:10.0.3.1' });
    const behind = stretch([2, 3], { key: 'out:10.0.3.1' });
    const bins = play([[into, behind], [into, behind], [behind]], [0, 1, 2, 3]);
    const ids = bins.map((incidents) => incidents.map(({ id }) => id));
    expect(new Set(ids[0]).size).toBe(2);
    expect(ids[1]).toEqual(ids[0]);
    expect(ids[0]).toContain(ids[2]?.[0]);
  });

  it('that nobody feels is not told', () => {
    expect(play([[stretch([0, 1], { costMs: () => 12 })]], [])).toEqual([[]]);
  });

  it.each([
    [[0], 100, 'one-user'],
    [[0, 1], 300, 'few'],
    [[0, 1], 100, 'low'],
    [[0, 1, 2, 3, 4, 5], 100, 'medium'],
    [[0, 1], 10, 'high'],
  ] as const)('of %j among %i devices has the level %s', (slow, size, level) => {
    const judged = judges().judge(viewOf(0, fleet(slow, size)), [stretch(slow)]);
    expect(judged.incidents[0]?.level).toBe(level);
  });
});

describe('when it began', () => {
  const startOfCause = (recentTotals: (number | null)[], more: Partial<Accepted> = {}) => {
    const devices = [0, 1, 2].map(() => ({
      applications: [slowApp(270, 'payroll', { recentTotals })],
    }));
    const cause = stretch([0, 1, 2], more);
    return judges().judge(viewOf(0, devices), [cause]).incidents[0]?.startedAt;
  };

  it('is where the totals of those who have it changed', () => {
    expect(startOfCause([270, 262, 5])).toBe(startOf(-1));
    expect(startOfCause([270, 8, -4])).toBe(startOf(0));
  });

  it('follows how it was found where totals say nothing', () => {
    expect(startOfCause([270, null, null])).toBe(startOf(-1));
    expect(startOfCause([270, null, null], { pass: 'fast' })).toBe(startOf(0));
    const loss = { kind: 'loss', lossRatio: 0.1 } as const;
    expect(startOfCause([0, 0, 0], loss)).toBe(startOf(0));
    expect(startOfCause([0, 0, 0], { ...loss, scope: 'device' })).toBe(startOf(-1));
  });
});

describe('state between bins', () => {
  it('restored from what was saved it goes on as if nothing had been', () => {
    const straight = judges();
    const before = judges();
    for (const judge of [straight, before]) judge.judge(viewOf(0, fleet([0, 1])), [both]);
    const saved = JSON.parse(JSON.stringify(before.save()));
    const after = judges(saved);
    for (let bin = 1; bin < 7; bin += 1) {
      const accepted = bin === 1 || bin > 5 ? [both] : [];
      const view = viewOf(bin, fleet([0, 1]));
      expect(after.judge(view, accepted)).toEqual(straight.judge(view, accepted));
      expect(after.save()).toEqual(straight.save());
    }
  });

  it('does not grow with time: what has ended is forgotten', () => {
    const judge = judges();
    for (let bin = 0; bin < 60; bin += 1) {
      const element = { ...both.element, id: `hop-${bin}` };
      const cause = stretch([bin], { key: `link:${bin}`, element, elementFor: () => element });
      judge.judge(viewOf(bin, fleet([bin], 64)), [cause]);
    }
    expect((judge.save() as { incidents: unknown[] }).incidents.length).toBeLessThan(8);
  });
});

describe('what does not answer', () => {
  const failing = (type: string, more: object = {}) =>
    slowApp(0, 'payroll', { runCount: 1, okCount: 0, failureType: type, ...more });
  const wiki = (more: object = {}) => slowApp(0, 'wiki', more);
  type Apps = ReturnType<typeof wiki>[];
  const judge = (bins: readonly (readonly Apps[])[]) => {
    const of = judges();
    return bins.map((devices, bin) =>
      of.judge(
        viewOf(
          bin,
          devices.map((applications) => ({ applications })),
        ),
        [],
      ),
    );
  };

  it('once is an accident, twice in a row is a failure of that device’s', () => {
    const devices = [[failing('http.error'), wiki()], [fineApp()], [fineApp()]];
    const [first, second] = judge([devices, devices]);
    expect(first?.verdicts).toEqual([]);
    expect(second?.verdicts).toHaveLength(1);
    expect(second?.verdicts[0]).toMatchObject({
      deviceId: deviceId(0),
      state: 'failing',
      segment: 'server',
      score: 0,
      causes: [{ kind: 'failure', scope: 'device', family: 'device' }],
    });
  });

  it('an answer between them breaks the row', () => {
    const bad = [[failing('http.error')], [fineApp()], [fineApp()]];
    const good = [[fineApp()], [fineApp()], [fineApp()]];
    expect(judge([bad, good, bad]).flatMap(({ verdicts }) => verdicts)).toEqual([]);
  });

  it('for every device at once is the application, and needs no second bin', () => {
    const [{ verdicts, incidents } = { verdicts: [], incidents: [] }] = judge([
      [0, 1, 2, 3].map(() => [failing('tls.cert.date_invalid'), wiki()]),
    ]);
    expect(verdicts).toHaveLength(4);
    expect(verdicts[0]?.sentence).toBe(
      'Payroll does not work on LAPTOP-7 since 09:00 UTC: the TLS handshake fails (Payroll); 3 other devices have it too.',
    );
    expect(incidents).toMatchObject([
      { causeKind: 'failure', family: 'tls', scope: 'application', deviceCount: 4, level: 'high' },
    ]);
  });

  it('through one edge only lies between that edge and the application', () => {
    const bad = () => [failing('edge.dial_failed'), wiki()];
    const good = () => [slowApp(0, 'payroll', { edgeId: 'fra' }), wiki({ edgeId: 'fra' })];
    const [said] = judge([[bad(), bad(), bad(), good(), good()]]);
    expect(said?.incidents).toMatchObject([
      { family: 'link', scope: 'edge', segment: 'edge-origin', element: { id: 'ams>payroll' } },
    ]);
  });

  it('all names through one edge is that edge’s resolver', () => {
    const bad = () => [
      failing('edge.dns_failed'),
      wiki({ okCount: 0, failureType: 'edge.dns_failed' }),
    ];
    const [said] = judge([[bad(), bad(), bad()]]);
    expect(said?.incidents).toMatchObject([{ family: 'edge-dns', element: { id: 'ams' } }]);
  });

  it('every tunnel of one edge is the edge, the tunnel of one device is that device’s', () => {
    const bad = () => [failing('tunnel.down'), wiki({ okCount: 0, failureType: 'tunnel.down' })];
    const good = () => [fineApp(), wiki()];
    const [all] = judge([[bad(), bad(), bad()]]);
    expect(all?.incidents).toMatchObject([{ family: 'edge', element: { id: 'ams' } }]);
    const [, one] = judge([
      [bad(), good(), good()],
      [bad(), good(), good()],
    ]);
    expect(one?.incidents).toMatchObject([{ family: 'tunnel-client', scope: 'device' }]);
  });

  it('by policy, or with the device off the network, is not said at all', () => {
    const bad = [[failing('policy.blocked')], [failing('agent.network_down')]];
    expect(judge([bad, bad]).flatMap(({ verdicts }) => verdicts)).toEqual([]);
  });
});
