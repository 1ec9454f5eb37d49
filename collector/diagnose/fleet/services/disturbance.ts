import type { BinView, Delta, DeviceView, LossCount } from '../bin-view.ts';
import { type Place, placeKeys, placeOf } from './place.ts';

/** What the way to a service does to the times measured there, beyond what was taken off. */
export type Disturbance = {
  /** Share of the cell's devices whose own network is off its normal, and by how much on average. */
  hotShare: number;
  jitterMs: number;
  /** Packets lost beyond the usual on both legs, both ways, averaged over the cell's devices. */
  lossRatio: number;
  /** By how much one round trip to there is longer for the middle one of its devices, on both legs. */
  tripRiseMs: number;
  /** What it usually takes, as far as it is known. */
  tripUsualMs: number;
};

type Sum = { devices: number; jitterMs: number; lossRatio: number; usualMs: number };

const emptySum: Sum = { devices: 0, jitterMs: 0, lossRatio: 0, usualMs: 0 };

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
      lossRatio: near.lossRatio / devices + (firstOf(leg2, keys) ?? 0),
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
    const jitterMs = disturbedByMs(device);
    const lossRatio = Math.max(
      excessLoss(device.tunnelLoss),
      excessLoss(device.underlayLoss),
      excessLoss(device.gatewayLoss),
    );
    if (jitterMs === 0 && lossRatio === 0) continue;
    const usualMs = device.tunnel?.normalMs ?? 0;
    for (const application of device.applications) {
      for (const key of placeKeys(placeOf(application))) {
        const sum = sums.get(key) ?? { ...emptySum };
        sum.devices += 1;
        sum.jitterMs += jitterMs;
        sum.lossRatio += lossRatio;
        sum.usualMs += usualMs;
        sums.set(key, sum);
      }
    }
  }
  return sums;
};

/** Of a cell with one device in two risen, the middle is somewhere between nothing and the rise. */
const middleRise = ({ devices, jitterMs }: Sum, all: number): number =>
  devices === 0 ? 0 : (jitterMs / devices) * Math.min(1, (2 * devices) / all);

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

/** The largest rise of what this device times on its way to the edge or straight, and its own lag. */
const disturbedByMs = (device: DeviceView): number => {
  const rises = [device.tunnel, device.underlay, device.gateway, device.runRoundTrip].map(riseMs);
  return Math.max(0, device.lagExtraMs, ...rises);
};

const riseMs = (delta: Delta | null): number =>
  delta?.ready === true && delta.fastMs > 2.5 * delta.scaleMs ? delta.fastMs : 0;
