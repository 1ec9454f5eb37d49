import type { ApplicationView, BinView } from '../bin-view.ts';
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
/** Views of devices are dear: shares are taken over so many of a large fleet. */
const devicesAsked = 3_000;

/** Pairs of which every run of the bin hung, and pairs by which to see what share that is. */
export const hangingPairs = (view: BinView): { hanging: HangingPair[]; tried: Pair[] } => {
  const hanging = view.ailing.flatMap((index) =>
    view.device(index).applications.flatMap((application): HangingPair[] => {
      const pair = pairOf(index, application);
      if (!pair.hangs) return [];
      const { failureType, directTrace } = application;
      const straightHole =
        directTrace?.mtuBlackHole === true ? { bytes: directTrace.mtuBytes } : null;
      return [{ ...pair, failureType: failureType ?? '', straightHole }];
    }),
  );
  return { hanging, tried: hanging.length === 0 ? [] : triedPairs(view) };
};

const triedPairs = (view: BinView): Pair[] => {
  const step = Math.max(1, Math.floor(view.active.length / devicesAsked));
  return view.active.filter((_, at) => at % step === 0).flatMap((index) => pairsOf(view, index));
};

export const pairsOf = (view: BinView, deviceIndex: number): Pair[] =>
  view
    .device(deviceIndex)
    .applications.filter(({ runCount }) => runCount > 0)
    .map((application) => pairOf(deviceIndex, application));

const pairOf = (deviceIndex: number, application: ApplicationView): Pair => {
  const { okCount, runCount, failureType } = application;
  return {
    ...placeOf(application),
    deviceIndex,
    hangs: runCount > 0 && okCount === 0 && failureType !== null && hangs.has(failureType),
  };
};
