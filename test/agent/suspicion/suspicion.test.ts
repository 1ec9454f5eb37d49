import { describe, expect, it } from 'vitest';
import {
  nothingSpent,
  type Spent,
  spentAt,
  whyNotBegin,
  whyOver,
} from '#agent/suspicion/allowance.ts';
import { chooseProbes, turnsOfTick } from '#agent/suspicion/burst-turns.ts';
import { drawLot } from '#agent/suspicion/chance.ts';
import { beginCourse } from '#agent/suspicion/course.ts';
import { isAbove, learn, unknownNormal } from '#agent/suspicion/normal.ts';
import { createSuspicion } from '#agent/suspicion/suspicion.ts';
import { type FailureType, failureFacts } from '#contract/failure.ts';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { Result } from '#contract/result.ts';

const result = (durationMs: number, more: Partial<Result> = {}): Result =>
  ({
    kind: 'result',
    type: 'http',
    appId: 'shop',
    probeId: 'shop-http',
    durationMs,
    failure: null,
    distortion: 'none',
    ...more,
  }) as Result;
const failing = (type: FailureType): Partial<Result> => ({
  failure: { type, ...failureFacts[type], message: 'as seen' } as Result['failure'],
});

/** Of 0 to 1, always the same. */
const noise = (i: number): number => Math.abs(Math.sin(i * 12.9898) * 43_758.5453) % 1;

describe('what is usual for a probe', () => {
  const learned = (values: readonly number[]) => values.reduce(learn, unknownNormal());

  it('is known after five results', () => {
    expect(isAbove(learned([200, 210, 190, 205]), 900)).toBeUndefined();
    expect(isAbove(learned([200, 210, 190, 205, 201]), 900)).toBe(true);
    expect(isAbove(learned([200, 210, 190, 205, 201]), 225)).toBe(false);
  });

  it('is not moved by odd ones among the first', () => {
    expect(isAbove(learned([200, 2_000, 190, 205, 201]), 300)).toBe(true);
  });

  it('of a noisy application is wide', () => {
    const values = Array.from({ length: 60 }, (_, i) => 200 + 150 * noise(i));
    expect(isAbove(learned(values), 380)).toBe(false);
    expect(isAbove(learned(values), 900)).toBe(true);
  });

  it('does not become a fault of ten minutes, and becomes a change of days', () => {
    const before = learned(Array.from({ length: 60 }, (_, i) => 200 + 10 * noise(i)));
    const during = Array.from({ length: 10 }).reduce<typeof before>((n) => learn(n, 600), before);
    expect(isAbove(during, 600)).toBe(true);
    expect(during.levelMs).toBeLessThan(210);
    const after = Array.from({ length: 3_000 }).reduce<typeof before>((n) => learn(n, 600), before);
    expect(isAbove(after, 620)).toBe(false);
  });
});

describe('a suspicion', () => {
  const ready = () => {
    const detector = createSuspicion();
    for (let i = 0; i < 8; i += 1) detector.look(result(200 + i));
    return detector;
  };
  const see = (detector: ReturnType<typeof ready>, one: Result, nowMs = 0) =>
    detector.suspicionOf(one, detector.look(one), nowMs);

  it('is raised by the first slow result', () => {
    const detector = ready();
    expect(see(detector, result(210))).toBeUndefined();
    expect(see(detector, result(600))).toEqual({
      appId: 'shop',
      probeId: 'shop-http',
      oddness: 'slow',
    });
  });

  it('is raised by the first failure after a success, and by none before', () => {
    const failed = result(3, failing('tcp.refused'));
    expect(see(createSuspicion(), failed)).toBeUndefined();
    expect(see(ready(), failed)?.oddness).toBe('failing');
  });

  it.each([
    ['a distorted result', { distortion: 'agent-overloaded' as const }],
    ['one that somebody asked for', { requestId: 'r' }],
    ['a failure of the agent’s own', failing('agent.network_down')],
    ['what the policy forbids', failing('policy.blocked')],
    ['an edge that asks for less', failing('edge.overloaded')],
    ['an application that asks for less', failing('http.rate_limited')],
    ['a run that was given up', failing('abandoned')],
  ])('is not raised by %s', (_, more) => {
    expect(see(ready(), result(900, more))).toBeUndefined();
  });

  it('that is looked into is none again before two results are as usual, either way', () => {
    const detector = ready();
    const first = see(detector, result(600));
    if (first === undefined) throw new Error('no suspicion');
    detector.take(first, 0);
    expect(see(detector, result(600))).toBeUndefined();
    // The other way of the same application.
    const direct = { probeId: 'shop-http-direct' };
    for (let i = 0; i < 8; i += 1) detector.look(result(100, direct));
    expect(see(detector, result(600, direct))).toBeUndefined();
    expect(see(detector, result(205))).toBeUndefined();
    expect(see(detector, result(600))).toBeUndefined();
    for (const ms of [205, 204]) expect(see(detector, result(ms))).toBeUndefined();
    expect(see(detector, result(600))).toBeDefined();
  });

  it('is looked into again after a quarter of an hour, and when what was slow fails', () => {
    const detector = ready();
    const first = see(detector, result(600));
    if (first === undefined) throw new Error('no suspicion');
    detector.take(first, 0);
    expect(see(detector, result(600), 14 * 60_000)).toBeUndefined();
    expect(see(detector, result(600), 16 * 60_000)).toBeDefined();
    expect(see(detector, result(3, failing('tcp.refused')), 60_000)?.oddness).toBe('failing');
  });

  it('is not made of a burst’s own results, which are not learned either', () => {
    const detector = ready();
    const burstId = 'b';
    expect(see(detector, result(600, { burstId }))).toBeUndefined();
    for (let i = 0; i < 100; i += 1) detector.look(result(600, { burstId }));
    expect(see(detector, result(600))?.oddness).toBe('slow');
  });
});

describe('the course of a burst', () => {
  const limits = { seconds: 30, calmSeconds: 8, maxCpuRatio: 0.25 };
  const play = (looks: (second: number) => 'slow' | 'usual' | 'distorted') => {
    const course = beginCourse(limits, 0);
    for (let second = 0; ; second += 1) {
      const why = course.whyOver(second * 1_000, 0);
      if (why !== undefined) return { why, second };
      const look = looks(second);
      course.note(look === 'distorted' ? 'nothing' : look, look === 'distorted', second * 1_000);
    }
  };

  it('ends when all was as usual for a while', () => {
    expect(play(() => 'usual')).toEqual({ why: 'all is as usual again', second: 8 });
    expect(play((s) => (s < 5 ? 'slow' : 'usual'))).toMatchObject({ second: 13 });
  });
  it('ends when enough was seen', () => {
    expect(play(() => 'slow')).toEqual({ why: 'enough was seen', second: 20 });
  });
  it('ends when its time is over, of what comes and goes', () => {
    expect(play((s) => (s % 4 === 0 ? 'usual' : 'slow'))).toEqual({
      why: 'its time is over',
      second: 30,
    });
  });
  it('ends when the agent is overloaded, twice in a row, or takes too much CPU', () => {
    expect(play((s) => (s === 3 ? 'distorted' : 'slow'))).toMatchObject({ second: 21 });
    expect(play((s) => (s === 3 || s === 4 ? 'distorted' : 'slow'))).toEqual({
      why: 'the agent is overloaded',
      second: 5,
    });
    const course = beginCourse(limits, 0);
    expect(course.whyOver(4_000, 1_900)).toBeUndefined();
    expect(course.whyOver(4_000, 2_100)).toMatch(/CPU/);
  });
});

describe('the budget', () => {
  const limits = { perHour: 6, bytesPerDay: 20_000_000, cpuMsPerDay: 120_000 };

  it('holds over a day in which every second is odd', () => {
    let spent: Spent = nothingSpent;
    const startMs = Date.UTC(2026, 10, 23);
    const days: number[] = [];
    let count = 0;
    for (let second = 0; second < 86_400; ) {
      const nowMs = startMs + second * 1_000;
      spent = spentAt(spent, nowMs);
      if (whyNotBegin(spent, limits) !== undefined) {
        second += 1;
        continue;
      }
      count += 1;
      spent = { ...spent, begunAt: [...spent.begunAt, nowMs] };
      for (let tick = 0; tick < 30 && whyOver(spent, limits) === undefined; tick += 1) {
        spent = { ...spent, bytes: spent.bytes + 15_000, cpuMs: spent.cpuMs + 20 };
        second += 1;
      }
      days.push(spent.bytes);
      expect(spent.begunAt.length).toBeLessThanOrEqual(6);
    }
    expect(count).toBeGreaterThan(40);
    expect(count).toBeLessThanOrEqual(6 * 24);
    // What is under way when it is used up is the last.
    expect(Math.max(...days)).toBeLessThanOrEqual(limits.bytesPerDay + 15_000);
    expect(spent.cpuMs).toBeLessThanOrEqual(limits.cpuMsPerDay + 20);
  });

  it('begins anew with the day, and not with a clock that is set back', () => {
    const spent = spentAt({ ...nothingSpent, bytes: 5 }, 10 * 86_400_000);
    const used = { ...spent, bytes: 7 };
    expect(spentAt(used, 11 * 86_400_000).bytes).toBe(0);
    expect(spentAt(used, 9 * 86_400_000).bytes).toBe(7);
    // A clock that was years ahead and is put right.
    expect(spentAt({ ...used, day: 10_000 }, 11 * 86_400_000).bytes).toBe(0);
  });
});

describe('of twenty thousand devices that see one outage', () => {
  const ids = Array.from({ length: 20_000 }, (_, i) => `device-${i}`);
  const policy = { deviceRatio: 50 / 32_768, spreadSeconds: 5 };
  const lots = (appId: string, nowMs: number) =>
    ids.map((deviceId) => ({ deviceId, ...drawLot({ deviceId, appId, nowMs }, policy) }));

  it('some dozens measure, each at its own moment, and others another time', () => {
    const drawn = lots('shop', 0).filter(({ isDrawn }) => isDrawn);
    expect(drawn.length).toBeGreaterThan(12);
    expect(drawn.length).toBeLessThan(60);
    expect(new Set(drawn.map(({ delayMs }) => delayMs)).size).toBe(drawn.length);
    expect(Math.max(...drawn.map(({ delayMs }) => delayMs))).toBeLessThan(5_000);
    const again = lots('shop', 60_000).filter(({ isDrawn }) => isDrawn);
    expect(again).toEqual(drawn);
    const later = lots('shop', 3_600_000).filter(({ isDrawn }) => isDrawn);
    expect(later.map(({ deviceId }) => deviceId)).not.toEqual(
      drawn.map(({ deviceId }) => deviceId),
    );
  });

  it('every one of a small fleet does, at once', () => {
    const all = ids
      .slice(0, 50)
      .map((deviceId) =>
        drawLot({ deviceId, appId: 'shop', nowMs: 0 }, { deviceRatio: 1, spreadSeconds: 0 }),
      );
    expect(all.every(({ isDrawn, delayMs }) => isDrawn && delayMs === 0)).toBe(true);
  });
});

describe('a tick of a burst', () => {
  const schedule = { appId: 'shop', intervalMs: 60_000, timeoutMs: 60_000 };
  const plan = [
    {
      ...schedule,
      id: 'shop-http',
      type: 'http',
      via: 'tunnel',
      pair: 'p',
      url: 'https://shop.test/',
    },
    {
      ...schedule,
      id: 'shop-http-direct',
      type: 'http',
      via: 'direct',
      pair: 'p',
      url: 'https://shop.test/',
    },
    {
      ...schedule,
      id: 'shop-path',
      type: 'path',
      via: 'direct',
      host: 'shop.test',
      port: 443,
      packetCount: 5,
      branches: true,
    },
    {
      ...schedule,
      id: 'edge-path-a',
      appId: 'whyslow-edge',
      type: 'path',
      via: 'direct',
      host: '192.0.2.1',
      port: 4433,
      packetCount: 5,
      mtu: true,
    },
    {
      ...schedule,
      id: 'edge-path-b',
      appId: 'whyslow-edge',
      type: 'path',
      via: 'direct',
      host: '192.0.2.2',
      port: 4433,
      packetCount: 5,
    },
  ] as unknown as ProbeDefinition[];
  const suspicion = { appId: 'shop', probeId: 'shop-http', oddness: 'slow' } as const;
  const edge = { host: '192.0.2.1', port: 4433 };

  it('makes the suspected run, now and then its other way, and traces no more than routers answer', () => {
    const probes = chooseProbes(plan, suspicion, edge);
    if (probes === undefined) throw new Error('no probes');
    const counts = new Map<string, number>();
    for (let tick = 0; tick < 30; tick += 1) {
      for (const { probes: taken } of turnsOfTick(probes, tick, 1, () => false)) {
        for (const { id } of taken) counts.set(id, (counts.get(id) ?? 0) + 1);
      }
    }
    expect(Object.fromEntries(counts)).toEqual({
      'shop-http': 30,
      'shop-http-direct': 6,
      'edge-path-a': 10,
      'shop-path': 10,
    });
    expect(probes.paths.every((path) => path.type === 'path' && path.packetCount === 3)).toBe(true);
    expect(JSON.stringify(probes.paths)).not.toMatch(/branches|mtu/);
  });

  it('leaves out what is under way', () => {
    const probes = chooseProbes(plan, suspicion, edge);
    if (probes === undefined) throw new Error('no probes');
    expect(turnsOfTick(probes, 0, 1, () => true)).toEqual([]);
  });

  it('waits no minute for the end of what fails by silence', () => {
    const probes = chooseProbes(plan, { ...suspicion, oddness: 'failing' }, null);
    expect(probes?.main.timeoutMs).toBe(20_000);
    expect(probes?.paths.map(({ id }) => id)).toEqual(['shop-path']);
  });
});
