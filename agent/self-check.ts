import type { distortions, SelfCheck } from '#contract/result.ts';
import {
  type ClockReading,
  compareClocks,
  readClocks,
  startLoopDelayMeter,
} from '#runtime/clock.ts';
import { readCpuTimes } from './device/cpu.ts';

export type Distortion = (typeof distortions)[number];

/** Timers this late shift every phase of a run by as much. */
const overloadedLoopDelayMs = 50;
/** A tenth of the CPU taken by other guests of the host: timings are no longer this machine's. */
const overloadedStealRatio = 0.1;
const asleepMs = 1_000;
const clockJumpMs = 500;

/** Watches this program during a run; `finish` says what the run's numbers are worth. */
export const startSelfCheck = () => {
  const clocks = readClocks();
  const cpu = readCpuTimes();
  const loop = startLoopDelayMeter();
  return {
    finish(): { self: SelfCheck; distortion: Distortion } {
      const eventLoopDelayMs = Math.min(loop.takeMs(), 86_400_000);
      loop.stop();
      const moved = compareClocksSince(clocks);
      const cpuStealRatio = stealRatio(cpu, readCpuTimes());
      const self = {
        eventLoopDelayMs,
        cpuStealRatio,
        clockJumpMs: moved.sleptMs + moved.steppedMs,
      };
      return { self, distortion: judge(self, moved) };
    },
  };
};

const compareClocksSince = (before: ClockReading) => compareClocks(before, readClocks());

/** Sleep first: it makes the clocks jump and timers late as well. */
export const judge = (
  self: SelfCheck,
  moved: { sleptMs: number; steppedMs: number },
): Distortion => {
  if (moved.sleptMs > asleepMs) return 'asleep';
  if (Math.abs(moved.steppedMs) > clockJumpMs) return 'clock-jumped';
  const isLate = self.eventLoopDelayMs > overloadedLoopDelayMs;
  const isStarved = (self.cpuStealRatio ?? 0) > overloadedStealRatio;
  return isLate || isStarved ? 'agent-overloaded' : 'none';
};

type CpuTimes = ReturnType<typeof readCpuTimes>;

const stealRatio = (before: CpuTimes, after: CpuTimes): number | null => {
  if (before?.stealTicks == null || after?.stealTicks == null) return null;
  const total = after.totalTicks - before.totalTicks;
  // Ticks are 10 ms each: below ten of them one tick is a large ratio and no news.
  if (total < 10) return 0;
  return Math.min(1, Math.max(0, (after.stealTicks - before.stealTicks) / total));
};
