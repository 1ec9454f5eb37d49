import { expect, test } from 'vitest';
import { openBudget } from '#agent/on-demand/budget.ts';
import { makeRuns } from '#agent/on-demand/make-runs.ts';
import type { TakenTurn } from '#agent/turns.ts';
import type { HttpProbe } from '#contract/plan.ts';
import type { Result } from '#contract/result.ts';
import { httpProbe } from '#test/support/probe-context.ts';

const probeCalled = (id: string, changes: Partial<HttpProbe> = {}) =>
  httpProbe('http://127.0.0.1:1/', { id, ...changes });

const resultOf = (probeId: string, bodyBytes: number): Result =>
  ({ probeId, type: 'http', body: { exchanges: [{ bodyBytes }] } }) as unknown as Result;

const setUp = (options: {
  probes: readonly HttpProbe[];
  burst?: { everySeconds: number; forSeconds: number };
  maxBytes?: number;
  cpuUsedMs?: () => number;
  takesMs?: number;
  bodyBytes?: number;
}) => {
  const turns: TakenTurn[] = [];
  const lost: Record<string, number> = {};
  const stopping = new AbortController();
  const limits = { maxBytes: options.maxBytes ?? 20_000_000, maxCpuRatio: 0.2 };
  const lastsMs = (options.burst?.forSeconds ?? 0) * 1_000;
  let underway = 0;
  let peak = 0;
  const ended = makeRuns({
    probes: options.probes,
    burst: options.burst,
    budget: openBudget(limits, lastsMs, options.cpuUsedMs ?? (() => 0)),
    make: async (turn) => {
      turns.push(turn);
      underway += 1;
      peak = Math.max(peak, underway);
      await new Promise((resolve) => setTimeout(resolve, options.takesMs ?? 1));
      underway -= 1;
      return turn.probes.map(({ id }) => resultOf(id, options.bodyBytes ?? 100));
    },
    onLost: (_, reason, count) => {
      lost[reason] = (lost[reason] ?? 0) + count;
    },
    onResult: () => {},
    signal: stopping.signal,
  });
  return { ended, turns, lost, stopping, peak: () => peak };
};

test('without a burst each probe runs once, four at a time, the ways of a pair back to back', async () => {
  const probes = [
    probeCalled('shop', { via: 'tunnel', pair: 'shop' }),
    probeCalled('shop-direct', { pair: 'shop' }),
    ...Array.from({ length: 9 }, (_, i) => probeCalled(`p${i}`)),
  ];
  const { ended, turns, peak } = setUp({ probes, takesMs: 5 });
  expect(await ended).toEqual({ madeCount: 11, lostCount: 0, reason: '' });
  expect(turns).toHaveLength(10);
  expect(turns[0]?.probes.map(({ id }) => id).sort()).toEqual(['shop', 'shop-direct']);
  expect(turns[0]?.pairId).toBeDefined();
  expect(peak()).toBeLessThanOrEqual(4);
});

test('a burst that has used up its bytes ends, counts what it did not make, and says why', async () => {
  const burst = { everySeconds: 0.125, forSeconds: 37.5 };
  const { ended, lost } = setUp({
    probes: [probeCalled('big')],
    burst,
    maxBytes: 25_000,
    bodyBytes: 10_000,
  });
  // 17,500 bytes a run with its connection: after the first there is no room for another like it.
  expect(await ended).toEqual({
    madeCount: 1,
    lostCount: 299,
    reason: 'the budget of 0.0 MB is used up (0.0 MB so far)',
  });
  expect(lost).toEqual({ 'over-budget': 299 });
});

test('a burst that has used up its share of a core ends as well', async () => {
  let cpuMs = 0;
  const burst = { everySeconds: 0.125, forSeconds: 1.25 };
  const probes = [probeCalled('a')];
  const { ended, lost } = setUp({ probes, burst, cpuUsedMs: () => (cpuMs += 700) });
  // A fifth of ten seconds: a shorter burst has as much.
  const end = await ended;
  expect(end.reason).toBe(
    'the budget of 2.0 s of CPU time is used up: leave page loads out with --probe, or raise onDemand.maxCpuRatio',
  );
  expect(end.madeCount).toBeGreaterThan(0);
  expect(lost).toEqual({ 'over-budget': 10 - end.madeCount });
});

test('a probe that takes longer than the time between two ticks misses ticks, and they are counted', async () => {
  const burst = { everySeconds: 0.25, forSeconds: 0.75 };
  const { ended, lost } = setUp({ probes: [probeCalled('slow')], burst, takesMs: 375 });
  expect(await ended).toEqual({
    madeCount: 2,
    lostCount: 1,
    reason: 'some runs took longer than the time between them',
  });
  expect(lost).toEqual({ 'request-ended': 1 });
});

test('a burst that is stopped counts the rest', async () => {
  const burst = { everySeconds: 60, forSeconds: 300 };
  const { ended, lost, stopping } = setUp({ probes: [probeCalled('a')], burst });
  setTimeout(() => stopping.abort(), 50);
  expect(await ended).toMatchObject({ madeCount: 1, lostCount: 4 });
  expect(lost).toEqual({ 'request-ended': 4 });
});
