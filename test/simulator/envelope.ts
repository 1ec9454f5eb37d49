import type { HttpResult, Via } from '#contract/result.ts';
import type { Bench } from './bench.ts';
import { type DeviceNow, rounded } from './device-now.ts';

/** Mean lag from which agents mark their own runs. */
const overloadedMs = 50;

export const envelopeOf = (
  { options, nextId }: Bench,
  { device }: DeviceNow,
  run: {
    appId: string;
    probeId: string;
    via: Via;
    atMs: number;
    durationMs: number;
    lags: readonly number[];
  },
): Omit<HttpResult, 'type' | 'body'> => {
  const { appId, probeId, via, atMs, durationMs, lags } = run;
  let [sum, longest] = [0, 0];
  for (const lag of lags) {
    sum += lag;
    if (lag > longest) longest = lag;
  }
  const eventLoopDelayMs = rounded(sum / Math.max(1, lags.length));
  return {
    kind: 'result',
    id: nextId(),
    deviceId: device.id,
    appId,
    probeId,
    via,
    edgeId: device.edge.id,
    startedAt: atMs,
    durationMs,
    availability: 1,
    failure: null,
    self: { eventLoopDelayMs, cpuStealRatio: 0, clockJumpMs: 0, longestDelayMs: rounded(longest) },
    distortion:
      options.flagOverload && eventLoopDelayMs > overloadedMs ? 'agent-overloaded' : 'none',
  };
};
