import { expect, onTestFinished, test } from 'vitest';
import { type SchedulerOptions, startScheduler } from '#agent/scheduler.ts';
import type { Missed } from '#agent/timetable.ts';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { ClockReading } from '#runtime/clock.ts';
import { silentLog } from '#runtime/log.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const makeProbe = (id: string, type: 'dns' | 'page-load' = 'dns'): ProbeDefinition => {
  const common = { id, appId: 'shop', via: 'direct' as const, intervalMs: 1_000, timeoutMs: 500 };
  return type === 'dns'
    ? { ...common, type, name: 'shop.test', recordType: 'A', server: '' }
    : { ...common, type, url: 'https://shop.test/' };
};

/** A clock the test moves; the scheduler's waits end when it does. */
const createTestClock = () => {
  const reading: ClockReading = { wallMs: 1_700_000_000_000, monotonicMs: 0, bootMs: 0 };
  let wakeAll: (() => void)[] = [];
  return {
    read: () => ({ ...reading }),
    wait: (_: number, signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        wakeAll.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      }),
    async move(ms: number, asleepMs = 0) {
      reading.wallMs += ms + asleepMs;
      reading.monotonicMs += ms;
      reading.bootMs = (reading.bootMs ?? 0) + ms + asleepMs;
      for (const wake of wakeAll.splice(0)) wake();
      wakeAll = [];
      await new Promise((resolve) => setTimeout(resolve, 1));
    },
  };
};

const setUp = (run: SchedulerOptions['run'], probes: ProbeDefinition[]) => {
  const clock = createTestClock();
  const missed: Missed[] = [];
  const scheduler = startScheduler({
    deviceId: '3f1f6c9e-7b51-4f52-9e2a-111111111111',
    run,
    onMissed: (one) => missed.push(one),
    log: silentLog(),
    readClocks: clock.read,
    wait: clock.wait,
  });
  onTestFinished(() => scheduler.stop());
  scheduler.setPlan(probes);
  const countMissed = (reason: Missed['reason']) =>
    missed.filter((one) => one.reason === reason).reduce((sum, { count }) => sum + count, 0);
  return { clock, scheduler, countMissed };
};

test('runs every probe once an interval', async () => {
  const runs: string[] = [];
  const run = async ({ id }: ProbeDefinition) => void runs.push(id);
  const { clock } = setUp(run, [makeProbe('a'), makeProbe('b')]);
  for (let step = 0; step < 50; step += 1) await clock.move(100);
  expect(runs.filter((id) => id === 'a')).toHaveLength(5);
  expect(runs.filter((id) => id === 'b')).toHaveLength(5);
});

test('has at most four timed probes and one page load under way', async () => {
  const ends: (() => void)[] = [];
  const underway = { dns: 0, 'page-load': 0 };
  const peak = { dns: 0, 'page-load': 0 };
  const run = async (probe: ProbeDefinition) => {
    const type = probe.type as 'dns' | 'page-load';
    underway[type] += 1;
    peak[type] = Math.max(peak[type], underway[type]);
    await new Promise<void>((resolve) => ends.push(resolve));
    underway[type] -= 1;
  };
  const probes = [
    ...['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((id) => makeProbe(id)),
    ...['p', 'q', 'r'].map((id) => makeProbe(id, 'page-load')),
  ];
  const { clock, countMissed } = setUp(run, probes);
  for (let step = 0; step < 10; step += 1) await clock.move(100);
  expect(underway).toEqual({ dns: 4, 'page-load': 1 });
  for (let round = 0; round < 20; round += 1) {
    for (const end of ends.splice(0)) end();
    await clock.move(0);
  }
  expect(peak).toEqual({ dns: 4, 'page-load': 1 });
  expect(underway).toEqual({ dns: 0, 'page-load': 0 });
  expect(countMissed('overrun')).toBe(0);
});

test('counts what a sleep took and starts nothing because of it', async () => {
  const runs: string[] = [];
  const run = async ({ id }: ProbeDefinition) => void runs.push(id);
  const { clock, countMissed } = setUp(run, [makeProbe('a')]);
  for (let step = 0; step < 20; step += 1) await clock.move(100);
  const before = runs.length;
  await clock.move(1, 60_000);
  expect(runs).toHaveLength(before);
  expect(countMissed('asleep')).toBe(60);
});

test('tells runs under way that it stops, and counts those that never began', async () => {
  const aborted: string[] = [];
  const run = (probe: ProbeDefinition, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        aborted.push(probe.id);
        resolve();
      });
    });
  const probes = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => makeProbe(id));
  const { clock, scheduler, countMissed } = setUp(run, probes);
  for (let step = 0; step < 10; step += 1) await clock.move(100);
  await scheduler.stop();
  await waitUntil(() => aborted.length === 4);
  expect(countMissed('stopped')).toBe(2);
});
