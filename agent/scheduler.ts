import type { ProbeDefinition } from '#contract/plan.ts';
import { sleep } from '#runtime/backoff.ts';
import { type ClockReading, readClocks } from '#runtime/clock.ts';
import type { Log } from '#runtime/log.ts';
import { createTimeline } from './timeline.ts';
import { createTimetable, type Missed } from './timetable.ts';
import { type Turn, takeTurns } from './turns.ts';

export type Scheduler = {
  /** Unchanged probes go on as they were. */
  setPlan(probes: readonly ProbeDefinition[]): void;
  status(): ScheduledProbe[];
  /** Ends runs under way; each is told by its signal. */
  stop(): Promise<void>;
};

export type ScheduledProbe = { probe: ProbeDefinition; isRunning: boolean; nextRunInMs: number };

export type SchedulerOptions = {
  deviceId: string;
  /**
   * Makes one run; must not throw. The signal aborts it when the scheduler stops. `pairId` is there
   * for a run that is made to be compared with another.
   */
  run: (probe: ProbeDefinition, signal: AbortSignal, pairId: string | undefined) => Promise<void>;
  onMissed: (missed: Missed) => void;
  log: Log;
  readClocks?: () => ClockReading;
  wait?: (ms: number, signal: AbortSignal) => Promise<void>;
};

/**
 * More at once inflate each other's phase times (docs/measuring). A page load is heavier still, and
 * two streams of packets would be each other's jitter.
 */
const laneLimits = { timed: 4, page: 1, stream: 1 } as const;
type LaneName = keyof typeof laneLimits;
const lanes = Object.keys(laneLimits) as LaneName[];

/** Looks at the clocks at least this often, so that sleep is noticed soon. */
const longestWaitMs = 1_000;
const stopDeadlineMs = 5_000;

/** Starts each run at its time, within the limits, and accounts for each that does not start. */
export const startScheduler = (options: SchedulerOptions): Scheduler => {
  const { run, onMissed, log, readClocks: read = readClocks, wait = sleep } = options;
  const timetable = createTimetable(options.deviceId);
  const timeline = createTimeline(read());
  const stopping = new AbortController();
  const queues: Record<LaneName, Turn[]> = { timed: [], page: [], stream: [] };
  const running: Record<LaneName, Set<Promise<void>>> = {
    timed: new Set(),
    page: new Set(),
    stream: new Set(),
  };
  let wake = new AbortController();

  const takeTurn = async ({ probes, pairId }: Turn): Promise<void> => {
    for (const [i, probe] of probes.entries()) {
      if (i > 0 && stopping.signal.aborted) {
        onMissed({ probeId: probe.id, reason: 'stopped', count: 1 });
        continue;
      }
      await run(probe, stopping.signal, pairId).catch((error: unknown) =>
        log.error({ component: 'scheduler', err: error }, 'run threw'),
      );
      timetable.finish(probe.id);
    }
  };

  const startQueued = (lane: LaneName) => {
    while (running[lane].size < laneLimits[lane]) {
      const turn = queues[lane].shift();
      if (turn === undefined) return;
      const ended = takeTurn(turn).then(() => {
        running[lane].delete(ended);
        if (!stopping.signal.aborted) startQueued(lane);
      });
      running[lane].add(ended);
    }
  };

  const act = () => {
    const { now, wasAsleep } = timeline.advance(read());
    if (wasAsleep) log.info({ component: 'scheduler' }, 'the device was asleep');
    const { due, missed } = timetable.advance(now, { wasAsleep });
    for (const one of missed) {
      log.debug({ component: 'scheduler', ...one }, 'runs missed');
      onMissed(one);
    }
    for (const turn of takeTurns(due)) queues[laneOf(turn.probes[0])].push(turn);
    for (const lane of lanes) startQueued(lane);
    return Math.max(0, (timetable.nextAt() ?? Number.POSITIVE_INFINITY) - now);
  };

  const actForEver = async () => {
    while (!stopping.signal.aborted) {
      const waitMs = Math.min(longestWaitMs, act());
      wake = new AbortController();
      await wait(waitMs, wake.signal);
    }
  };
  const ended = actForEver();

  return {
    setPlan: (probes) => {
      timetable.setPlan(probes, timeline.advance(read()).now);
      wake.abort();
    },
    status: () =>
      timetable.entries().map(({ probe, nextAt, isBusy }) => ({
        probe,
        isRunning: isBusy,
        nextRunInMs: Math.max(0, nextAt - timeline.now()),
      })),
    stop: async () => {
      stopping.abort();
      wake.abort();
      await ended;
      const waiting = lanes.flatMap((lane) => queues[lane].splice(0));
      for (const probe of waiting.flatMap(({ probes }) => probes)) {
        onMissed({ probeId: probe.id, reason: 'stopped', count: 1 });
      }
      await Promise.race([
        Promise.all(lanes.flatMap((lane) => [...running[lane]])),
        sleep(stopDeadlineMs),
      ]);
    },
  };
};

const laneOf = (probe: ProbeDefinition): LaneName =>
  probe.type === 'page-load' ? 'page' : probe.type === 'voice' ? 'stream' : 'timed';
