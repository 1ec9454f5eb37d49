import { randomUUID } from 'node:crypto';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { Result } from '#contract/result.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import type { Log } from '#runtime/log.ts';
import { createLateness, type LatenessFigures } from './lateness.ts';
import { type RunParts, runPlanned } from './planned-run.ts';
import type { RunLedger } from './run-ledger.ts';
import {
  type RunToMake,
  type ScheduledProbe,
  type Scheduler,
  type SchedulerOptions,
  startScheduler,
} from './scheduler.ts';

export type Measuring = Pick<Scheduler, 'setPlan' | 'makeExtra' | 'stop'> & {
  probes(): (ScheduledProbe & { last: Result | null })[];
  plan(): readonly ProbeDefinition[];
  lateness(): LatenessFigures;
};

/** Runs the plan; each planned run ends as a stored result or as a count with its reason. */
export const startMeasuring = (
  parts: RunParts & {
    ledger: RunLedger;
    append: (record: TelemetryRecord) => Promise<boolean>;
    log: Log;
    /** Told of each result once it is kept. */
    onResult?: (result: Result) => void;
    readClocks?: NonNullable<SchedulerOptions['readClocks']>;
  },
): Measuring => {
  const { ledger, append, log, deviceId } = parts;
  const last = new Map<string, Result>();
  const lateness = createLateness();

  const startOf = createStarts();

  const keep = (run: RunToMake, result: Result) => {
    last.set(result.probeId, result);
    const { latenessMs } = run;
    if (latenessMs !== undefined) lateness.note(latenessMs);
    logRun(log, result);
  };

  const run = async (toMake: RunToMake, signal: AbortSignal): Promise<Result | undefined> => {
    const startedAt = startOf(toMake.probe.id);
    ledger.start(toMake.runId, startedAt);
    const result = await runPlanned(parts, { ...toMake, startedAt }, signal);
    if (result === undefined) {
      ledger.lose(toMake.runId);
      return undefined;
    }
    keep(toMake, result);
    // Without room in the spool it has been counted there.
    await append(result);
    ledger.end(toMake.runId);
    parts.onResult?.(result);
    return result;
  };

  const scheduler = startScheduler({
    deviceId,
    begin: ({ probe, lostAs, plannedAt }) => {
      const runId = randomUUID();
      const planned = plannedAt === undefined ? {} : { plannedAt };
      ledger.begin({ runId, probeId: probe.id, lostAs, ...planned });
      return runId;
    },
    run,
    drop: ledger.lose,
    onMissed: ({ probeId, reason, count, untilAt }) =>
      ledger.count(probeId, reason, count, untilAt),
    onPlan: (entries, now) => {
      const grid = entries.map(({ probe, nextAt }) => ({
        probeId: probe.id,
        intervalMs: probe.intervalMs,
        nextAt,
      }));
      ledger.setPlan(grid, now);
    },
    log,
    ...(parts.readClocks ? { readClocks: parts.readClocks } : {}),
  });

  return {
    setPlan: (probes) => {
      const ids = new Set(probes.map((probe) => probe.id));
      for (const id of last.keys()) if (!ids.has(id)) last.delete(id);
      scheduler.setPlan(probes);
    },
    makeExtra: scheduler.makeExtra,
    probes: () =>
      scheduler.status().map((one) => ({ ...one, last: last.get(one.probe.id) ?? null })),
    plan: () => scheduler.status().map(({ probe }) => probe),
    lateness: lateness.figures,
    stop: () => scheduler.stop(),
  };
};

/**
 * Times of starts, no two of a probe alike: results of one probe and one time would be one to the
 * store, and a planned run may begin together with one that was asked for.
 */
const createStarts = () => {
  const last = new Map<string, number>();
  return (probeId: string): number => {
    const now = Date.now();
    const before = last.get(probeId) ?? 0;
    const at = now <= before && now > before - 1_000 ? before + 1 : now;
    last.set(probeId, at);
    return at;
  };
};

const logRun = (log: Log, result: Result): void =>
  log.debug(
    {
      component: 'run',
      probeId: result.probeId,
      durationMs: result.durationMs,
      failure: result.failure?.type,
      distortion: result.distortion,
    },
    'run ended',
  );
