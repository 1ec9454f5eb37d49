import { check } from '#contract/check.ts';
import { EpochMs, Slug } from '#contract/scalar.ts';
import type { RefusedRuns } from '../control/run-account-rows.ts';
import { dayOf } from '../zero-loss/day.ts';

/** Of one batch; an agent's plan and spool give a few dozen. */
const mostLines = 1_000;

/** Which planned runs of a device gave the results among what was refused, as far as they say. */
export const refusedRunsOf = (deviceId: string, refused: readonly unknown[]): RefusedRuns[] => {
  const lines = new Map<string, RefusedRuns>();
  for (const value of refused) {
    const run = plannedRunOf(deviceId, value);
    if (run === undefined) continue;
    const key = `${run.dayAt} ${run.probeId}`;
    const line = lines.get(key) ?? { ...run, runCount: 0 };
    line.runCount += 1;
    if (lines.size < mostLines) lines.set(key, line);
  }
  return [...lines.values()];
};

const plannedRunOf = (deviceId: string, value: unknown) => {
  const record = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const { kind, requestId, burstId, repeats } = record as Record<string, unknown> & {
    [key in 'kind' | 'requestId' | 'burstId' | 'repeats']?: unknown;
  };
  const isPlanned = requestId === undefined && burstId === undefined && repeats === undefined;
  if (kind !== 'result' || record['deviceId'] !== deviceId || !isPlanned) return undefined;
  const probeId = check(Slug, record['probeId']);
  const startedAt = check(EpochMs, record['startedAt']);
  if (!probeId.ok || !startedAt.ok) return undefined;
  return { dayAt: dayOf(startedAt.value), probeId: probeId.value };
};
