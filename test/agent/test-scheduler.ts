import { randomUUID } from 'node:crypto';
import { onTestFinished } from 'vitest';
import {
  type MissedRun,
  type RunToMake,
  type SchedulerOptions,
  startScheduler,
} from '#agent/scheduler.ts';
import type { Distortion } from '#agent/self-check.ts';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { Result } from '#contract/result.ts';
import type { ClockReading } from '#runtime/clock.ts';
import { silentLog } from '#runtime/log.ts';

export const deviceId = '3f1f6c9e-7b51-4f52-9e2a-111111111111';

/** A clock the test moves; the scheduler's waits end when it does. */
export const createTestClock = () => {
  const reading: ClockReading = { wallMs: 1_700_000_000_000, monotonicMs: 0, bootMs: 0 };
  const waiting = new Set<() => void>();
  return {
    read: () => ({ ...reading }),
    wait: (_: number, signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        if (signal.aborted) return resolve();
        const done = () => {
          waiting.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        waiting.add(done);
        signal.addEventListener('abort', done, { once: true });
      }),
    async move(ms: number, more: { asleepMs?: number; steppedMs?: number } = {}) {
      const { asleepMs = 0, steppedMs = 0 } = more;
      reading.wallMs += ms + asleepMs + steppedMs;
      reading.monotonicMs += ms;
      reading.bootMs = (reading.bootMs ?? 0) + ms + asleepMs;
      for (const wake of [...waiting]) wake();
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    },
  };
};

/** As much of a result as a scheduler looks at. */
export const resultOf = ({ probe, runId }: RunToMake, distortion: Distortion = 'none'): Result =>
  ({ id: runId, probeId: probe.id, distortion }) as Result;

/** A scheduler on a test's clock, and a book of what became of every run that was begun. */
export const setUpScheduler = (
  run: SchedulerOptions['run'],
  probes: readonly ProbeDefinition[] = [],
) => {
  const clock = createTestClock();
  const missed: MissedRun[] = [];
  const open = new Map<string, { probeId: string; lostAs: MissedRun['reason'] }>();
  const made: RunToMake[] = [];
  const lose = (runId: string) => {
    const lost = open.get(runId);
    if (lost) missed.push({ probeId: lost.probeId, reason: lost.lostAs, count: 1 });
    open.delete(runId);
  };
  const scheduler = startScheduler({
    deviceId,
    begin: ({ probe: { id }, lostAs }) => {
      const runId = randomUUID();
      open.set(runId, { probeId: id, lostAs });
      return runId;
    },
    run: async (toMake, signal) => {
      const result = await run(toMake, signal);
      if (result === undefined) lose(toMake.runId);
      else {
        made.push(toMake);
        open.delete(toMake.runId);
      }
      return result;
    },
    drop: lose,
    onMissed: (one) => missed.push(one),
    onPlan: () => {},
    log: silentLog(),
    readClocks: clock.read,
    wait: clock.wait,
  });
  onTestFinished(() => scheduler.stop());
  scheduler.setPlan(probes);
  const countMissed = (reason: MissedRun['reason'], probeId?: string) =>
    missed
      .filter((one) => one.reason === reason && (probeId ?? one.probeId) === one.probeId)
      .reduce((sum, { count }) => sum + count, 0);
  return { clock, scheduler, countMissed, missed, made, open };
};
