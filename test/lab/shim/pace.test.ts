import { expect, test } from 'vitest';
import { Pace } from '#test/lab/shim/pace.ts';

test('a quiet thread sleeps until the next packet is due, but looks up ten times a second', () => {
  const pace = new Pace(0);
  expect(pace.waitMs(0, 20)).toBe(20);
  pace.woke(20, false);
  expect(pace.waitMs(20, Number.POSITIVE_INFINITY)).toBe(100);
});

test('sleeps become shorter by what earlier ones were too long, and no more than 0.1 ms', () => {
  const lateAfter = (lateMs: number): number => {
    const pace = new Pace(0);
    let nowMs = 0;
    for (let sleep = 0; sleep < 200; sleep += 1) {
      nowMs += pace.waitMs(nowMs, nowMs + 10) + lateMs;
      pace.woke(nowMs, false);
    }
    return 10 - pace.waitMs(nowMs, nowMs + 10);
  };
  expect(lateAfter(0.06)).toBeCloseTo(0.06, 3);
  expect(lateAfter(5)).toBeCloseTo(0.1, 3);
});

/** Lives through so many wakes, evenly spaced; the share of them in which it was busy. */
const busyShare = (wakes: number, apartMs: number, waitsFor: number): number => {
  const pace = new Pace(0);
  let busy = 0;
  for (let wake = 1; wake <= wakes; wake += 1) {
    pace.waitMs((wake - 1) * apartMs, (wake - 1) * apartMs + waitsFor);
    pace.woke(wake * apartMs, true);
    if (pace.isBusy) busy += 1;
  }
  return busy / wakes;
};

test('a thousand wakes a second are no reason to pause, twenty thousand are', () => {
  expect(busyShare(10_000, 1, 5)).toBe(0);
  expect(busyShare(10_000, 0.05, 5)).toBeGreaterThan(0.7);
});

test('who waits awake for long becomes busy too, so the processor is never taken whole', () => {
  expect(busyShare(50, 0.001, 0)).toBe(0);
  expect(busyShare(100_000, 0.001, 0)).toBeGreaterThan(0.7);
});
