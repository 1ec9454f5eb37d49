import type { TelemetryRecord } from '#contract/telemetry.ts';
import type { WorldOptions } from './options.ts';
import type { FaultKind } from './truth.ts';
import { createWorld, type World } from './world.ts';

/** What was expected of a kind of fault, and what its records show on average. */
export type Comparison = {
  kind: FaultKind;
  faultCount: number;
  runCount: number;
  expectedMs: number;
  observedMs: number;
  ratio: number;
};

/**
 * Holds the truth against the records: a world with one kind of fault against its twin without any,
 * run by run. Both have the same weather and other dice, so that only means agree.
 */
export const compareKind = (
  kind: FaultKind,
  given: Partial<WorldOptions> & { seed: number },
): Comparison => {
  const options = { sampleSeconds: 300, warmDays: 0, decoysPerDay: 0, ...given } as const;
  const world = createWorld({ ...options, onlyKinds: [kind] });
  const twin = createWorld({ ...options, faultsPerDay: 0 });
  const isPage = world.faults[0]?.segment === 'page';
  const totals = { runCount: 0, expectedMs: 0, observedMs: 0 };
  const others = twin.bins()[Symbol.iterator]();
  for (const bin of world.bins()) {
    const other = others.next();
    if (other.done || bin.truth.activeFaults.length === 0) continue;
    const usual = timesIn(other.value.records, isPage);
    for (const [pair, ms] of timesIn(bin.records, isPage)) {
      const [deviceId = '', appId = ''] = pair.split('/');
      const [first] = bin.truth.addedMs(deviceId, appId);
      const before = usual.get(pair);
      if (first === undefined || before === undefined) continue;
      totals.runCount += 1;
      totals.observedMs += ms - before;
      for (const impact of bin.truth.addedMs(deviceId, appId)) totals.expectedMs += impact.ms;
    }
  }
  return summed(kind, world, totals);
};

const summed = (
  kind: FaultKind,
  { faults }: World,
  { runCount, expectedMs, observedMs }: Pick<Comparison, 'runCount' | 'expectedMs' | 'observedMs'>,
): Comparison => ({
  kind,
  faultCount: faults.length,
  runCount,
  expectedMs: expectedMs / runCount,
  observedMs: observedMs / runCount,
  ratio: observedMs / expectedMs,
});

/** By device and application: a request's total, or the largest paint of a page. */
const timesIn = (records: readonly TelemetryRecord[], isPage: boolean): Map<string, number> => {
  const times = new Map<string, number>();
  for (const record of records) {
    if (record.kind !== 'result') continue;
    const key = `${record.deviceId}/${record.appId}`;
    if (isPage && record.type === 'page-load') times.set(key, record.body.lcpMs ?? 0);
    if (!isPage && record.type === 'http') times.set(key, record.durationMs);
  }
  return times;
};
