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
    sumMs += Math.max(0, device.lagExtraMs, wayOf(device, app)?.fastMs ?? 0);
    count += 1;
  }
  // Whoever is not hot has no rise.
  return sumMs / Math.max(1, count, devicesOf(view, appId));
};

const devicesOf = (view: BinView, appId: string): number =>
  view.cells
    .filter((cell) => cell.part === 'server' && cell.appId === appId)
    .reduce((sum, cell) => sum + cell.deviceCount, 0);

const farRise = (view: BinView, appId: string): number => {
  const rises = view.onward.flatMap(({ appId: id, connect }) =>
    id !== appId || connect === null || !connect.ready
      ? []
      : [connect.fastMs > 2.5 * connect.scaleMs ? connect.fastMs : 0],
  );
  return rises.reduce((sum, ms) => sum + ms, 0) / Math.max(1, rises.length);
};
