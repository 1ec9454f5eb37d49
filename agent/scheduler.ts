import { setMaxListeners } from 'node:events';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { Result } from '#contract/result.ts';
import type { missedReasons } from '#contract/telemetry.ts';
import { sleep } from '#runtime/backoff.ts';
import { type ClockReading, readClocks } from '#runtime/clock.ts';
import type { Log } from '#runtime/log.ts';
import { createLanes } from './lanes.ts';
import { createRepeats, worstOf } from './repeats.ts';
import { createTimeline } from './timeline.ts';
import { createTimetable, type Due, type Entry } from './timetable.ts';
import { type TakenTurn, takeTurns } from './turns.ts';

type MissedReason = (typeof missedReasons)[number];

export type Scheduler = {
  /** Unchanged probes go on as they were. */
  setPlan(probes: readonly ProbeDefinition[]): void;
  status(): ScheduledProbe[];
  /** Makes a turn beside the plan, as soon as a lane is free. Undefined: a run that gave nothing. */
  makeExtra(turn: TakenTurn, why: BesidePlan): Promise<readonly (Result | undefined)[]>;
  /** Ends runs under way; each is told by its signal. */
  stop(): Promise<void>;
};

export type ScheduledProbe = { probe: ProbeDefinition; isRunning: boolean; nextRunInMs: number };

/** A run to be made now. */
export type RunToMake = {
  probe: ProbeDefinition;
  runId: string;
  /** There for a run that is made to be compared with another. */
  pairId?: string | undefined;
  /** From the time it was planned for; the second of a pair is planned for the end of the first. */
  latenessMs?: number | undefined;
  /** The distorted result it is made again for. */
  repeats?: string | undefined;
  requestId?: string | undefined;
  burstId?: string | undefined;
};

/** Whose request, or which burst, a turn beside the plan belongs to. */
export type BesidePlan = { requestId: string } | { burstId: string };

/** Runs that will have no result; planned ones where it says which is the first that is not among them. */
export type MissedRun = { probeId: string; reason: MissedReason; count: number; untilAt?: number };

/** A run that will be made. `lostAs` says what it counts as should it give no result. */
export type BegunRun = {
  probe: ProbeDefinition;
  lostAs: MissedReason;
  /** Of a planned run. */
  plannedAt?: number | undefined;
};

export type SchedulerOptions = {
  deviceId: string;
  /** Gives the run's id. */
  begin: (run: BegunRun) => string;
  /** Makes it; must not throw. Undefined: cut off by the signal, and accounted for. */
  run: (run: RunToMake, signal: AbortSignal) => Promise<Result | undefined>;
  /** A run that had begun to wait will not be made. */
  drop: (runId: string) => void;
  onMissed: (missed: MissedRun) => void;
  /** From now on this is planned. Times are those of `plannedAt` and `untilAt`. */
  onPlan: (entries: readonly Entry[], now: number) => void;
  log: Log;
  readClocks?: () => ClockReading;
  wait?: (ms: number, signal: AbortSignal) => Promise<void>;
};

/** `plannedAt` is on the timeline; undefined: beside the plan. */
type Job = Omit<RunToMake, 'latenessMs'> & { plannedAt: number | undefined };
type Turn = {
  /** The first of its jobs. */
  probe: ProbeDefinition;
  jobs: readonly Job[];
  settle: (results: readonly (Result | undefined)[], tookMs: number) => void;
};

/** Looks at the clocks at least this often, so that sleep is noticed soon. */
const longestWaitMs = 1_000;
const stopDeadlineMs = 5_000;

/** Starts each run at its time, within the limits, and accounts for each that does not start. */
export const startScheduler = (options: SchedulerOptions): Scheduler => {
  const { onMissed, log, readClocks: read = readClocks, wait = sleep } = options;
  const timetable = createTimetable(options.deviceId);
  const timeline = createTimeline(read());
  const lanes = createLanes<Turn>();
  const repeats = createRepeats();
  let later: { at: number; tookMs: number; turn: Turn }[] = [];
  const running = new Set<Promise<void>>();
  const stopping = new AbortController();
  // One a run under way, and there may be many.
  setMaxListeners(0, stopping.signal);
  let wake = new AbortController();

  const nowMs = () => timeline.advance(read()).now;

  const toTurn = (
    { probes, pairId }: TakenTurn,
    settle: Turn['settle'],
    lostAs: MissedReason,
    more: (probe: ProbeDefinition) => Partial<Job>,
  ): Turn => ({
    probe: probes[0],
    jobs: probes.map((probe) => {
      const job = { probe, pairId, plannedAt: undefined, ...more(probe) };
      return { ...job, runId: options.begin({ probe, lostAs, plannedAt: job.plannedAt }) };
    }),
    settle,
  });

  const drop = ({ jobs, settle }: Turn) => {
    for (const { runId } of jobs) options.drop(runId);
    settle([], 0);
  };

  const makeJob = async (job: Job, readyAt: number | undefined) => {
    const { plannedAt: _, ...run } = job;
    const latenessMs = readyAt === undefined ? undefined : Math.max(0, nowMs() - readyAt);
    try {
      return await options.run({ ...run, latenessMs }, stopping.signal);
    } catch (error) {
      log.error({ component: 'scheduler', err: error }, 'run threw');
      return undefined;
    }
  };

  const makeTurn = async ({ jobs, settle }: Turn): Promise<void> => {
    const startedAt = timeline.now();
    const results: (Result | undefined)[] = [];
    let readyAt = jobs[0]?.plannedAt;
    for (const job of jobs) {
      if (results.length > 0 && stopping.signal.aborted) options.drop(job.runId);
      else results.push(await makeJob(job, readyAt));
      if (job.plannedAt !== undefined) timetable.finish(job.probe.id);
      readyAt = job.plannedAt === undefined ? undefined : nowMs();
    }
    settle(results, nowMs() - startedAt);
  };

  const start = (turn: Turn) => {
    const ended = makeTurn(turn).then(() => {
      lanes.end(turn);
      running.delete(ended);
      wake.abort();
    });
    running.add(ended);
  };

  const plannedTurn = (taken: TakenTurn, due: readonly Due[]): Turn => {
    const settle: Turn['settle'] = (results, tookMs) => planRepeat(taken, results, tookMs);
    return toTurn(taken, settle, 'stopped', (probe) => ({
      plannedAt: due.find((each) => each.probe === probe)?.plannedAt,
    }));
  };

  /** The earliest planned run of these probes; undefined when one of them left the plan. */
  const nextPlannedOf = (probes: readonly ProbeDefinition[]): number | undefined => {
    const entries = probes.map((probe) => timetable.entry(probe.id));
    if (!entries.every((entry, i) => entry !== undefined && entry.probe === probes[i])) return;
    return Math.min(...entries.map((entry) => entry?.nextAt ?? 0));
  };

  const planRepeat = (
    { probes }: TakenTurn,
    results: readonly (Result | undefined)[],
    tookMs: number,
  ) => {
    const made = results.filter((result) => result !== undefined);
    const reason = worstOf(made.map(({ distortion }) => distortion));
    if (reason === undefined) return;
    const now = timeline.now();
    const nextPlannedAt = nextPlannedOf(probes);
    const at =
      stopping.signal.aborted || made.length < probes.length
        ? undefined
        : repeats.decide({ reason, now, tookMs, nextPlannedAt });
    if (at === undefined) {
      for (const { probeId, distortion } of made) {
        if (distortion !== 'none') onMissed({ probeId, reason: 'not-repeated', count: 1 });
      }
      return;
    }
    const idOf = (probe: ProbeDefinition) => made.find(({ probeId }) => probeId === probe.id)?.id;
    for (const taken of takeTurns(probes)) {
      const turn = toTurn(
        taken,
        () => {},
        'not-repeated',
        (probe) => ({ repeats: idOf(probe) }),
      );
      later.push({ at, tookMs, turn });
    }
  };

  /** Time has passed: the device may have slept, the plan changed, the probe become due. */
  const startRepeats = (now: number) => {
    for (const { tookMs, turn } of later.filter(({ at }) => at <= now)) {
      const probes = turn.jobs.map(({ probe }) => probe);
      const isBusy = probes.some(({ id }) => timetable.entry(id)?.isBusy === true);
      const nextAt = nextPlannedOf(probes);
      if (isBusy || nextAt === undefined || now + tookMs >= nextAt) drop(turn);
      else lanes.add(turn);
    }
    later = later.filter(({ at }) => at > now);
  };

  const act = () => {
    const now = nowMs();
    const wasAsleep = timeline.takeSleep();
    if (wasAsleep) log.info({ component: 'scheduler' }, 'the device was asleep');
    const { due, missed } = timetable.advance(now, { wasAsleep });
    for (const one of missed) {
      log.debug({ component: 'scheduler', ...one }, 'runs missed');
      onMissed(one);
    }
    for (const taken of takeTurns(due.map(({ probe }) => probe))) {
      lanes.add(plannedTurn(taken, due));
    }
    startRepeats(now);
    for (const turn of lanes.start(now)) start(turn);
  };

  /** Counted from now: what was just started has taken its time. */
  const untilNext = (): number => {
    const now = nowMs();
    const times = [timetable.nextAt(), lanes.nextAt(now), ...later.map(({ at }) => at)];
    const next = Math.min(...times.filter((at) => at !== undefined));
    return Math.min(longestWaitMs, Math.max(0, next - now));
  };

  const actForEver = async () => {
    while (!stopping.signal.aborted) {
      wake = new AbortController();
      act();
      await wait(untilNext(), wake.signal);
    }
  };
  const ended = actForEver();

  return {
    setPlan: (probes) => {
      // What the plan before had due until now is made, or counted, before it is gone.
      if (!stopping.signal.aborted) act();
      timetable.setPlan(probes, timeline.now());
      if (!stopping.signal.aborted) options.onPlan(timetable.entries(), timeline.now());
      wake.abort();
    },
    status: () =>
      timetable.entries().map(({ probe, nextAt, isBusy }) => ({
        probe,
        isRunning: isBusy,
        nextRunInMs: Math.max(0, nextAt - timeline.now()),
      })),
    makeExtra: (taken, why) =>
      new Promise((resolve) => {
        const turn = toTurn(taken, resolve, 'request-ended', () => why);
        if (stopping.signal.aborted) return drop(turn);
        lanes.add(turn);
        wake.abort();
      }),
    stop: async () => {
      stopping.abort();
      wake.abort();
      await ended;
      for (const turn of [...lanes.drain(), ...later.splice(0).map(({ turn }) => turn)]) drop(turn);
      await Promise.race([Promise.all(running), sleep(stopDeadlineMs)]);
    },
  };
};
