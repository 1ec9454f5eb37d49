import type { EdgeTiming } from '#contract/body/connection.ts';
import { startLoopDelayMeter } from '#runtime/clock.ts';
import type { ProxyError } from './refusal.ts';

/** Values kept per sample for the medians; more flows than this are a fair sample already. */
const maxValues = 10_000;

/** What one process of an edge counted and measured since its last reading; see sample.ts. */
export type Reading = {
  cpuRatio: number | null;
  memoryBytes: number;
  eventLoopDelayMs: number;
  udpFlowCount: number;
  counts: ReturnType<typeof noCounts>;
  values: ReturnType<typeof noValues>;
};

/** Counts what a process of an edge does. */
export const createMeter = () => {
  const loopDelay = startLoopDelayMeter();
  let cpu = process.cpuUsage();
  let takenMs = performance.now();
  let counts = noCounts();
  let values = noValues();
  let udpFlowCount = 0;

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
    refused(error: ProxyError): void {
      counts.refusedCount += 1;
      counts[refusedBy[error] ?? 'refusedRequestCount'] += 1;
    },
    dialFailed: (): void => {
      counts.dialFailedCount += 1;
    },
    /** A device broke a flow off. */
    reset: (): void => {
      counts.resetCount += 1;
    },
    /** Returns how to say that it has ended. */
    openUdp(): () => void {
      udpFlowCount += 1;
      return () => {
        udpFlowCount -= 1;
      };
    },
    takeReading(): Reading {
      const reading: Reading = {
        cpuRatio: cpuRatio(),
        memoryBytes: process.memoryUsage.rss(),
        eventLoopDelayMs: loopDelay.takeMs(),
        udpFlowCount,
        counts,
        values,
      };
      counts = noCounts();
      values = noValues();
      return reading;
    },
    stop: (): void => loopDelay.stop(),
  };
};

export type Meter = ReturnType<typeof createMeter>;

const refusedBy: Partial<Record<ProxyError, keyof ReturnType<typeof noCounts>>> = {
  http_request_denied: 'refusedByPolicyCount',
  destination_ip_prohibited: 'refusedByAddressCount',
  connection_limit_reached: 'refusedByLimitCount',
};

export const noCounts = () => ({
  upBytes: 0,
  downBytes: 0,
  flowCount: 0,
  refusedCount: 0,
  dialFailedCount: 0,
  resetCount: 0,
  refusedByPolicyCount: 0,
  refusedByAddressCount: 0,
  refusedByLimitCount: 0,
  refusedRequestCount: 0,
});

const noValues = () => ({
  queueMs: [] as number[],
  dnsMs: [] as number[],
  connectMs: [] as number[],
});

const keep = (values: number[], value: number | null): void => {
  if (value !== null && values.length < maxValues) values.push(value);
};
