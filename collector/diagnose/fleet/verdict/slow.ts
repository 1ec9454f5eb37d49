import type { CauseFamily, Segment } from '#contract/verdict.ts';
import { type Accepted, underTunnel } from '../accepted.ts';
import type { ApplicationView, Delta, DeviceView } from '../bin-view.ts';
import type { Part } from './part.ts';

/**
 * Five milliseconds on each of six round trips; below 7 % of what is usual nobody notices. To begin with
 * more is asked: estimates scatter, and what is barely noticed is not worth a first call.
 */
const impact = { floorMs: 30, share: 0.07 } as const;
export const firstImpact = { floorMs: 40, share: 0.1 } as const;
/** More is asked of a total by itself: 3 % of all requests take two to four times as long. */
const ownTotal = { bins: 3, floorMs: 60, share: 0.2, scales: 2.5 } as const;
/** Bursts differ from bin to bin: three in a row below this share of their mean are 2 in 100. */
const contradictedShare = 0.3;

/** What the application normally takes; 0 where nothing is known yet. */
export const normalMs = (app: ApplicationView): number =>
  (app.total ?? app.pageTotal)?.normalMs ?? 0;

/** From this much on, what is added counts as slow: less where its cause has been told already. */
export const slowFromMs = (app: ApplicationView, isTold: boolean): number => {
  const { floorMs, share } = isTold ? impact : firstImpact;
  return Math.max(floorMs, share * normalMs(app));
};

/** Slow by its own total for three bins in a row, whatever the reason. */
export const isOwnSlow = (app: ApplicationView): boolean => {
  const { recentTotals } = app;
  if (!isAllAbove(recentTotals, ownTotal.floorMs)) return false;
  const { total } = app;
  if (total === null || !total.ready) return false;
  const limitMs = Math.max(
    ownTotal.floorMs,
    ownTotal.share * total.normalMs,
    ownTotal.scales * total.scaleMs,
  );
  return isAllAbove(recentTotals, limitMs);
};

const isAllAbove = (recentTotals: ApplicationView['recentTotals'], limitMs: number): boolean => {
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
 * wait 10 % are below a tenth of their mean, of several on a way 2 % below a fifth. Of five round trips
 * the middle one is below a seventh of its mean once in 50.
 */
const ownShare = { way: 0.2, service: 0.1, page: 0.15, roundTrip: 0.15 } as const;
const denial = { floorMs: 40, scales: 2 } as const;
const roundTrip = { floorMs: 8, scales: 3, samples: 5 } as const;
/** Met once in a request, so that one lucky draw says little. */
const metOnce: ReadonlySet<Segment> = new Set(['dns', 'tls', 'server', 'transfer', 'in-edge']);

/**
 * What the device itself measured from end to end says that a cause does not reach the pair: it takes
 * another way, meets another front end, loads the page from its cache, or it is over.
 */
export const isDenied = (
  device: DeviceView,
  app: ApplicationView,
  cause: Accepted,
  ms: number,
): boolean => {
  if (cause.kind === 'loss') return isUnharmed(app, cause);
  if (cause.kind !== 'delay' || cause.observerCount < 2) return false;
  if (notInTotal.has(cause.family)) {
    const own = cause.family === 'page' ? app.render : app.pageTotal;
    return isBelow(own, ownShare.page * ms, ms) && formerOf(own) < ownShare.page * ms;
  }
  // Through a hole for large packets all small ones pass: round trips do not deny it.
  const isOnWay = cause.family !== 'mtu' && underTunnel.has(cause.segment);
  if (app.via === 'tunnel' && isOnWay && isOutside(device, cause)) return true;
  if (app.okCount === 0) return false;
  const share = metOnce.has(cause.segment) ? ownShare.service : ownShare.way;
  if (!metOnce.has(cause.segment) && isBelowTwice(app.total, share * ms, ms)) return true;
  return !wasSlow(app, share * ms) && isBelow(app.total, share * ms, ms);
};

/** Of the load before, where there was one: a burst may spare one load of two. */
const formerOf = (own: Delta | null): number => (own === null ? 0 : 2 * own.meanMs - own.fastMs);

/** A burst that leaves one request out of two alone is there all the same; of more it is not. */
const wasSlow = (
  { total, recentTotals: [, formerMs] }: ApplicationView,
  leastMs: number,
): boolean =>
  (total?.sampleCount ?? 0) < 3 &&
  formerMs !== null &&
  formerMs !== undefined &&
  formerMs >= leastMs;

const isBelow = (own: Delta | null, leastMs: number, claimedMs: number): boolean =>
  own?.ready === true &&
  claimedMs > Math.max(denial.floorMs, denial.scales * own.scaleMs) &&
  own.fastMs < leastMs;

/** The mean of two bins in a row is surer than one. */
const isBelowTwice = (own: Delta | null, leastMs: number, claimedMs: number): boolean =>
  own?.ready === true &&
  own.persistentMs !== null &&
  claimedMs > Math.max(denial.floorMs, denial.scales * own.meanScaleMs) &&
  own.meanMs < leastMs;

/** By the tunnel's own round trips over the same way. */
const isOutside = ({ tunnel }: DeviceView, { addedMs }: Accepted): boolean =>
  tunnel?.ready === true &&
  tunnel.sampleCount >= roundTrip.samples &&
  addedMs > Math.max(roundTrip.floorMs, roundTrip.scales * tunnel.scaleMs) &&
  tunnel.fastMs < ownShare.roundTrip * addedMs;

/** A lost packet holds a request up by a quarter of a second at the least (RFC 6298, Linux 200 ms). */
const leastWaitMs = 120;
/** So improbable that as many requests got through unharmed that packets of another kind are lost. */
const mostLuck = 0.03;

/** Requests of three bins in a row lost nothing, though they are many for such a loss. */
const isUnharmed = (app: ApplicationView, { lossRatio, segment }: Accepted): boolean => {
  const { leg1, leg2, direct } = app.roundTrips;
  const trips = app.via === 'direct' ? direct : segment === 'edge-origin' ? leg2 : leg1;
  const totals = app.recentTotals.slice(0, ownTotal.bins);
  const isCalm = totals.every((ms) => ms !== null && ms < leastWaitMs);
  if (app.total?.ready !== true || totals.length < ownTotal.bins || !isCalm) return false;
  return (1 - Math.min(1, lossRatio ?? 0)) ** (trips * totals.length) < mostLuck;
};

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
