import { describe, expect, test } from 'vitest';
import { createTimeline } from '#agent/timeline.ts';
import { createTimetable, offsetMs } from '#agent/timetable.ts';
import type { HttpProbe } from '#contract/plan.ts';

const deviceId = '3f1f6c9e-7b51-4f52-9e2a-111111111111';
const makeProbe = (id: string, changes: Partial<HttpProbe> = {}): HttpProbe => ({
  id,
  appId: 'shop',
  via: 'direct',
  intervalMs: 10_000,
  timeoutMs: 5_000,
  type: 'http',
  url: 'https://shop.test/',
  method: 'GET',
  headers: {},
  expectStatus: [],
  expectBody: '',
  maxRedirects: 5,
  maxBodyBytes: 1_000_000,
  ...changes,
});
const awake = { wasAsleep: false };

describe('timetable', () => {
  test('gives each probe of a device, and each device, an offset of its own that stays', () => {
    const offsets = ['a', 'b', 'c', 'd'].map((id) => offsetMs(deviceId, makeProbe(id)));
    expect(new Set(offsets).size).toBe(4);
    expect(offsets).toEqual(['a', 'b', 'c', 'd'].map((id) => offsetMs(deviceId, makeProbe(id))));
    expect(offsetMs('another', makeProbe('a'))).not.toBe(offsets[0]);
    for (const offset of offsets) expect(offset).toBeLessThan(10_000);
  });

  test('spreads the probes of a device, and the devices of a fleet, over the whole interval', () => {
    const interval = { intervalMs: 60_000 };
    const fleets = [
      Array.from({ length: 600 }, (_, i) => offsetMs(deviceId, makeProbe(`p${i}`, interval))),
      Array.from({ length: 600 }, (_, i) => offsetMs(`device-${i}`, makeProbe('a', interval))),
    ];
    for (const offsets of fleets) {
      const seconds = Array.from({ length: 60 }, () => 0);
      for (const offset of offsets) {
        const second = Math.floor(offset / 1_000);
        seconds[second] = (seconds[second] ?? 0) + 1;
      }
      // Ten on average; of a Poisson distribution more than 25 in one of 60 has a chance of 1 in 1,000.
      expect(Math.max(...seconds)).toBeLessThanOrEqual(25);
      expect(seconds.filter((count) => count === 0).length).toBeLessThanOrEqual(1);
    }
  });

  test('runs a probe once an interval at its offset', () => {
    const timetable = createTimetable(deviceId);
    timetable.setPlan([makeProbe('a')], 0);
    const times: number[] = [];
    for (let now = 0; now < 60_000; now += 100) {
      if (timetable.advance(now, awake).due.length > 0) times.push(now);
      timetable.finish('a');
    }
    expect(times).toHaveLength(6);
    const offset = offsetMs(deviceId, makeProbe('a'));
    for (const time of times) expect((time - offset) % 10_000).toBeLessThan(100);
  });

  test('never starts a probe that is still running, and counts each run it skips', () => {
    const timetable = createTimetable(deviceId);
    timetable.setPlan([makeProbe('a')], 0);
    const [run] = timetable.advance(10_000, awake).due;
    const untilAt = (run?.plannedAt ?? 0) + 20_000;
    expect(timetable.advance(20_000, awake)).toEqual({
      due: [],
      missed: [{ probeId: 'a', reason: 'overrun', count: 1, untilAt }],
    });
    timetable.finish('a');
    expect(timetable.advance(30_000, awake).due).toHaveLength(1);
  });

  test('counts what was slept through and starts no burst after it', () => {
    const timetable = createTimetable(deviceId);
    timetable.setPlan([makeProbe('a'), makeProbe('b')], 0);
    timetable.advance(10_000, awake);
    timetable.finish('a');
    timetable.finish('b');
    const moment = timetable.advance(110_000, { wasAsleep: true });
    expect(moment.due).toEqual([]);
    expect(moment.missed.map(({ reason, count }) => [reason, count])).toEqual([
      ['asleep', 10],
      ['asleep', 10],
    ]);
    expect(timetable.nextAt()).toBeGreaterThan(110_000);
  });

  test('counts runs this program was too busy to start, and starts one', () => {
    const timetable = createTimetable(deviceId);
    timetable.setPlan([makeProbe('a')], 0);
    const { due, missed } = timetable.advance(30_000, awake);
    expect(due).toHaveLength(1);
    const untilAt = due[0]?.plannedAt;
    expect(missed).toEqual([{ probeId: 'a', reason: 'overrun', count: 2, untilAt }]);
  });

  test('accounts for every slot, whatever happens', () => {
    const timetable = createTimetable(deviceId);
    timetable.setPlan([makeProbe('a', { intervalMs: 1_000 })], 0);
    let accounted = 0;
    let now = 0;
    for (let step = 0; step < 2_000; step += 1) {
      now += [1, 250, 999, 1_000, 3_700, 12_345][step % 6] ?? 0;
      const moment = timetable.advance(now, { wasAsleep: step % 7 === 0 });
      accounted += moment.due.length;
      accounted += moment.missed.reduce((sum, { count }) => sum + count, 0);
      if (step % 3 === 0) timetable.finish('a');
    }
    const offset = offsetMs(deviceId, makeProbe('a', { intervalMs: 1_000 }));
    expect(accounted).toBe(Math.floor((now - offset) / 1_000) + (offset === 0 ? 0 : 1));
  });

  test('applies a new plan without touching the probes that stay the same', () => {
    const timetable = createTimetable(deviceId);
    timetable.setPlan([makeProbe('a'), makeProbe('b')], 0);
    timetable.advance(10_000, awake);
    const before = timetable.entries().find(({ probe }) => probe.id === 'a');
    timetable.setPlan([makeProbe('a'), makeProbe('b', { url: 'https://new.test/' })], 10_500);
    const after = timetable.entries();
    expect(after.find(({ probe }) => probe.id === 'a')).toBe(before);
    // The old run of the changed probe is still under way: its successor waits for it.
    expect(after.find(({ probe }) => probe.id === 'b')?.isBusy).toBe(true);
    timetable.setPlan([], 11_000);
    expect(timetable.nextAt()).toBeUndefined();
  });
});

describe('timeline', () => {
  const start = { wallMs: 1_000_000, monotonicMs: 500, bootMs: 700 };

  test('goes on over sleep, which stops the monotonic clock but not boot time', () => {
    const timeline = createTimeline(start);
    const { now, wasAsleep } = timeline.advance({
      wallMs: 1_061_000,
      monotonicMs: 1_500,
      bootMs: 61_700,
    });
    expect(wasAsleep).toBe(true);
    expect(now).toBe(1_061_000);
  });

  test('does not follow a step of the wall clock', () => {
    const timeline = createTimeline(start);
    const { now, wasAsleep } = timeline.advance({
      wallMs: 9_999_999,
      monotonicMs: 1_500,
      bootMs: 1_700,
    });
    expect(wasAsleep).toBe(false);
    expect(now).toBe(1_001_000);
  });

  test('takes a long gap for sleep where boot time cannot be read', () => {
    const timeline = createTimeline({ ...start, bootMs: undefined });
    const reading = { wallMs: 1_061_000, monotonicMs: 1_500, bootMs: undefined };
    expect(timeline.advance(reading)).toEqual({ now: 1_061_000, wasAsleep: true });
  });
});
