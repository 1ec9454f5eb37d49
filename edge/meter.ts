import { randomUUID } from 'node:crypto';
import type { EdgeTiming } from '#contract/body/connection.ts';
import type { EdgeSample } from '#contract/telemetry.ts';
import { startLoopDelayMeter } from '#runtime/clock.ts';

/** Values kept per sample for the medians; more flows than this are a fair sample already. */
const maxValues = 10_000;

type Gauges = { sessionCount: number; streamCount: number; deviceCount: number };

/** Counts what an edge does, and hands it over as one EdgeSample per interval. */
export const createMeter = (options: { edgeId: string; now: () => number }) => {
  const loopDelay = startLoopDelayMeter();
  let cpu = process.cpuUsage();
  let takenMs = performance.now();
  let counts = noCounts();
  let values = noValues();

  const cpuRatio = (): number | null => {
    const usedMicros = process.cpuUsage(cpu);
    const elapsedMs = performance.now() - takenMs;
    cpu = process.cpuUsage();
    takenMs = performance.now();
    return elapsedMs < 1 ? null : (usedMicros.user + usedMicros.system) / 1_000 / elapsedMs;
  };

  return {
    up: (bytes: number): void => {
      counts.upBytes += bytes;
    },
    down: (bytes: number): void => {
      counts.downBytes += bytes;
    },
    opened(timing: EdgeTiming): void {
      counts.flowCount += 1;
      keep(values.queueMs, timing.queueMs);
      keep(values.dnsMs, timing.dnsMs);
      keep(values.connectMs, timing.connectMs);
    },
    refused: (): void => {
      counts.refusedCount += 1;
    },
    dialFailed: (): void => {
      counts.dialFailedCount += 1;
    },
    takeSample(gauges: Gauges): EdgeSample {
      const sample: EdgeSample = {
        kind: 'edge',
        id: randomUUID(),
        edgeId: options.edgeId,
        at: options.now(),
        cpuRatio: cpuRatio(),
        memoryBytes: process.memoryUsage.rss(),
        eventLoopDelayMs: loopDelay.takeMs(),
        ...gauges,
        ...counts,
        queueMs: median(values.queueMs),
        dnsMs: median(values.dnsMs),
        connectMs: median(values.connectMs),
      };
      counts = noCounts();
      values = noValues();
      return sample;
    },
    stop: (): void => loopDelay.stop(),
  };
};

export type Meter = ReturnType<typeof createMeter>;

/** The middle value, or the mean of the two middle ones; null of nothing. */
export const median = (values: readonly number[]): number | null => {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? upper) + upper) / 2;
};

const noCounts = () => ({
  upBytes: 0,
  downBytes: 0,
  flowCount: 0,
  refusedCount: 0,
  dialFailedCount: 0,
});

const noValues = () => ({
  queueMs: [] as number[],
  dnsMs: [] as number[],
  connectMs: [] as number[],
});

const keep = (values: number[], value: number | null): void => {
  if (value !== null && values.length < maxValues) values.push(value);
};
