import {
  type BurstPolicy,
  burstDefaults,
  type DeviceBurst,
  type EdgeBurst,
} from '#contract/burst.ts';
import type { Mistake } from '#contract/check.ts';
import type { Organisation } from '#contract/organisation.ts';

/** Where chance decides who measures, those who do begin within so long. */
const spreadSeconds = 5;

const policyOf = ({ burst }: Organisation): BurstPolicy => ({ ...burstDefaults, ...burst });

/** Undefined: no device is to make any. */
export const deviceBurstOf = (
  organisation: Organisation,
  deviceCount: number,
): DeviceBurst | undefined => {
  const policy = policyOf(organisation);
  if (!policy.enabled) return undefined;
  const deviceRatio = ratioOf(policy.devicesAtOnce, deviceCount);
  return {
    everySeconds: policy.everySeconds,
    seconds: policy.seconds,
    calmSeconds: policy.calmSeconds,
    perHour: policy.perHour,
    bytesPerDay: Math.round(policy.perDayMegabytes * 1_000_000),
    cpuMsPerDay: Math.round(policy.perDayCpuSeconds * 1_000),
    maxCpuRatio: policy.maxCpuRatio,
    deviceRatio,
    spreadSeconds: deviceRatio < 1 ? spreadSeconds : 0,
    onBattery: policy.onBattery,
    onMetered: policy.onMetered,
  };
};

/**
 * Of the next power of two: a config that said the exact share would be another one for the whole
 * fleet with every device that is enrolled.
 */
const ratioOf = (devicesAtOnce: number, deviceCount: number): number =>
  deviceCount <= devicesAtOnce ? 1 : devicesAtOnce / 2 ** Math.ceil(Math.log2(deviceCount));

/** Undefined: no edge is to make any. */
export const edgeBurstOf = (organisation: Organisation): EdgeBurst | undefined => {
  const policy = policyOf(organisation);
  if (!policy.enabled) return undefined;
  return {
    everySeconds: policy.everySeconds,
    seconds: policy.seconds,
    applicationsAtOnce: policy.edgeApplicationsAtOnce,
    secondsPerDay: policy.edgeSecondsPerDay,
  };
};

/** What the shape cannot say. */
export const checkBurst = (organisation: Organisation): Mistake[] => {
  const { everySeconds, seconds, calmSeconds } = policyOf(organisation);
  const mistakes: Mistake[] = [];
  if (everySeconds > seconds) {
    const message = `${everySeconds} s is longer than the whole burst (${seconds} s): shorten it, or raise seconds`;
    mistakes.push({ pointer: '/burst/everySeconds', message });
  }
  if (calmSeconds > seconds) {
    const message = `${calmSeconds} s is longer than the whole burst (${seconds} s), which it is to end: shorten it, or raise seconds`;
    mistakes.push({ pointer: '/burst/calmSeconds', message });
  }
  return mistakes;
};
