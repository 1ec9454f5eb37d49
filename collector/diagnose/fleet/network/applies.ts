import type { ApplicationView, Delta } from '../bin-view.ts';
import type { About, Span } from './claim.ts';
import { recentSentOf } from './current-loss.ts';
import type { Group } from './group.ts';
import type { Ways } from './other-ways.ts';
import { ownLoss, ownOfPath } from './own.ts';
import type { Path, Unit } from './unit.ts';

/** One way that an application's transaction takes, who measures it, and how often it is crossed. */
export type Crossing = {
  unit: Unit;
  path: Path;
  span: Span;
  roundTrips: number;
  /** Only neighbours' probes take this way; whether the tunnel does, its own round trip must show. */
  elsewhere?: boolean;
  /** Which front end served it, or which of equal ways it took, is not known: its total must show the cost. */
  unsure?: { totalMs: number };
};

/** Ways of one device's application that lie in a cause. Asked millions of times: no closures. */
export const crossingsOf = (
  { about }: Group,
  unit: Unit,
  application: ApplicationView,
  further: readonly Unit[],
  ways: Ways,
): Crossing[] =>
  application.via === 'direct'
    ? straightCrossings(about, unit, application, ways)
    : tunnelCrossings(about, unit, application, further, ways);

const straightCrossings = (
  about: About,
  unit: Unit,
  application: ApplicationView,
  ways: Ways,
): Crossing[] => {
  const path = unit.paths.find(({ leg, appId }) => leg === 'direct' && appId === application.appId);
  if (path === undefined) return [];
  const span = about.crosses(unit, path);
  if (span === null) return elsewhere(about, unit, path, application.roundTrips.direct, ways);
  const crossing = {
    unit,
    path,
    span,
    roundTrips: application.roundTrips.direct + (about.besides ?? 0),
  };
  // Probes that go elsewhere say nothing of the application's packets: without a handshake its total must.
  const isSeen = unit.device?.sameFlow !== false || application.directConnect?.ready === true;
  return [isSeen ? crossing : { ...crossing, unsure: { totalMs: application.total?.fastMs ?? 0 } }];
};

const tunnelCrossings = (
  about: About,
  unit: Unit,
  application: ApplicationView,
  further: readonly Unit[],
  ways: Ways,
): Crossing[] => {
  const found = nearCrossings(about, unit, application, ways);
  const beyond = further.find((one) => one.paths.some((path) => about.crosses(one, path) !== null));
  const path = beyond?.paths[0];
  const span = beyond === undefined || path === undefined ? null : about.crosses(beyond, path);
  if (beyond === undefined || path === undefined || span === null) return found;
  const crossing: Crossing = { unit: beyond, path, span, roundTrips: application.roundTrips.leg2 };
  if (application.frontEnd === null && further.length > 1) {
    crossing.unsure = { totalMs: application.total?.fastMs ?? 0 };
  }
  return [...found, crossing];
};

const nearCrossings = (
  about: About,
  unit: Unit,
  application: ApplicationView,
  ways: Ways,
): Crossing[] => {
  const path = unit.paths.find(({ leg }) => leg === 'leg1');
  if (path === undefined) return [];
  const span = about.crosses(unit, path);
  if (span !== null) return [{ unit, path, span, roundTrips: application.roundTrips.leg1 }];
  if (unit.device?.sameFlow !== false) return [];
  return elsewhere(about, unit, path, application.roundTrips.leg1, ways);
};

/** On a way that only neighbours' probes take. */
const elsewhere = (
  about: About,
  unit: Unit,
  own: Path,
  roundTrips: number,
  ways: Ways,
): Crossing[] => {
  if (unit.device?.sameFlow !== false) return [];
  const path = ways(unit, own).find((one) => about.crosses(unit, one) !== null);
  const span = path === undefined ? null : about.crosses(unit, path);
  if (path === undefined || span === null) return [];
  return [{ unit, path, span, roundTrips, elsewhere: true }];
};

/** A unit that shows less than this share of a cause, and could show it, does not suffer from it. */
const shownShare = 0.3;
const shownScales = { cause: 3, own: 2 };
const unsureShare = 0.5;
/** The median of so many exponential waits lies below a tenth of their mean once in a hundred. */
const manySamples = 5;
const leastShare = 0.1;

/** Whether what this unit measures itself bears out a delay that others share. */
export const suffersDelay = (
  { unit, path, elsewhere, unsure, roundTrips }: Crossing,
  addedMs: number,
  shownBy: About['shownBy'] = undefined,
): boolean => {
  if (unsure !== undefined && unsure.totalMs < unsureShare * roundTrips * addedMs) return false;
  const own = shownBy?.(unit) ?? ownOfPath(unit, path);
  if (own === null) return elsewhere !== true;
  // Of many samples the middle one shows a burst that lasts; the bin before may have been another way's.
  if (
    own.sampleCount >= manySamples &&
    own.fastMs < leastShare * addedMs &&
    isPlain(own, addedMs)
  ) {
    return false;
  }
  const ownMs = Math.max(own.fastMs, own.meanMs);
  if (ownMs >= shownShare * addedMs) return true;
  if (elsewhere === true) return false;
  if (isPlain(own, addedMs)) return false;
  return unit.device?.sameFlow !== false || ownMs >= shownScales.own * own.scaleMs;
};

/** Large enough to stand out from its noise. */
const isPlain = ({ scaleMs }: Delta, addedMs: number): boolean =>
  addedMs > shownScales.cause * scaleMs;

/** Losses that a unit must have expected before having none says anything. */
const expectedLosses = { plain: 4, otherFlow: 2, onward: 1.5 };
/** So many losses expected and none seen lately (once in 20 by chance): it is over for this unit. */
const mostSilence = 3;
/** None in the whole window where so many were due (once in five by chance): not shown to suffer yet. */
const unshownLosses = 1.5;

export const suffersLoss = (
  { unit, path, elsewhere, unsure }: Crossing,
  lossRatio: number,
): boolean => {
  const own = ownLoss(unit, path);
  if (own === null) return elsewhere !== true;
  if (unsure !== undefined && unsure.totalMs <= 0) return false;
  const recentSent = recentSentOf(own);
  if (own.recentLost === 0 && recentSent * lossRatio > mostSilence) return false;
  const isUnshown = own.lost <= own.sent * own.normalRatio;
  if (isUnshown && own.sent * lossRatio > unshownLosses) return false;
  const enough =
    path.leg === 'onward'
      ? expectedLosses.onward
      : unit.device?.sameFlow === false
        ? expectedLosses.otherFlow
        : expectedLosses.plain;
  const expected = recentSent * lossRatio;
  return expected <= enough || own.recentLost >= shownShare * expected;
};
