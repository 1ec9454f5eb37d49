import { randomUUID } from 'node:crypto';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { sleep } from '#runtime/backoff.ts';
import type { Log } from '#runtime/log.ts';
import type { Running } from '#runtime/service.ts';
import type { DeviceSampler } from './device/sampler.ts';
import type { Tunnel } from './tunnel/tunnel.ts';

const stopDeadlineMs = 2_000;

export type Sampling = Running & {
  /** More often and marked, for as long as a burst lasts; undefined: as usual again. */
  setDense(dense: { burstId: string; everyMs: number } | undefined): void;
};

/** Takes one sample of device and tunnel an interval, for as long as it runs. */
export const startSampling = (parts: {
  deviceId: string;
  sampler: DeviceSampler;
  tunnel: Pick<Tunnel, 'takeSample'>;
  intervalMs: () => number;
  append: (record: TelemetryRecord) => Promise<boolean>;
  /** Called once an interval, beside the samples. */
  onInterval: () => Promise<void>;
  log: Log;
}): Sampling => {
  const { deviceId, sampler, tunnel, append, log } = parts;
  const stopping = new AbortController();
  let dense: { burstId: string; everyMs: number } | undefined;
  let wake = new AbortController();
  let lastIntervalMs = Number.NEGATIVE_INFINITY;

  const sampleOnce = async () => {
    await sampler.measureGateway();
    const mark = dense === undefined ? {} : { burstId: dense.burstId };
    const device = { ...sampler.take(), ...mark };
    const id = randomUUID();
    const at = Date.now();
    await append(device);
    await append({ kind: 'tunnel', id, deviceId, at, ...tunnel.takeSample(), ...mark });
    const nowMs = performance.now();
    if (dense !== undefined && nowMs - lastIntervalMs < parts.intervalMs()) return;
    lastIntervalMs = nowMs;
    await parts.onInterval();
  };

  const sampleForEver = async () => {
    while (!stopping.signal.aborted) {
      const startedMs = performance.now();
      wake = new AbortController();
      await sampleOnce().catch((error: unknown) =>
        log.error({ component: 'sampling', err: error }, 'sample failed'),
      );
      const spentMs = performance.now() - startedMs;
      const everyMs = dense?.everyMs ?? parts.intervalMs();
      const signal = AbortSignal.any([stopping.signal, wake.signal]);
      await sleep(Math.max(100, everyMs - spentMs), signal);
    }
  };
  const ended = sampleForEver();

  return {
    setDense(wanted) {
      dense = wanted;
      wake.abort();
    },
    stop: async () => {
      stopping.abort();
      // A gateway that does not answer must not hold up the stop.
      await Promise.race([ended, sleep(stopDeadlineMs)]);
      sampler.stop();
    },
  };
};
