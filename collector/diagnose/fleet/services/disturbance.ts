import type { ApplicationView, BinView, Delta, DeviceView, LossCount } from '../bin-view.ts';
import { type Place, placeKeys, placeOf } from './place.ts';

/** What the way to a service does to the times measured there, beyond what was taken off. */
export type Disturbance = {
  /** Share of the cell's devices whose own network is off its normal, and by how much on average. */
  hotShare: number;
  jitterMs: number;
  /** Share of the cell's devices whose own way loses packets beyond the usual, and how many it loses. */
  losingShare: number;
  lossRatio: number;
  /** What the way behind the edge loses beyond the usual, for all of them. */
  farLossRatio: number;
  /** By how much one round trip to there is longer for the middle one of its devices, on both legs. */
  tripRiseMs: number;
  /** What it usually takes, as far as it is known. */
  tripUsualMs: number;
};

type Sum = {
  devices: number;
  jitterMs: number;
  losing: number;
  lossRatio: number;
  usualMs: number;
};

const emptySum: Sum = { devices: 0, jitterMs: 0, losing: 0, lossRatio: 0, usualMs: 0 };

/**
 * Round trips were taken off each run with those of the same run or minute. What is left of a way
 * that jitters or loses is noise in every part of the answer, so a place that only such devices met
 * is weak evidence against the service.
 */
export const createDisturbances = (
  view: BinView,
): ((place: Place, deviceCount: number) => Disturbance) => {
  const leg1 = sumOverHotDevices(view);
  const leg2 = lossBehindEdges(view);
  const far = waysBehindEdges(view);
  return (place, deviceCount) => {
    const keys = placeKeys(place);
    const near = firstOf(leg1, keys) ?? emptySum;
    const devices = Math.max(1, deviceCount, near.devices);
    return {
      hotShare: near.devices / devices,
      jitterMs: near.devices === 0 ? 0 : near.jitterMs / near.devices,
      losingShare: near.losing / devices,
      lossRatio: near.lossRatio / Math.max(1, near.losing),
      farLossRatio: firstOf(leg2, keys) ?? 0,
      tripRiseMs: middleRise(near, devices) + (firstOf(far, keys)?.riseMs ?? 0),
      tripUsualMs: near.usualMs / Math.max(1, near.devices) + (firstOf(far, keys)?.usualMs ?? 0),
    };
  };
};

const firstOf = <T>(known: ReadonlyMap<string, T>, keys: readonly string[]): T | undefined => {
  for (const key of keys) {
    const found = known.get(key);
    if (found !== undefined) return found;
  }
  return undefined;
};

const sumOverHotDevices = (view: BinView): Map<string, Sum> => {
  const sums = new Map<string, Sum>();
  for (const index of view.hot) {
    const device = view.device(index);
    for (const application of device.applications) {
      const jitterMs = disturbedByMs(device, application);
      const lossRatio = lossOn(device, application);
      if (jitterMs === 0 && lossRatio === 0) continue;
      const usualMs = wayOf(device, application)?.normalMs ?? 0;
      for (const key of placeKeys(placeOf(application))) {
        const sum = sums.get(key) ?? { ...emptySum };
        sum.devices += 1;
        sum.jitterMs += jitterMs;
        sum.losing += lossRatio > 0 ? 1 : 0;
        sum.lossRatio += lossRatio;
        sum.usualMs += usualMs;
        sums.set(key, sum);
      }
    }
  }
  return sums;
};

/** Of a cell with one device in two risen the middle has risen as well; of one in five hardly. */
const middleRise = ({ devices, jitterMs }: Sum, all: number): number =>
  devices === 0 ? 0 : (jitterMs / devices) * Math.min(1, (2 * devices) / all) ** 2;

const waysBehindEdges = (view: BinView): Map<string, { riseMs: number; usualMs: number }> => {
  const ways = new Map<string, { riseMs: number; usualMs: number }>();
  for (const onward of view.onward) {
    const way = { riseMs: riseMs(onward.connect), usualMs: onward.connect?.normalMs ?? 0 };
    for (const key of placeKeys(onward)) {
      if (way.riseMs >= (ways.get(key)?.riseMs ?? 0)) ways.set(key, way);
    }
  }
  return ways;
};

const lossBehindEdges = (view: BinView): Map<string, number> => {
  const losses = new Map<string, number>();
  for (const onward of view.onward) {
    const lossRatio = Math.max(excessLoss(onward.loss), excessLoss(onward.trace?.loss ?? null));
    if (lossRatio === 0) continue;
    for (const key of placeKeys(onward)) {
      losses.set(key, Math.max(losses.get(key) ?? 0, lossRatio));
    }
  }
  return losses;
};

/** Fewer lost packets than these in the window are chance. */
const leastLost = 2;

export const excessLoss = (loss: LossCount | null): number =>
  loss === null || loss.sent === 0 || loss.lost < leastLost
    ? 0
    : Math.max(0, loss.lost / loss.sent - loss.normalRatio);

const wayOf = ({ tunnel }: DeviceView, { via, directConnect }: ApplicationView): Delta | null =>
  via === 'direct' ? directConnect : tunnel;

const lossOn = (device: DeviceView, { via, directTrace }: ApplicationView): number =>
  Math.max(
    excessLoss(device.gatewayLoss),
    excessLoss(device.underlayLoss),
    excessLoss(via === 'direct' ? (directTrace?.loss ?? null) : device.tunnelLoss),
  );

/** The largest rise of what this device times on the way that it takes there, and its own lag. */
const disturbedByMs = (device: DeviceView, application: ApplicationView): number => {
  const { tunnel, underlay, gateway, runRoundTrip } = device;
  const way =
    application.via === 'direct' ? [application.directConnect] : [tunnel, underlay, runRoundTrip];
  return Math.max(0, device.lagExtraMs, riseMs(gateway), ...way.map(riseMs));
};

const riseMs = (delta: Delta | null): number =>
  delta?.ready === true && delta.fastMs > 2.5 * delta.scaleMs ? delta.fastMs : 0;
