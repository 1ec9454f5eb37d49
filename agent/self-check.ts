import type { distortions, SelfCheck } from '#contract/result.ts';
import { type ClockReading, compareClocks, readClocks } from '#runtime/clock.ts';
import { type CpuTimes, readCpuTimes } from './device/cpu.ts';
import { createLoopWatch } from './loop-watch.ts';

export type Distortion = (typeof distortions)[number];

/** Timers this late shift every phase of a run by as much. */
const overloadedLoopDelayMs = 50;
/** One stall this long, if it is also this share of the run: from a fifth on a run is called slow. */
const stall = { ms: 50, share: 0.2 } as const;
/** A tenth of the CPU taken by other guests of the host: timings are no longer this machine's. */
const overloadedStealRatio = 0.1;
const asleepMs = 1_000;
const clockJumpMs = 500;

/** What one run is worth: figures for the result, and the judgement. */
export type Checked = { self: SelfCheck; distortion: Distortion };

export type SelfChecks = {
  /** Watches this program during a run; `finish` says what the run's numbers are worth. */
  start(): { finish(): Checked };
};

/** Parts of the machine that a test needs to be worse than they are. */
export type SelfCheckParts = {
  readClocks?: () => ClockReading;
  readCpuTimes?: () => CpuTimes | null;
};

/** Of one program: runs under way at once share what is measured. */
export const createSelfChecks = (parts: SelfCheckParts = {}): SelfChecks => {
  const read = parts.readClocks ?? readClocks;
  const loop = createLoopWatch();
  const steal = createStealMeter(parts.readCpuTimes ?? readCpuTimes);
  return {
    start() {
      const clocks = read();
      const startedMs = performance.now();
      const watch = loop.begin();
      const cpu = steal.begin();
      return {
        finish() {
          const delay = watch.end();
          const moved = compareClocks(clocks, read());
          const self = {
            eventLoopDelayMs: Math.min(delay.meanMs, 86_400_000),
            longestDelayMs: Math.min(delay.longestMs, 86_400_000),
            cpuStealRatio: steal.ratioSince(cpu),
            clockJumpMs: moved.sleptMs + moved.steppedMs,
          };
          return { self, distortion: judge(self, moved, performance.now() - startedMs) };
        },
      };
    },
  };
};

/** Sleep first: it makes the clocks jump and timers late as well. */
export const judge = (
  self: SelfCheck,
  moved: { sleptMs: number; steppedMs: number },
  runMs: number,
): Distortion => {
  if (moved.sleptMs > asleepMs) return 'asleep';
  if (Math.abs(moved.steppedMs) > clockJumpMs) return 'clock-jumped';
  const longestMs = self.longestDelayMs ?? 0;
  const isStalled = longestMs > stall.ms && longestMs > stall.share * runMs;
  const isLate = self.eventLoopDelayMs > overloadedLoopDelayMs;
  const isStarved = (self.cpuStealRatio ?? 0) > overloadedStealRatio;
  return isStalled || isLate || isStarved ? 'agent-overloaded' : 'none';
};

type Reading = { atMs: number; times: CpuTimes | null };

/** Ticks are 10 ms each: below ten of them over all CPUs one tick is a large ratio and no news. */
const fewestTicks = 10;
/** How far back a short run's share may be taken from. */
const lookBackMs = 5_000;

/**
 * The share of CPU time that the host gave to others. A run is often shorter than the ten ticks that
 * take, so a short one gets the share of the time around it, from the reading of a run before.
 */
const createStealMeter = (readTimes: () => CpuTimes | null) => {
  const readings: Reading[] = [];
  const take = (): Reading => {
    const reading = { atMs: performance.now(), times: readTimes() };
    readings.push(reading);
    while ((readings[0]?.atMs ?? 0) < reading.atMs - lookBackMs) readings.shift();
    return reading;
  };
  return {
    begin: take,
    ratioSince(start: Reading): number | null {
      const end = take();
      const earlier = readings.filter(({ atMs }) => atMs < start.atMs).reverse();
      for (const each of [start, ...earlier]) {
        const ratio = stealRatio(each.times, end.times);
        if (ratio !== null) return ratio;
      }
      return null;
    },
  };
};

/** Null: not told by the system, or too little time to say. */
const stealRatio = (before: CpuTimes | null, after: CpuTimes | null): number | null => {
  if (before?.stealTicks == null || after?.stealTicks == null) return null;
  const total = after.totalTicks - before.totalTicks;
  if (total < fewestTicks) return null;
  return Math.min(1, Math.max(0, (after.stealTicks - before.stealTicks) / total));
};
