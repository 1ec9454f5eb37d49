import { expect, test } from 'vitest';
import { type Impairment, noImpairment } from '#test/lab/shim/control.ts';
import { dueOf, impairmentLength, lost, newLane, writeImpairment } from '#test/lab/shim/impair.ts';
import { randomOf } from './random.ts';

const packetCount = 20_000;

/** When each of many packets may go that come 1 ms apart. */
const dueTimes = (impairment: Partial<Impairment>, count = packetCount): number[] => {
  const numbers = new Float64Array(2 * impairmentLength);
  writeImpairment(numbers, impairmentLength, { ...noImpairment, ...impairment });
  const lane = newLane();
  const random = randomOf(7);
  return Array.from({ length: count }, (_, nowMs) =>
    dueOf(numbers, impairmentLength, lane, nowMs, random),
  );
};

const shareLost = (times: readonly number[]): number =>
  times.filter((time) => time === lost).length / times.length;

test('without an impairment a packet goes at once', () => {
  expect(dueTimes({}, 4)).toEqual([0, 1, 2, 3]);
});

test('every packet waits for the delay', () => {
  expect(dueTimes({ delayMs: 20.5 }, 3)).toEqual([20.5, 21.5, 22.5]);
});

test('of independent loss the share set is lost', () => {
  expect(shareLost(dueTimes({ lossRatio: 0.05 }))).toBeCloseTo(0.05, 2);
  expect(shareLost(dueTimes({ lossRatio: 1 }))).toBe(1);
});

test('loss in bursts has the share and the length that Gilbert and Elliott say', () => {
  const burst = { enterRatio: 0.01, leaveRatio: 0.2, lossRatio: 1 };
  const times = dueTimes({ burst }, 20 * packetCount);
  expect(shareLost(times)).toBeCloseTo(0.01 / (0.01 + 0.2), 2);
  const bursts = times.filter((time, index) => time === lost && times[index - 1] !== lost).length;
  const meanLength = times.filter((time) => time === lost).length / bursts;
  expect(meanLength).toBeGreaterThan(4.5); // 1 / leaveRatio = 5
  expect(meanLength).toBeLessThan(5.5);
});

test('a burst that is going on ends with the next packet once bursts are switched off', () => {
  const numbers = new Float64Array(impairmentLength);
  const lane = { ...newLane(), isInBurst: true };
  writeImpairment(numbers, 0, noImpairment);
  expect(dueOf(numbers, 0, lane, 5, randomOf(1))).toBe(5);
  expect(lane.isInBurst).toBe(false);
});

test('jitter adds its mean, never takes away, and keeps the order', () => {
  const times = dueTimes({ delayMs: 10, jitterMs: 0.1 });
  const added = times.map((time, nowMs) => time - nowMs - 10);
  expect(Math.min(...added)).toBeGreaterThanOrEqual(0);
  expect(added.reduce((a, b) => a + b) / added.length).toBeCloseTo(0.1, 2);
  const strong = dueTimes({ delayMs: 10, jitterMs: 30 });
  expect(strong).toEqual([...strong].sort((a, b) => a - b));
});

test('reordered packets go at once and hold nobody back', () => {
  const times = dueTimes({ delayMs: 10, reorderRatio: 0.25 });
  const atOnce = times.filter((time, nowMs) => time === nowMs).length;
  expect(atOnce / packetCount).toBeCloseTo(0.25, 2);
  expect(times.filter((time, nowMs) => time === nowMs + 10)).toHaveLength(packetCount - atOnce);
});

test('a shorter delay lets no packet overtake those that already wait', () => {
  const numbers = new Float64Array(impairmentLength);
  const lane = newLane();
  writeImpairment(numbers, 0, { ...noImpairment, delayMs: 100 });
  expect(dueOf(numbers, 0, lane, 0, Math.random)).toBe(100);
  writeImpairment(numbers, 0, { ...noImpairment, delayMs: 1 });
  expect(dueOf(numbers, 0, lane, 10, Math.random)).toBe(100);
  expect(dueOf(numbers, 0, lane, 150, Math.random)).toBe(151);
});
