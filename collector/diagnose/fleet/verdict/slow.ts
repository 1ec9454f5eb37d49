import type { CauseFamily, Segment } from '#contract/verdict.ts';
import type { Accepted } from '../accepted.ts';
import type { ApplicationView, Delta } from '../bin-view.ts';
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

/**
 * What a run or load of one's own must show of a cause, lest it be charged: bursts differ, and of one
 * wait 10 % are below a tenth of their mean, of several on a way 2 % below a fifth.
 */
const ownShare = { way: 0.2, service: 0.1, page: 0.15 } as const;
const denial = { floorMs: 40, scales: 2 } as const;
/** Met once in a request, so that one lucky draw says little. */
const metOnce: ReadonlySet<Segment> = new Set(['dns', 'tls', 'server', 'transfer', 'in-edge']);

/**
 * The pair's own time says that a cause which others suffer from does not reach it: it takes another
 * way, meets another front end or loads the page from its cache.
 */
export const isDenied = (app: ApplicationView, cause: Accepted, ms: number): boolean => {
  if (cause.kind !== 'delay' || cause.observerCount < 2) return false;
  if (notInTotal.has(cause.family)) {
    return isBelow(cause.family === 'page' ? app.render : app.pageTotal, ownShare.page * ms, ms);
  }
  if (app.okCount === 0) return false;
  const share = metOnce.has(cause.segment) ? ownShare.service : ownShare.way;
  // A burst that leaves one request out of two alone is there all the same.
  const formerMs = app.recentTotals[1];
  if (formerMs !== null && formerMs !== undefined && formerMs >= share * ms) return false;
  return isBelow(app.total, share * ms, ms);
};

const isBelow = (own: Delta | null, leastMs: number, claimedMs: number): boolean =>
  own?.ready === true &&
  claimedMs > Math.max(denial.floorMs, denial.scales * own.scaleMs) &&
  own.fastMs < leastMs;

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
