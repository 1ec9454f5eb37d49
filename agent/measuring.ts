import { randomUUID } from 'node:crypto';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { Result } from '#contract/result.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import type { Log } from '#runtime/log.ts';
import { type RunParts, runPlanned } from './planned-run.ts';
import type { RunLedger } from './run-ledger.ts';
import { type ScheduledProbe, type Scheduler, startScheduler } from './scheduler.ts';

export type Measuring = Pick<Scheduler, 'setPlan' | 'stop'> & {
  probes(): (ScheduledProbe & { last: Result | null })[];
};

/** Runs the plan; each planned run ends as a stored result or as a count with its reason. */
export const startMeasuring = (
  parts: RunParts & {
    ledger: RunLedger;
    append: (record: TelemetryRecord) => Promise<boolean>;
    log: Log;
  },
): Measuring => {
  const { ledger, append, log, deviceId } = parts;
  const last = new Map<string, Result>();

  const run = async (
    probe: ProbeDefinition,
    signal: AbortSignal,
    pairId: string | undefined,
  ): Promise<void> => {
    const runId = randomUUID();
    ledger.begin(runId, probe.id);
    const result = await runPlanned(parts, probe, { runId, pairId }, signal);
    if (result === undefined) ledger.count(probe.id, 'stopped', 1);
    else {
      last.set(probe.id, result);
      logRun(log, result);
      // Without room in the spool it has been counted there.
      await append(result);
    }
    ledger.end(runId);
  };

  const scheduler = startScheduler({
    deviceId,
    run,
    onMissed: ({ probeId, reason, count }) => ledger.count(probeId, reason, count),
    log,
  });

  return {
    setPlan: (probes) => {
      const ids = new Set(probes.map((probe) => probe.id));
      for (const id of last.keys()) if (!ids.has(id)) last.delete(id);
      scheduler.setPlan(probes);
    },
    probes: () =>
      scheduler.status().map((one) => ({ ...one, last: last.get(one.probe.id) ?? null })),
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
