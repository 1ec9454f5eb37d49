import type { Delta, DeviceView, LossCount } from '../bin-view.ts';
import { currentLoss, recentSentOf } from './current-loss.ts';
import type { Path, Unit } from './unit.ts';

/** A difference that is worth asking about; not yet an alarm. */
const hot = { persistentMs: 4, persistentScales: 2.5, fastMs: 6, fastScales: 3.5 };
/** Three of 120 pings at 0.1 % usual loss happen twice in 10,000 windows. */
const lossHot = { lost: 3, ratio: 0.015 };

/** What says best how slow a unit’s way is, on one of its paths. */
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

/** The same for loss, as far as it is lost now. */
export const ownLoss = (unit: Unit, path: Path): LossCount | null => {
  const loss = ownWindow(unit, path);
  return loss === null ? null : currentLoss(loss);
};

const ownWindow = ({ device, onward }: Unit, path: Path): LossCount | null => {
  if (path.leg === 'onward')
    return together(handshakeLoss(onward?.loss ?? null), path.trace?.loss ?? null);
  if (path.leg === 'direct') return path.trace?.loss ?? null;
  return device?.tunnelLoss ?? device?.underlayLoss ?? path.trace?.loss ?? null;
};

/**
 * A handshake that is made is no proof that none of its packets got lost: TCP repeats them (RFC 9293,
 * RFC 6298). Only those that failed say something.
 */
export const handshakeLoss = (loss: LossCount | null): LossCount | null =>
  loss === null || loss.lost === 0 ? null : loss;

/** Handshakes and probes to one end: few each, so that both count. */
const together = (a: LossCount | null, b: LossCount | null): LossCount | null => {
  if (a === null || b === null) return a ?? b;
  const sent = a.sent + b.sent;
  return {
    sent,
    lost: a.lost + b.lost,
    recentSent: recentSentOf(a) + recentSentOf(b),
    recentLost: a.recentLost + b.recentLost,
    normalRatio: sent === 0 ? 0 : (a.sent * a.normalRatio + b.sent * b.normalRatio) / sent,
  };
};

/** Something that is measured end to end is off its normal: only then causes are looked for. */
export const isSuspect = (unit: Unit): boolean => {
  const { device, onward, paths } = unit;
  const [first] = paths;
  if (onward !== null && first !== undefined) {
    return isHot(onward.connect) || isLossHot(ownLoss(unit, first));
  }
  if (device === null) return false;
  const { gateway, underlay, tunnel, queue, runRoundTrip, applications } = device;
  const measured = [gateway, underlay, tunnel, queue, runRoundTrip];
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
