import type { Bench } from './bench.ts';
import { type DeviceNow, lagMs, sumOf, tunnelMs } from './device-now.ts';
import type { Way } from './network.ts';
import { lastHop } from './travel.ts';

/** One request to another party's host over a connection that is there: the slowest of them. */
export const drawPartyMs = (bench: Bench, now: DeviceNow, host: string): number => {
  const { travel, state } = bench;
  const theirs = travel.random.logNormal(45, 0.3) + sumOf(state.at('third-party', host), travel);
  return lagMs(now, travel) + tunnelMs(now, travel) + theirs;
};

/** One more file of the application's own. */
export const fetchMs = (bench: Bench, now: DeviceNow, onwardWay: Way): number => {
  const { travel } = bench;
  const onward = travel.onward(onwardWay);
  const trip = tunnelMs(now, travel) + travel.roundTripMs(onward, lastHop(onward));
  return lagMs(now, travel) + trip + travel.random.logNormal(15, 0.3);
};
