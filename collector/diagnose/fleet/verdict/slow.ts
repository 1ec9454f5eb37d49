import type { CauseFamily } from '#contract/verdict.ts';
import type { Accepted } from '../accepted.ts';
import type { ApplicationView } from '../bin-view.ts';
import type { Part } from './part.ts';

/** Five milliseconds on each of six round trips; below 7 % of what is usual nobody notices. */
const impact = { floorMs: 30, share: 0.07 } as const;
/** More is asked of a total by itself: 3 % of all requests take two to four times as long. */
const ownTotal = { bins: 3, floorMs: 60, share: 0.2, scales: 2.5 } as const;
/** Bursts differ from bin to bin: three in a row below this share of their mean are 2 in 100. */
const contradictedShare = 0.3;

/** What the application normally takes; 0 where nothing is known yet. */
export const normalMs = (app: ApplicationView): number =>
  (app.total ?? app.pageTotal)?.normalMs ?? 0;

/** From this much on, what is added counts as slow. */
export const slowFromMs = (app: ApplicationView): number =>
  Math.max(impact.floorMs, impact.share * normalMs(app));

/** Slow by its own total for three bins in a row, whatever the reason. */
export const isOwnSlow = (app: ApplicationView): boolean => {
  const { total, recentTotals } = app;
  if (total === null || !total.ready) return false;
  const limitMs = Math.max(
    ownTotal.floorMs,
    ownTotal.share * total.normalMs,
    ownTotal.scales * total.scaleMs,
  );
  for (let at = 0; at < ownTotal.bins; at += 1) {
    const deltaMs = recentTotals[at];
    if (deltaMs === null || deltaMs === undefined || deltaMs <= limitMs) return false;
  }
  return true;
};

/** What the application took above normal in this bin; null: not measured, or nothing to compare. */
export const observedMs = (app: ApplicationView): number | null => {
  const delta = app.total ?? app.pageTotal;
  return delta === null || !delta.ready ? null : delta.fastMs;
};

/** What pages add lies beside the total of requests. */
const notInTotal: ReadonlySet<CauseFamily> = new Set(['page', 'third-party']);

/** A lost packet slows few requests, and those by much: the middle one shows nothing of it. */
export const showsInTotal = ({ kind, family }: Accepted): boolean =>
  kind === 'delay' && !notInTotal.has(family);

/** None of the last three totals shows a third of what the causes say: round trips are not as thought. */
export const isContradicted = (
  { total, recentTotals }: ApplicationView,
  parts: Part[],
): boolean => {
  if (total === null || !total.ready) return false;
  const expectedMs =
    contradictedShare *
    parts.reduce((sum, { blame, ms }) => sum + (showsInTotal(blame) ? ms : 0), 0);
  let sumMs = 0;
  for (let at = 0; at < ownTotal.bins; at += 1) {
    const deltaMs = recentTotals[at];
    if (deltaMs === null || deltaMs === undefined || deltaMs >= expectedMs) return false;
    sumMs += deltaMs;
  }
  return sumMs / ownTotal.bins + total.scaleMs / Math.sqrt(ownTotal.bins) < expectedMs;
};
