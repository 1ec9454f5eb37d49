import type { BinView } from '../bin-view.ts';
import { placeOf } from './place.ts';

/** A device and an application it tried in this bin. */
export type Pair = {
  deviceIndex: number;
  appId: string;
  /** Null: straight. */
  edgeId: string | null;
  frontEnd: string | null;
  hangs: boolean;
};
export type HangingPair = Pair & {
  deviceId: string;
  failureType: string;
  /** Its straight way was tested and swallows large packets. */
  straightHole: { bytes: number | null } | null;
};

/** What is connected and then waits for ever: failures after the handshake of TCP. */
const hangs: ReadonlySet<string> = new Set([
  'tls.timed_out',
  'http.timed_out',
  'browser.timed_out',
]);

/** Pairs of which every run of the bin hung; of the others only while there are any such. */
export const hangingPairs = (view: BinView): { hanging: HangingPair[]; tried: Pair[] } => {
  const hanging: HangingPair[] = [];
  const tried: Pair[] = [];
  for (const index of view.active) {
    const device = view.device(index);
    for (const application of device.applications) {
      const { failureType, okCount, runCount, directTrace } = application;
      if (runCount === 0) continue;
      const pair = {
        ...placeOf(application),
        deviceIndex: index,
        hangs: okCount === 0 && failureType !== null && hangs.has(failureType),
      };
      tried.push(pair);
      if (!pair.hangs) continue;
      hanging.push({
        ...pair,
        deviceId: device.deviceId,
        failureType: failureType ?? '',
        straightHole: directTrace?.mtuBlackHole === true ? { bytes: directTrace.mtuBytes } : null,
      });
    }
  }
  return { hanging, tried };
};
