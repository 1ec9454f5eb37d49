import { median } from '../../statistics.ts';
import type { BinView } from '../bin-view.ts';

/**
 * How much longer one round trip to the application takes, on both legs: the middle over its devices
 * and over the edges it is reached from.
 */
export const wayRise = (view: BinView, appId: string): number =>
  nearRise(view, appId) + farRise(view, appId);

const nearRise = (view: BinView, appId: string): number => {
  const rises: number[] = [];
  for (const index of view.hot) {
    const device = view.device(index);
    if (!device.applications.some((app) => app.appId === appId)) continue;
    rises.push(
      Math.max(0, device.lagExtraMs, device.tunnel?.fastMs ?? device.gateway?.fastMs ?? 0),
    );
  }
  // Whoever is not hot has no rise.
  const deviceCount = Math.max(rises.length, devicesOf(view, appId));
  return rises.sort((a, b) => b - a)[deviceCount >> 1] ?? 0;
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
  return Math.max(0, median(rises) ?? 0);
};
