import type { BinView } from '../bin-view.ts';

/** How much longer the application's own requests take: the middle over its devices, not below 0. */
export const documentRise = (view: BinView, appId: string): number => {
  const rises: number[] = [];
  for (const index of view.ailing) {
    for (const { appId: id, total } of view.device(index).applications) {
      if (id === appId && total?.ready && total.fastMs > 2 * total.scaleMs)
        rises.push(total.fastMs);
    }
  }
  // Whoever is not ailing has no rise.
  const deviceCount = Math.max(rises.length, devicesOf(view, appId));
  return [...rises].sort((a, b) => b - a)[deviceCount >> 1] ?? 0;
};

const devicesOf = (view: BinView, appId: string): number =>
  view.cells
    .filter((cell) => cell.part === 'server' && cell.appId === appId)
    .reduce((sum, cell) => sum + cell.deviceCount, 0);
