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
export type HangingPair = Pair & { failureType: string };

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
      return [{ ...pair, failureType: application.failureType ?? '' }];
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

export const isHanging = ({ okCount, runCount, failureType }: ApplicationView): boolean =>
  runCount > 0 && okCount === 0 && failureType !== null && hangs.has(failureType);

const pairOf = (deviceIndex: number, application: ApplicationView): Pair => ({
  ...placeOf(application),
  deviceIndex,
  hangs: isHanging(application),
});
