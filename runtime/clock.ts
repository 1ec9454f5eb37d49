import { readFileSync } from 'node:fs';
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

/** Times of day for records, monotonic time for durations. */
export type Clock = { now(): number; monotonicMs(): number };

export const systemClock: Clock = { now: () => Date.now(), monotonicMs: () => performance.now() };

/** Seconds since boot including suspend (Linux); undefined elsewhere. */
const bootMs = (): number | undefined => {
  try {
    return Number.parseFloat(readFileSync('/proc/uptime', 'utf8')) * 1_000;
  } catch {
    return undefined;
  }
};

export type ClockReading = { wallMs: number; monotonicMs: number; bootMs: number | undefined };

export const readClocks = (): ClockReading => ({
  wallMs: Date.now(),
  monotonicMs: performance.now(),
  bootMs: bootMs(),
});

/**
 * What the clocks did between two readings. `performance.now()` stands still over suspend on
 * Linux while boot time goes on: their difference is sleep. The wall clock's further difference is
 * a step (NTP, a person).
 */
export const compareClocks = (
  before: ClockReading,
  after: ClockReading,
): { sleptMs: number; steppedMs: number } => {
  const monotonic = after.monotonicMs - before.monotonicMs;
  const boot =
    before.bootMs === undefined || after.bootMs === undefined
      ? monotonic
      : after.bootMs - before.bootMs;
  const sleptMs = Math.max(0, boot - monotonic);
  return { sleptMs, steppedMs: after.wallMs - before.wallMs - monotonic - sleptMs };
};

/** How late timers fire in this process: the control measurement beside every timing. */
export const startLoopDelayMeter = () => {
  const histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: 10 });
  histogram.enable();
  return {
    /** Mean lateness in ms since the last call; the meter's own 10 ms period is taken off. */
    takeMs(): number {
      const meanMs = histogram.count === 0 ? 10 : histogram.mean / 1e6;
      histogram.reset();
      return Math.max(0, meanMs - 10);
    },
    stop(): void {
      histogram.disable();
    },
  };
};
