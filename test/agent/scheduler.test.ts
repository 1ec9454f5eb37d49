import { describe, expect, test } from 'vitest';
import type { RunToMake } from '#agent/scheduler.ts';
import { offsetMs } from '#agent/timetable.ts';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { Result } from '#contract/result.ts';
import { seededRandom } from '#test/collector/store/make-point.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import { deviceId, resultOf, setUpScheduler } from './test-scheduler.ts';

const makeProbe = (
  id: string,
  type: 'dns' | 'page-load' = 'dns',
  changes: { intervalMs?: number; appId?: string; timeoutMs?: number } = {},
): ProbeDefinition => {
  const common = {
    id,
    appId: 'shop',
    via: 'direct' as const,
    intervalMs: 1_000,
    timeoutMs: 500,
    ...changes,
  };
  return type === 'dns'
    ? { ...common, type, name: 'shop.test', recordType: 'A', server: '' }
    : { ...common, type, url: 'https://shop.test/' };
};

const atOnce = async (run: RunToMake): Promise<Result> => resultOf(run);

test('runs every probe once an interval', async () => {
  const { clock, made } = setUpScheduler(atOnce, [makeProbe('a'), makeProbe('b')]);
  for (let step = 0; step < 50; step += 1) await clock.move(100);
  expect(made.filter(({ probe }) => probe.id === 'a')).toHaveLength(5);
  expect(made.filter(({ probe }) => probe.id === 'b')).toHaveLength(5);
});

describe('lanes', () => {
  const hanging = () => {
    const ends: (() => void)[] = [];
    const begun: string[] = [];
    const run = (toMake: RunToMake, signal: AbortSignal) =>
      new Promise<Result | undefined>((resolve) => {
        begun.push(toMake.probe.id);
        ends.push(() => resolve(resultOf(toMake)));
        signal.addEventListener('abort', () => resolve(undefined));
      });
    return { ends, begun, run };
  };

  test('at most four timed probes are started within 20 ms, and one page load is under way', async () => {
    const { ends, begun, run } = hanging();
    const probes = [
      ...['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((id) => makeProbe(id)),
      ...['p', 'q', 'r'].map((id) => makeProbe(id, 'page-load')),
    ];
    const { clock, countMissed } = setUpScheduler(run, probes);
    // All become due at once.
    await clock.move(1_000);
    expect(begun).toHaveLength(5);
    await clock.move(19);
    expect(begun).toHaveLength(5);
    await clock.move(1);
    expect(begun.filter((id) => id < 'p')).toHaveLength(7);
    expect(begun.filter((id) => id >= 'p')).toHaveLength(1);
    for (let round = 0; round < 20; round += 1) {
      for (const end of ends.splice(0)) end();
      await clock.move(0);
    }
    expect(begun).toHaveLength(10);
    expect(countMissed('overrun')).toBe(0);
  });

  test('a hanging application does not keep another from its time', async () => {
    const { run: hang } = hanging();
    const late: number[] = [];
    const run = (toMake: RunToMake, signal: AbortSignal) => {
      if (toMake.probe.appId === 'hung') return hang(toMake, signal);
      late.push(toMake.latenessMs ?? Number.NaN);
      return atOnce(toMake);
    };
    const hung = Array.from({ length: 60 }, (_, i) =>
      makeProbe(`h${i}`, 'dns', { appId: 'hung', intervalMs: 60_000, timeoutMs: 60_000 }),
    );
    const sound = Array.from({ length: 20 }, (_, i) =>
      makeProbe(`s${i}`, 'dns', { appId: 'sound', intervalMs: 10_000 }),
    );
    const { clock, countMissed } = setUpScheduler(run, [...hung, ...sound]);
    for (let step = 0; step < 12_000; step += 1) await clock.move(5);
    expect(late).toHaveLength(120);
    expect(Math.max(...late)).toBeLessThanOrEqual(25);
    expect(countMissed('overrun')).toBe(0);
  });
});

test('says how late each planned run began', async () => {
  const { clock, made } = setUpScheduler(atOnce, [makeProbe('a')]);
  const offset = offsetMs(deviceId, makeProbe('a'));
  const start = 1_700_000_000_000;
  const first = Math.floor((start - offset) / 1_000 + 1) * 1_000 + offset;
  await clock.move(first - start + 137);
  expect(made.map(({ latenessMs }) => latenessMs)).toEqual([137]);
  await clock.move(1_000 - 137);
  expect(made.map(({ latenessMs }) => latenessMs)).toEqual([137, 0]);
});

test('counts what a sleep took and starts nothing because of it', async () => {
  const { clock, countMissed, made } = setUpScheduler(atOnce, [makeProbe('a')]);
  for (let step = 0; step < 20; step += 1) await clock.move(100);
  const before = made.length;
  await clock.move(1, { asleepMs: 60_000 });
  expect(made).toHaveLength(before);
  expect(countMissed('asleep')).toBe(60);
});

test('a plan that comes in the moment of waking does not make a sleep look like an overrun', async () => {
  const { clock, scheduler, countMissed, made } = setUpScheduler(atOnce, [makeProbe('a')]);
  for (let step = 0; step < 20; step += 1) await clock.move(100);
  const before = made.length;
  const moved = clock.move(1, { asleepMs: 60_000 });
  scheduler.setPlan([makeProbe('a'), makeProbe('b')]);
  await moved;
  expect(made).toHaveLength(before);
  expect(countMissed('asleep', 'a')).toBe(60);
  expect(countMissed('overrun')).toBe(0);
});

test('tells runs under way that it stops, and counts those that never began', async () => {
  let aborted = 0;
  const run = (_: RunToMake, signal: AbortSignal) =>
    new Promise<undefined>((resolve) => {
      signal.addEventListener('abort', () => {
        aborted += 1;
        resolve(undefined);
      });
    });
  const probes = [
    ...['a', 'b', 'c'].map((id) => makeProbe(id)),
    ...['p', 'q', 'r'].map((id) => makeProbe(id, 'page-load')),
  ];
  const { clock, scheduler, countMissed, open } = setUpScheduler(run, probes);
  for (let step = 0; step < 10; step += 1) await clock.move(100);
  await scheduler.stop();
  await waitUntil(() => aborted === 4);
  expect(countMissed('stopped')).toBe(6);
  expect(open.size).toBe(0);
});

test('a probe that leaves the plan and comes back does not run beside its own old run', async () => {
  let underway = 0;
  let peak = 0;
  const run = async (toMake: RunToMake, signal: AbortSignal) => {
    underway += 1;
    peak = Math.max(peak, underway);
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve());
    });
    underway -= 1;
    return resultOf(toMake);
  };
  const { clock, scheduler, countMissed } = setUpScheduler(run, [makeProbe('a')]);
  await clock.move(1_000);
  expect(underway).toBe(1);
  scheduler.setPlan([]);
  await clock.move(100);
  scheduler.setPlan([makeProbe('a')]);
  for (let step = 0; step < 30; step += 1) await clock.move(100);
  expect(peak).toBe(1);
  expect(countMissed('overrun')).toBeGreaterThanOrEqual(2);
});

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'accounts for every planned run whatever time and the plan do (seed %i)',
  async (seed) => {
    const random = seededRandom(seed);
    const pick = (count: number) => Math.floor(random() * count);
    const overlapping = new Set<string>();
    const underway = new Set<string>();
    const run = async (toMake: RunToMake, signal: AbortSignal) => {
      const { id } = toMake.probe;
      const isPlanned = toMake.repeats === undefined;
      if (isPlanned && underway.has(id)) overlapping.add(id);
      if (isPlanned) underway.add(id);
      const ticks = pick(6);
      for (let i = 0; i < ticks && !signal.aborted; i += 1) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (isPlanned) underway.delete(id);
      if (signal.aborted) return undefined;
      return resultOf(toMake, random() < 0.2 ? 'agent-overloaded' : 'none');
    };
    const all = Array.from({ length: 8 }, (_, i) =>
      makeProbe(`p${i}`, i === 7 ? 'page-load' : 'dns', { intervalMs: 1_000 + 500 * (i % 3) }),
    );
    const plans = [all, all.slice(2), all.slice(0, 5), [], all.slice(4)];
    const { clock, scheduler, made, missed, open } = setUpScheduler(run);
    const planned = new Map<string, number>();
    const slots = createSlotCounter(planned);
    scheduler.setPlan(all);
    slots.setPlan(all, clock.read());
    for (let step = 0; step < 400; step += 1) {
      const kind = pick(20);
      if (kind === 0) await clock.move(pick(200), { asleepMs: 2_000 + pick(30_000) });
      else if (kind === 1) await clock.move(pick(200), { steppedMs: pick(200_000) - 100_000 });
      else await clock.move(pick(400));
      slots.advance(clock.read());
      if (kind === 2) {
        const plan = plans[pick(plans.length)] ?? [];
        scheduler.setPlan(plan);
        slots.setPlan(plan, clock.read());
      }
    }
    await scheduler.stop();
    const reasons = ['overrun', 'asleep', 'stopped'];
    for (const { id } of all) {
      const results = made.filter(
        ({ probe, repeats }) => probe.id === id && repeats === undefined,
      ).length;
      const explained = missed
        .filter(({ probeId, reason }) => probeId === id && reasons.includes(reason))
        .reduce((sum, { count }) => sum + count, 0);
      expect(results + explained, id).toBe(planned.get(id) ?? 0);
    }
    expect(open.size).toBe(0);
    expect([...overlapping]).toEqual([]);
  },
);

/** What a plan asks for, counted from its definition alone: a slot every interval at the offset. */
const createSlotCounter = (planned: Map<string, number>) => {
  let plan: readonly ProbeDefinition[] = [];
  let at = 1_700_000_000_000;
  let last = { monotonicMs: 0, bootMs: 0 };
  const slotsUntil = (probe: ProbeDefinition, time: number) =>
    Math.floor((time - offsetMs(deviceId, probe)) / probe.intervalMs);
  const advance = (reading: { monotonicMs: number; bootMs: number | undefined }) => {
    const bootMs = reading.bootMs ?? 0;
    const slept = bootMs - last.bootMs - (reading.monotonicMs - last.monotonicMs);
    const now = at + (reading.monotonicMs - last.monotonicMs) + (slept > 1_000 ? slept : 0);
    for (const probe of plan) {
      const count = slotsUntil(probe, now) - slotsUntil(probe, at);
      planned.set(probe.id, (planned.get(probe.id) ?? 0) + count);
    }
    at = now;
    last = { monotonicMs: reading.monotonicMs, bootMs };
  };
  return {
    advance,
    setPlan(next: readonly ProbeDefinition[], reading: Parameters<typeof advance>[0]) {
      advance(reading);
      plan = next;
    },
  };
};
