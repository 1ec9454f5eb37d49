import type { Result } from '#contract/result.ts';
import { attributesOf, type HistogramPoint, type KeyValue, unixNano } from './otlp-json.ts';

/** Seconds, as OTel's advice for `http.client.request.duration`, and up to a run's longest time-out. */
const bounds = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60,
] as const;
/** Beyond it, runs are still counted, under OTel's own overflow attribute. */
const maxSeries = 10_000;
const overflow = 'otel.metric.overflow';

type Series = {
  attributes: KeyValue[];
  counts: number[];
  sum: number;
  min: number;
  max: number;
};

/** How long runs took since this collector's start, by application, probe, way and edge: never by device. */
export const createRunHistograms = (startedMs: number) => {
  const all = new Map<string, Series>();

  const seriesOf = (result: Result): Series => {
    const attributes = {
      'whyslow.app': result.appId,
      'whyslow.probe': result.probeId,
      'whyslow.probe.type': result.type,
      'whyslow.via': result.via,
      'whyslow.edge': result.edgeId,
      'whyslow.distortion': result.distortion === 'none' ? null : result.distortion,
      'error.type': result.failure?.type,
    };
    const key = Object.values(attributes).join('\0');
    const known = all.get(key);
    if (known) return known;
    if (all.size < maxSeries) return make(key, attributesOf(attributes));
    return all.get(overflow) ?? make(overflow, attributesOf({ [overflow]: true }));
  };

  const make = (key: string, attributes: KeyValue[]): Series => {
    const counts = Array.from({ length: bounds.length + 1 }, () => 0);
    const made = { attributes, counts, sum: 0, min: Number.POSITIVE_INFINITY, max: 0 };
    all.set(key, made);
    return made;
  };

  return {
    add(result: Result): void {
      const series = seriesOf(result);
      const seconds = result.durationMs / 1_000;
      const found = bounds.findIndex((bound) => seconds <= bound);
      const bucket = found < 0 ? bounds.length : found;
      series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
      series.sum += seconds;
      series.min = Math.min(series.min, seconds);
      series.max = Math.max(series.max, seconds);
    },

    points: (nowMs: number): HistogramPoint[] =>
      [...all.values()].map(({ attributes, counts, sum, min, max }) => ({
        attributes,
        startTimeUnixNano: unixNano(startedMs),
        timeUnixNano: unixNano(nowMs),
        count: String(counts.reduce((total, count) => total + count, 0)),
        sum,
        min,
        max,
        bucketCounts: counts.map(String),
        explicitBounds: bounds,
      })),
  };
};
