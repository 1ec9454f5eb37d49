import type { Delta, DeviceView, LossCount } from '../bin-view.ts';
import type { Path, Unit } from './unit.ts';

/** A difference that is worth asking about; not yet an alarm. */
const hot = { persistentMs: 4, persistentScales: 2.5, fastMs: 6, fastScales: 3.5 };
/** Three of 120 pings at 0.1 % usual loss happen twice in 10,000 windows. */
const lossHot = { lost: 3, ratio: 0.015 };

/** What says best how slow a unit's whole way is. */
export const ownOf = (unit: Unit): Delta | null => {
  const { device, onward } = unit;
  if (onward !== null) return usable(onward.connect);
  if (device === null) return null;
  return (
    usable(device.tunnel) ??
    usable(device.underlay) ??
    usable(device.runRoundTrip) ??
    directOf(device)
  );
};

/** The same for one path of it. */
export const ownOfPath = (unit: Unit, path: Path): Delta | null => {
  const { device } = unit;
  if (path.leg === 'onward') return usable(unit.onward?.connect ?? null);
  if (device === null) return null;
  if (path.leg === 'leg1') {
    return usable(device.tunnel) ?? usable(device.underlay) ?? usable(device.runRoundTrip);
  }
  const application = device.applications.find((each) => each.appId === path.appId);
  const connect = usable(application?.directConnect ?? null);
  // Probes on another way than the application's packets say nothing of these.
  const traced = device.sameFlow ? usable(path.trace?.rtt ?? null) : null;
  // One handshake may be quick by chance where several packets are not.
  return (traced?.fastMs ?? 0) > (connect?.fastMs ?? 0) ? traced : connect;
};

const usable = (delta: Delta | null): Delta | null => (delta?.ready ? delta : null);

const directOf = (device: DeviceView): Delta | null => {
  for (const { directConnect } of device.applications) {
    if (directConnect?.ready) return directConnect;
  }
  return null;
};

/** Something that is measured end to end is off its normal: only then causes are looked for. */
export const isSuspect = ({ device, onward, paths }: Unit): boolean => {
  if (onward !== null) return isHot(onward.connect) || isLossHot(onward.loss);
  if (device === null) return false;
  const { gateway, underlay, tunnel, runRoundTrip, applications } = device;
  const measured = [gateway, underlay, tunnel, runRoundTrip];
  const direct = applications.map(({ directConnect }) => directConnect);
  const losses = [device.gatewayLoss, device.underlayLoss, device.tunnelLoss];
  const traced = paths.map(({ trace }) => trace?.loss ?? null);
  return [...measured, ...direct].some(isHot) || [...losses, ...traced].some(isLossHot);
};

/** A device that is not hot may lose packets all the same: told without reading its traces. */
export const mayBeSuspect = (device: DeviceView): boolean =>
  device.isHot ||
  device.edgeId === null ||
  [device.gatewayLoss, device.underlayLoss, device.tunnelLoss].some(isLossHot);

export const isHot = (delta: Delta | null): boolean => {
  if (delta === null || !delta.ready) return false;
  const { persistentMs, persistentScaleMs, fastMs, scaleMs } = delta;
  if (fastMs > Math.max(hot.fastMs, hot.fastScales * scaleMs)) return true;
  return (
    persistentMs !== null &&
    persistentMs > Math.max(hot.persistentMs, hot.persistentScales * persistentScaleMs)
  );
};

export const isLossHot = (loss: LossCount | null): boolean =>
  loss !== null &&
  loss.lost >= lossHot.lost &&
  loss.lost / loss.sent - loss.normalRatio > lossHot.ratio;
