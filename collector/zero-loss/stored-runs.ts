import type { Measurement } from '../store/schema.ts';
import type { Store } from '../store/store.ts';
import { dayMs } from './day.ts';

/** Where results lie. */
const resultMeasurements = [
  'http',
  'path',
  'page_load',
  'dns',
  'tcp',
  'tls',
  'voice',
] as const satisfies Measurement[];

export type StoredRuns = { deviceId: string; probeId: string; dayAt: number; storedCount: number };

/**
 * Results of planned runs in the store, by device, probe and day of their start. Only planned runs
 * have a lateness: those that were asked for, of bursts and made again have none.
 */
export const storedRuns = async (
  store: Pick<Store, 'aggregate'>,
  wanted: { deviceIds: readonly string[]; fromMs: number; toMs: number },
): Promise<StoredRuns[]> => {
  const { deviceIds, fromMs, toMs } = wanted;
  if (fromMs >= toMs) return [];
  const rows = await Promise.all(
    resultMeasurements.map((measurement) =>
      store.aggregate({
        measurement,
        field: 'lateness_ms',
        statistics: ['count'],
        tags: { device: deviceIds },
        by: ['device', 'probe'],
        everyMs: dayMs,
        fromMs,
        toMs,
      }),
    ),
  );
  return rows.flat().map(({ tags, timeMs, values }) => ({
    deviceId: tags['device'] ?? '',
    probeId: tags['probe'] ?? '',
    dayAt: timeMs ?? 0,
    storedCount: values.count ?? 0,
  }));
};

/**
 * Results that lie in the store more than once. A result's id is in one series and at one time, so
 * the store overwrites it; this looks whether it did.
 */
export const countDuplicates = async (
  store: Pick<Store, 'select'>,
  wanted: { deviceId: string; fromMs: number; toMs: number },
): Promise<{ probeId: string; duplicateCount: number }[]> => {
  const seen = new Map<string, Set<string>>();
  const twice = new Map<string, number>();
  for (const measurement of resultMeasurements) {
    const points = await store.select({
      measurement,
      fromMs: wanted.fromMs,
      toMs: wanted.toMs,
      tags: { device: wanted.deviceId },
      fields: ['result_id'],
      limit: mostResults,
    });
    for (const { tags, fields } of points) {
      const ids = seen.get(tags.probe) ?? new Set();
      seen.set(tags.probe, ids);
      if (fields.result_id === null) continue;
      if (ids.has(fields.result_id)) twice.set(tags.probe, (twice.get(tags.probe) ?? 0) + 1);
      ids.add(fields.result_id);
    }
  }
  return [...twice].map(([probeId, duplicateCount]) => ({ probeId, duplicateCount }));
};

/** Twenty probes a minute for a day. */
const mostResults = 30_000;
