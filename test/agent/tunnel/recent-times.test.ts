import { describe, expect, it } from 'vitest';
import { createRecentTimes } from '#agent/tunnel/recent-times.ts';
import { createOutsideTimes } from '#agent/tunnel/underlay.ts';

const start = () => {
  let nowMs = 0;
  const times = createRecentTimes(() => nowMs);
  return {
    ...times,
    /** One a second. */
    add(...values: number[]) {
      for (const ms of values) {
        nowMs += 1_000;
        times.add(ms);
      }
    },
  };
};

describe('times of a session', () => {
  it('give the lowest of a window, and the last one when all are older', () => {
    const times = start();
    expect(times.lowestMs(5_000)).toBeNull();
    times.add(20, 90, 40, 30, 50, 60, 70);
    expect(times.lowestMs(3_000)).toBe(30);
    expect(times.lowestMs(10_000)).toBe(20);
    expect(times.lowestMs(-1)).toBe(70);
  });

  it('are forgotten after ten seconds', () => {
    const times = start();
    times.add(1, ...Array<number>(11).fill(9));
    expect(times.lowestMs(60_000)).toBe(9);
  });

  it('are bounded in number for an edge that nobody asks about', () => {
    const times = start();
    for (let second = 0; second < 5_000; second += 1) times.add(second < 4_000 ? 1_000 : 1);
    expect(times.takeMedianMs()).toBe(1);
  });

  it('give the median since they were last asked, then the last one', () => {
    const times = start();
    expect(times.takeMedianMs()).toBeNull();
    times.add(20, 300, 22);
    expect(times.takeMedianMs()).toBe(22);
    expect(times.takeMedianMs()).toBe(22);
    times.add(50);
    expect(times.takeMedianMs()).toBe(50);
    times.clear();
    expect(times.takeMedianMs()).toBeNull();
  });
});

describe('queueing, as the lowest of one session less the lowest of the other', () => {
  it('is none under jitter that both feel, and none when the path itself gets longer', () => {
    const control = start();
    const data = start();
    control.add(20, 35, 24, 61, 22, 28);
    data.add(33, 21, 58, 26, 40, 23);
    const queueMs = () => (data.lowestMs(5_000) ?? 0) - (control.lowestMs(5_000) ?? 0);
    expect(queueMs()).toBeLessThan(2);
    for (let second = 0; second < 8; second += 1) {
      control.add(120);
      data.add(121);
      expect(queueMs()).toBeLessThan(2);
    }
  });
});

it('outside the tunnel the middle handshake since the last sample counts, and none where none was answered', () => {
  const times = createOutsideTimes();
  expect(times.takeMedianMs()).toBeNull();
  // A queue that comes and goes: the fastest would show nothing of it.
  for (const ms of [20, 60, null, 70, 21, 66]) times.add(ms);
  expect(times.takeMedianMs()).toBe(60);
  // No handshake has ended since.
  expect(times.takeMedianMs()).toBe(60);
  times.add(null);
  expect(times.takeMedianMs()).toBeNull();
});
