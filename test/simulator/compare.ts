import type { TelemetryRecord } from '#contract/telemetry.ts';
import type { WorldOptions } from './options.ts';
import type { Fault, FaultKind } from './truth.ts';
import { createWorld, type World, type WorldBin } from './world.ts';

/** What is expected of a kind of fault, and what its records show on average. */
export type Comparison = {
  kind: FaultKind;
  runCount: number;
  expectedMs: number;
  observedMs: number;
  ratio: number;
};

type Comparable = Pick<World, 'faults'> & { bins(): Iterable<WorldBin> };

/** The same world without faults and decoys. */
export const twinOf = (options: Partial<WorldOptions> & { seed: number }): World =>
  createWorld({ ...options, faultsPerDay: 0, decoysPerDay: 0 });

/**
 * Holds the truth against the records: a world against its twin, run by run. Both have the same
 * weather and other dice, so that only means agree.
 */
export const compareWithTwin = (world: Comparable, twin: Comparable): Comparison[] => {
  const sums = new Map<FaultKind, { runCount: number; expectedMs: number; observedMs: number }>();
  const faults = new Map(world.faults.map((fault) => [fault.id, fault]));
  const others = twin.bins()[Symbol.iterator]();
  for (const { records, truth } of world.bins()) {
    const other = others.next();
    if (other.done || truth.activeFaults.length === 0) continue;
    const usual = timesIn(other.value.records);
    for (const [run, ms] of timesIn(records)) {
      const [deviceId = '', appId = '', what] = run.split('/');
      const [only, second] = truth.addedMs(deviceId, appId);
      const before = usual.get(run);
      const fault = faults.get(only?.faultId ?? '');
      // Two losses at once cost more than their sum: each run's truth is of one fault.
      if (!fault || !only || second || before === undefined || what !== measureOf(fault)) continue;
      const sum = sums.get(fault.kind) ?? { runCount: 0, expectedMs: 0, observedMs: 0 };
      sum.runCount += 1;
      sum.expectedMs += only.ms;
      sum.observedMs += ms - before;
      sums.set(fault.kind, sum);
    }
  }
  return [...sums].sort(([a], [b]) => a.localeCompare(b)).map(toComparison);
};

const measureOf = ({ segment }: Fault): string => (segment === 'page' ? 'page' : 'request');

const toComparison = ([kind, { runCount, expectedMs, observedMs }]: [
  FaultKind,
  { runCount: number; expectedMs: number; observedMs: number },
]): Comparison => ({
  kind,
  runCount,
  expectedMs: Math.round(expectedMs / runCount),
  observedMs: Math.round(observedMs / runCount),
  ratio: Math.round((1_000 * observedMs) / expectedMs) / 1_000,
});

/** By device, application and what was measured: a request's total, or the largest paint of a page. */
const timesIn = (records: readonly TelemetryRecord[]): Map<string, number> => {
  const times = new Map<string, number>();
  for (const record of records) {
    if (record.kind !== 'result') continue;
    const key = `${record.deviceId}/${record.appId}`;
    if (record.type === 'page-load') times.set(`${key}/page`, record.body.lcpMs ?? 0);
    if (record.type === 'http') times.set(`${key}/request`, record.durationMs);
  }
  return times;
};
