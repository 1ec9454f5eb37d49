import { sayMs, sayPercent } from '../../wording.ts';
import type { Accepted, EvidenceLine, InferOptions } from '../accepted.ts';
import type { ApplicationView, BinView, Delta, DeviceView } from '../bin-view.ts';
import { logLikelihood } from '../map/likelihood.ts';
import { elementOf } from '../services/group.ts';

/** Late timers below this are the machine's own grain. */
const least = { lagMs: 4, scales: 3.5 } as const;
/** One that stood in the bin before goes on at half of it. */
const formerShare = 0.55;
/** So late at once, no second bin is needed: no healthy device's timers come this late. */
const sudden = { lagMs: 15, scales: 8 } as const;
const penaltyNats = 9;
/** Bins in which timers come late for no reason that lasts: one, and two in a row. */
const contamination = { fast: 1e-4, persistent: 1e-6 } as const;
/** From here on a person would call the CPU or the memory full. */
const full = { cpuRatio: 0.9, memoryRatio: 0.92 } as const;

/**
 * The device itself: its timers come late, so every step it times is late. A busy CPU, full memory or
 * a weak signal with timers on time is no cause; they only say why the timers are late.
 */
export const inferDevices = (
  view: BinView,
  former: ReadonlySet<string>,
  options: InferOptions,
): Accepted[] =>
  suspects(view).flatMap((index) => {
    const device = view.device(index);
    const late = device.lag === null ? null : lateness(device, device.lag, former, options);
    return late === null ? [] : [acceptDevice(view, device, device.lag as Delta, late)];
  });

const suspects = ({ hot, ailing }: BinView): number[] =>
  [...new Set([...hot, ...ailing])].sort((a, b) => a - b);

type Lateness = { ms: number; scaleMs: number; pass: Accepted['pass'] };

const keyOf = (device: DeviceView): string => `device:${device.deviceId}:delay`;

const lateness = (
  device: DeviceView,
  lag: Delta,
  former: ReadonlySet<string>,
  { fastPass }: InferOptions,
): Lateness | null => {
  if (!lag.ready) return null;
  const share = former.has(keyOf(device)) ? formerShare : 1;
  const { persistentMs, persistentScaleMs, meanMs, meanScaleMs, fastMs, scaleMs } = lag;
  const standsMs = share < 1 ? meanMs : persistentMs;
  if (
    standsMs !== null &&
    standsMs > share * Math.max(least.lagMs, least.scales * persistentScaleMs)
  ) {
    return { ms: Math.max(standsMs, meanMs), scaleMs: meanScaleMs, pass: 'persistent' };
  }
  return fastPass && fastMs > Math.max(sudden.lagMs, sudden.scales * scaleMs)
    ? { ms: fastMs, scaleMs, pass: 'fast' }
    : null;
};

const acceptDevice = (
  view: BinView,
  device: DeviceView,
  lag: Delta,
  { ms, scaleMs, pass }: Lateness,
): Accepted => {
  const { facts, deviceId } = device;
  const element = elementOf(deviceId, facts.name ?? `device ${deviceId.slice(0, 8)}`);
  const gainNats =
    logLikelihood(0, Math.hypot(scaleMs, ms / 2), contamination[pass], true) -
    logLikelihood(ms, scaleMs, contamination[pass], true) -
    penaltyNats;
  return {
    key: keyOf(device),
    family: 'device',
    kind: 'delay',
    segment: 'device',
    element,
    scope: 'device',
    addedMs: ms,
    lossRatio: null,
    gainNats: Math.max(0.5, gainNats),
    marginNats: Math.max(0.5, gainNats),
    runnerUp: null,
    observerCount: 1,
    healthyCount: 0,
    pass,
    costMs: (deviceIndex, appId) => {
      if (deviceIndex !== device.index) return 0;
      const application = view
        .device(deviceIndex)
        .applications.find((each) => each.appId === appId);
      return application === undefined ? 0 : ms * timedSteps(application);
    },
    elementFor: () => element,
    evidenceFor: () => [lagLine(lag), ...whyLines(device)],
  };
};

/** CONNECT, TLS, answer and its end; straight the look-up as well: each is noticed late. */
const usualSteps = { tunnel: 4, direct: 5 } as const;

const timedSteps = ({ via, newestRun }: ApplicationView): number => {
  if (newestRun === null) return usualSteps[via];
  const { dnsMs, connectMs, proxyConnectMs, tlsMs, waitMs, receiveMs } = newestRun;
  // The local proxy's accept is no step that waits for anybody.
  const opened = proxyConnectMs ?? connectMs;
  return [proxyConnectMs === null ? dnsMs : null, opened, tlsMs, waitMs, receiveMs].filter(
    (ms) => ms !== null,
  ).length;
};

const lagLine = ({ nowMs, normalMs }: Delta): EvidenceLine => ({
  finding: 'against',
  text: `Timers on the device come ${sayMs(nowMs)} late, normally ${sayMs(normalMs)}: it holds up every step.`,
  value: nowMs,
  baseline: normalMs,
  unit: 'ms',
});

/** What keeps it busy, as far as it tells. */
const whyLines = ({ cpuRatio, memoryUsedRatio }: DeviceView): EvidenceLine[] => {
  const lines: EvidenceLine[] = [];
  if (cpuRatio !== null) {
    lines.push({
      finding: cpuRatio >= full.cpuRatio ? 'against' : 'context',
      text: `CPU ${sayPercent(cpuRatio)}${cpuRatio >= full.cpuRatio ? ': it has none to spare' : ''}.`,
      value: cpuRatio,
      baseline: null,
      unit: 'ratio',
    });
  }
  if (memoryUsedRatio !== null && memoryUsedRatio >= full.memoryRatio) {
    lines.push({
      finding: 'against',
      text: `Memory ${sayPercent(memoryUsedRatio)} used: it may be swapping.`,
      value: memoryUsedRatio,
      baseline: null,
      unit: 'ratio',
    });
  }
  return lines;
};
