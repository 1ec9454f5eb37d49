import type { TelemetryRecord } from '#contract/telemetry.ts';
import type { World } from './world.ts';

/** Where most values of one kind lie. */
export type Spread = { what: string; count: number; p5: number; p50: number; p95: number };

/** What a world is like, over all of it; without faults: what is usual in it. */
export const statisticsOf = (world: Pick<World, 'bins'>): Spread[] => {
  const values = new Map<string, number[]>();
  for (const { records } of world.bins()) {
    for (const record of records) {
      for (const [what, ms] of measured(record)) {
        if (ms === null) continue;
        const own = values.get(what) ?? [];
        own.push(ms);
        values.set(what, own);
      }
    }
  }
  return [...values].sort(([a], [b]) => a.localeCompare(b)).map(toSpread);
};

const measured = (record: TelemetryRecord): [string, number | null][] => {
  if (record.kind === 'tunnel') return [['tunnel round trip', record.controlRttMs]];
  if (record.kind === 'device') return [['gateway round trip', record.gateway?.rttMs ?? null]];
  if (record.kind === 'onward') return [['edge to application', record.connectMs]];
  if (record.kind !== 'result') return [];
  if (record.type === 'http') return [[`request, ${record.via}`, record.durationMs]];
  return record.type === 'page-load' ? [['largest paint', record.body.lcpMs]] : [];
};

const toSpread = ([what, values]: [string, number[]]): Spread => {
  values.sort((a, b) => a - b);
  const at = (ratio: number) => Math.round(values[Math.floor(values.length * ratio)] ?? 0);
  return { what, count: values.length, p5: at(0.05), p50: at(0.5), p95: at(0.95) };
};
