import type { BinState, Effect } from './bin-state.ts';
import type { WorldOptions } from './options.ts';
import type { Device } from './population.ts';
import { drawMs, lastHop, type Passage, type Travel } from './travel.ts';

/** One device in one bin: what every timing of it draws from. */
export type DeviceNow = {
  device: Device;
  passage: Passage;
  /** The way of this bin's traces and echoes; the tunnel's own unless ECMP parts them. */
  traced: Passage;
  tracedCore: number;
  lag: readonly Effect[];
  lan: readonly Effect[];
  tunnel: readonly Effect[];
  line: readonly Effect[];
  /** Mean of what a busy channel adds to every packet of this bin. */
  burstMs: number;
  lanPassRatio: number;
};

const none: readonly Effect[] = [];
const lanLossRatio = 0.0002;
const binsBetweenBursts = 200;

export const openDevice = (
  device: Device,
  state: BinState,
  travel: Travel,
  { noiseFactor }: WorldOptions,
): DeviceNow => {
  const { random } = travel;
  const lan = joined(state.at('wifi', device.index), state.at('gateway', device.site.index));
  const tracedCore = device.sameFlow ? device.leg.core : random.below(2);
  const bursts = device.wifi && random.chance(noiseFactor / binsBetweenBursts);
  return {
    device,
    passage: travel.firstLeg(device, device.leg),
    traced: travel.firstLeg(device, device.leg, tracedCore),
    tracedCore,
    lag: state.at('lag', device.index) ?? none,
    lan,
    tunnel: joined(state.at('tunnel', device.index), state.at('edge-tunnel', device.edge.id)),
    line: state.at('slow-line', device.index) ?? none,
    burstMs: bursts ? random.between(15, 50) : 0,
    lanPassRatio: lan.reduce((pass, { lossRatio }) => pass * (1 - lossRatio), 1 - lanLossRatio),
  };
};

const joined = (a: Effect[] | undefined, b: Effect[] | undefined): readonly Effect[] =>
  a === undefined ? (b ?? none) : b === undefined ? a : [...a, ...b];

export const sumOf = (effects: readonly Effect[] | undefined, travel: Travel): number => {
  let ms = 0;
  if (effects) for (const effect of effects) ms += drawMs(effect, travel.random);
  return ms;
};

/** How late the device's own timers are. */
export const lagMs = ({ device, lag }: DeviceNow, travel: Travel): number =>
  travel.random.exponential(device.lagMs) + sumOf(lag, travel);

/** To the gateway and back, without the device's lag. */
export const lanMs = (now: DeviceNow, travel: Travel): number => {
  const { random } = travel;
  const { device, burstMs } = now;
  let ms = 0.3 + random.exponential(device.lanMs);
  if (random.unit() < device.lanSpikeRatio) ms += random.pareto(15, 1.6, 300);
  if (burstMs > 0) ms += random.exponential(burstMs);
  return ms + sumOf(now.lan, travel);
};

/** To the end of a passage and back, outside the tunnel, without lag. */
export const straightMs = (now: DeviceNow, passage: Passage, travel: Travel): number =>
  lanMs(now, travel) + travel.roundTripMs(passage, lastHop(passage));

/** To the edge and back through the tunnel, without lag. */
export const tunnelMs = (now: DeviceNow, travel: Travel): number =>
  straightMs(now, now.passage, travel) + sumOf(now.tunnel, travel);

export const passRatioOf = (now: DeviceNow, passage: Passage, at = lastHop(passage)): number =>
  now.lanPassRatio * (passage.passRatio[at] as number);

/** An established flow's wait for a packet that does not come: 200 ms (Linux) and a round trip. */
export const establishedRtoMs = 250;
export const mostRetries = 6;

/** What retransmissions cost one round trip; the wait doubles (RFC 6298 section 5.5). */
export const retryMs = (passRatio: number, rtoMs: number, travel: Travel): number => {
  let ms = 0;
  for (let i = 0, wait = rtoMs; i < mostRetries; i++, wait *= 2) {
    if (travel.random.unit() < passRatio) return ms;
    ms += wait;
  }
  return ms;
};

/** The expectation of `retryMs`. */
export const expectedRetryMs = (lossRatio: number, rtoMs: number): number => {
  let ms = 0;
  for (let i = 1, wait = rtoMs; i <= mostRetries; i++, wait *= 2) ms += wait * lossRatio ** i;
  return ms;
};

/** Times are told to the microsecond. */
export const rounded = (ms: number): number => Math.round(ms * 1_000) / 1_000;

/** Sorts in place: of an even number the mean of both in the middle. */
export const medianOf = (values: number[]): number | null => {
  if (values.length === 0) return null;
  for (let i = 1; i < values.length; i++) {
    const value = values[i] as number;
    let j = i - 1;
    for (; j >= 0 && (values[j] as number) > value; j--) values[j + 1] = values[j] as number;
    values[j + 1] = value;
  }
  const middle = values.length >> 1;
  const high = values[middle] as number;
  return rounded(values.length % 2 === 1 ? high : (high + (values[middle - 1] as number)) / 2);
};
