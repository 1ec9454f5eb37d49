import type { ApplicationView, BinView, Delta, DeviceView } from '../bin-view.ts';

/**
 * How much longer one round trip to the application takes, on both legs or straight: the mean over its
 * devices and over the edges it is reached from, as the middle of pages moves with fewer than half.
 */
export const wayRise = (view: BinView, appId: string): number =>
  nearRise(view, appId, (device, { via, directConnect }) =>
    via === 'direct' ? directConnect : nearWay(device),
  ) + farRise(view, appId);

/** Likewise of what all hosts of a page have in common: as far as the edge, or the gateway. */
export const sharedWayRise = (view: BinView, appId: string): number =>
  nearRise(view, appId, nearWay);

const nearWay = ({ tunnel, gateway }: DeviceView): Delta | null => tunnel ?? gateway;

const nearRise = (
  view: BinView,
  appId: string,
  wayOf: (device: DeviceView, app: ApplicationView) => Delta | null,
): number => {
  let sumMs = 0;
  let count = 0;
  for (const index of view.hot) {
    const device = view.device(index);
    const app = device.applications.find((each) => each.appId === appId);
    if (app === undefined) continue;
    const way = wayOf(device, app);
    sumMs += Math.max(0, stepsPerTrip * device.lagExtraMs, way === null ? 0 : ofTwoBins(way));
    count += 1;
  }
  // Whoever is not hot has no rise.
  return sumMs / Math.max(1, count, devicesOf(view, appId));
};

/** Painting is many short tasks: late timers slow it by more steps than it has round trips. */
const stepsPerTrip = 2.5;

/** A load lasts and is held: it may be of the bin before. */
const ofTwoBins = ({ fastMs, meanMs }: Delta): number => Math.max(fastMs, 2 * meanMs - fastMs);

/** How much longer the answers of an application take to come over: the mean over where it is met. */
export const transferRise = ({ cells }: BinView, appId: string): number => {
  let sumMs = 0;
  let count = 0;
  for (const { part, appId: id, delta, deviceCount } of cells) {
    if (part !== 'transfer' || id !== appId || !delta.ready) continue;
    const riseMs = ofTwoBins(delta);
    sumMs += riseMs > 2.5 * delta.scaleMs ? deviceCount * riseMs : 0;
    count += deviceCount;
  }
  return sumMs / Math.max(1, count);
};

const devicesOf = (view: BinView, appId: string): number =>
  view.cells
    .filter((cell) => cell.part === 'server' && cell.appId === appId)
    .reduce((sum, cell) => sum + cell.deviceCount, 0);

const fewDevices = 6;

const farRise = (view: BinView, appId: string): number => {
  const rises = view.onward.flatMap(({ appId: id, connect }) =>
    id !== appId || connect === null || !connect.ready
      ? []
      : [ofTwoBins(connect) > 2.5 * connect.scaleMs ? ofTwoBins(connect) : 0],
  );
  // One device meets one of the edges and front ends: where few ask, the worst may be theirs.
  if (devicesOf(view, appId) < fewDevices) return Math.max(0, ...rises);
  return rises.reduce((sum, ms) => sum + ms, 0) / Math.max(1, rises.length);
};
