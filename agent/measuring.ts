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

  const keep = (run: RunToMake, result: Result) => {
    last.set(result.probeId, result);
    const { latenessMs } = run;
    if (latenessMs !== undefined) lateness.note(latenessMs);
    logRun(log, result);
  };

  const run = async (toMake: RunToMake, signal: AbortSignal): Promise<Result | undefined> => {
    const result = await runPlanned(parts, toMake, signal);
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
    begin: ({ id }, lostAs) => {
      const runId = randomUUID();
      ledger.begin(runId, id, lostAs);
      return runId;
    },
    run,
    drop: ledger.lose,
    onMissed: ({ probeId, reason, count }) => ledger.count(probeId, reason, count),
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
