import { describe, expect, it } from 'vitest';
import { createDegradations } from '#agent/tunnel/degradations.ts';
import { createLateAnswers, createPingLosses } from '#agent/tunnel/ping-losses.ts';
import { createResetBudget } from '#agent/tunnel/reset-budget.ts';
import { startWindowBytes, windowFor } from '#agent/tunnel/stream-window.ts';

const mib = 1_048_576;

describe('the window of a stream', () => {
  const settle = (bytesPerSecond: (window: number) => number, rttMs: number, streamCount = 1) => {
    let currentBytes = startWindowBytes;
    for (let i = 0; i < 10; i++) {
      currentBytes = windowFor({
        currentBytes,
        bytesPerSecond: bytesPerSecond(currentBytes),
        rttMs,
        streamCount,
      });
    }
    return currentBytes;
  };

  it('grows to 8 MiB where a long path is as fast as its window lets it be', () => {
    expect(settle((window) => window / 0.2, 200)).toBe(8 * mib);
  });

  it('settles at two to eight round trips of what arrives', () => {
    const window = settle(() => 12_500_000, 100);
    expect(window).toBeGreaterThanOrEqual(2 * 1_250_000);
    expect(window).toBeLessThanOrEqual(8 * 1_250_000);
  });

  it('shrinks to 256 KiB on a short path, and returns to 1 MiB when nothing moves', () => {
    expect(settle(() => 12_500_000, 0.3)).toBe(mib / 4);
    expect(settle(() => 0, 50)).toBe(mib);
  });

  it('of a thousand streams is no more than keeps 256 MiB waiting here', () => {
    expect(settle((window) => window / 0.2, 200, 1_000) * 1_000).toBeLessThanOrEqual(256 * mib);
  });
});

describe('lost pings', () => {
  it('are those without an answer, and those that came a retransmission late', () => {
    const losses = createPingLosses();
    for (const ms of [20, 22, null, 25, 230, 90]) losses.add(ms);
    expect(losses.count()).toEqual({ lostCount: 2, sentCount: 6 });
  });

  it('are forgotten after twenty others', () => {
    const losses = createPingLosses();
    losses.add(null);
    for (let i = 0; i < 20; i++) losses.add(20);
    expect(losses.count()).toEqual({ lostCount: 0, sentCount: 20 });
  });
});

describe('packets lost below a session', () => {
  const lostOf = (answers: readonly number[]) => {
    const late = createLateAnswers();
    for (const ms of answers) late.add(ms);
    return late.takeCount();
  };
  const calm = Array.from({ length: 20 }, (_, i) => 20 + (i % 5));

  it('are told by single answers that come a retransmission late', () => {
    expect(lostOf([...calm, 231, ...calm, 228, 240, ...calm])).toBe(3);
  });

  it('are not a path that got longer, nor a queue that comes and goes', () => {
    expect(lostOf([...calm, ...calm.map((ms) => ms + 300), ...calm.map((ms) => ms + 300)])).toBe(0);
    const queue = Array.from({ length: 60 }, (_, i) => 20 + ((i * 137) % 500));
    expect(lostOf([...queue, ...queue])).toBeLessThanOrEqual(1);
  });
});

it('a session’s resets are a thousand, then thirty-three a second', () => {
  let nowMs = 0;
  const budget = createResetBudget(() => nowMs);
  for (let i = 0; i < 801; i++) budget.spend();
  expect(budget.isLow()).toBe(true);
  expect(budget.left()).toBe(199);
  nowMs = 10_000;
  expect(budget.left()).toBe(529);
  expect(budget.isLow()).toBe(false);
});

it('what the tunnel must do without is told once, and once more when it is over', () => {
  const told: string[] = [];
  const degradations = createDegradations((name, reason) => told.push(`${name} ${reason}`));
  degradations.set('standby', undefined);
  degradations.set('standby', 'no second edge');
  degradations.set('standby', 'no second edge');
  expect(degradations.reasons()).toEqual(['no second edge']);
  degradations.set('standby', undefined);
  expect(told).toEqual(['tunnel-degraded no second edge', 'tunnel-restored over: no second edge']);
  expect(degradations.reasons()).toEqual([]);
});
