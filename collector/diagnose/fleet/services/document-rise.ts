import { median } from '../../statistics.ts';
import type { BinView } from '../bin-view.ts';

/** How much longer the application's own requests take: the middle over its devices, not below 0. */
export const documentRise = (view: BinView, appId: string): number => {
  const rises: number[] = [];
  for (const index of view.active) {
    for (const { appId: id, total } of view.device(index).applications) {
      if (id !== appId || total === null || !total.ready) continue;
      rises.push(total.fastMs > 2 * total.scaleMs ? total.fastMs : 0);
    }
  }
  return Math.max(0, median(rises) ?? 0);
};
