import { randomUUID } from 'node:crypto';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { sleep } from '#runtime/backoff.ts';
import type { Log } from '#runtime/log.ts';
import type { Running } from '#runtime/service.ts';
import type { DeviceSampler } from './device/sampler.ts';
import type { Tunnel } from './tunnel/tunnel.ts';

const stopDeadlineMs = 2_000;

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
}): Running => {
  const { deviceId, sampler, tunnel, append, log } = parts;
  const stopping = new AbortController();

  const sampleOnce = async () => {
    await sampler.measureGateway();
    const device = sampler.take();
    const id = randomUUID();
    const at = Date.now();
    await append(device);
    await append({ kind: 'tunnel', id, deviceId, at, ...tunnel.takeSample() });
    await parts.onInterval();
  };

  const sampleForEver = async () => {
    while (!stopping.signal.aborted) {
      const startedMs = performance.now();
      await sampleOnce().catch((error: unknown) =>
        log.error({ component: 'sampling', err: error }, 'sample failed'),
      );
      const spentMs = performance.now() - startedMs;
      await sleep(Math.max(100, parts.intervalMs() - spentMs), stopping.signal);
    }
  };
  const ended = sampleForEver();

  return {
    stop: async () => {
      stopping.abort();
      // A gateway that does not answer must not hold up the stop.
      await Promise.race([ended, sleep(stopDeadlineMs)]);
      sampler.stop();
    },
  };
};
