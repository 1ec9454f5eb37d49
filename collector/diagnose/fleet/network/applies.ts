import type { ApplicationView, LossCount } from '../bin-view.ts';
import type { Span } from './claim.ts';
import type { Group } from './group.ts';
import type { Ways } from './other-ways.ts';
import { ownOfPath } from './own.ts';
import type { Path, Unit } from './unit.ts';

/** One way that an application's transaction takes, who measures it, and how often it is crossed. */
export type Crossing = {
  unit: Unit;
  path: Path;
  span: Span;
  roundTrips: number;
  /** Only neighbours' probes take this way; whether the tunnel does, its own round trip must show. */
  elsewhere?: boolean;
  /** The run did not say which front end served it: its own total must show the cost. */
  unsure?: { totalMs: number };
};

/** Ways of one device's application that lie in a cause. */
export const crossingsOf = (
  { about }: Group,
  unit: Unit,
  application: ApplicationView,
  further: readonly Unit[],
  ways: Ways,
): Crossing[] => {
  const { leg1, leg2, direct } = application.roundTrips;
  const found: Crossing[] = [];
  const add = (owner: Unit, path: Path | undefined, roundTrips: number): void => {
    const span = path === undefined ? null : about.crosses(owner, path);
    if (path !== undefined && span !== null) found.push({ unit: owner, path, span, roundTrips });
  };
  const addElsewhere = (own: Path | undefined, roundTrips: number): void => {
    if (found.length > 0 || own === undefined || unit.device?.sameFlow !== false) return;
    const path = ways(unit, own).find((one) => about.crosses(unit, one) !== null);
    const span = path === undefined ? null : about.crosses(unit, path);
    if (path !== undefined && span !== null) {
      found.push({ unit, path, span, roundTrips, elsewhere: true });
    }
  };
  if (application.via === 'direct') {
    const path = unit.paths.find((one) => one.leg === 'direct' && one.appId === application.appId);
    add(unit, path, direct + (about.besides ?? 0));
    addElsewhere(path, direct);
    return found;
  }
  const near = unit.paths.find((one) => one.leg === 'leg1');
  add(unit, near, leg1);
  addElsewhere(near, leg1);
  const beyond = further.find((one) => one.paths.some((path) => about.crosses(one, path) !== null));
  if (beyond !== undefined) add(beyond, beyond.paths[0], leg2);
  const crossing = beyond === undefined ? undefined : found.at(-1);
  if (crossing !== undefined && application.frontEnd === null && further.length > 1) {
    crossing.unsure = { totalMs: application.total?.fastMs ?? 0 };
  }
  return found;
};

/** A unit that shows less than this share of a cause, and could show it, does not suffer from it. */
const shownShare = 0.3;
const shownScales = { cause: 3, own: 2 };
const unsureShare = 0.5;

/** Whether what this unit measures itself bears out a delay that others share. */
export const suffersDelay = (
  { unit, path, elsewhere, unsure, roundTrips }: Crossing,
  addedMs: number,
): boolean => {
  if (unsure !== undefined && unsure.totalMs < unsureShare * roundTrips * addedMs) return false;
  const own = ownOfPath(unit, path);
  if (own === null) return elsewhere !== true;
  const ownMs = Math.max(own.fastMs, own.meanMs);
  if (ownMs >= shownShare * addedMs) return true;
  if (elsewhere === true) return false;
  if (addedMs > shownScales.cause * own.scaleMs) return false;
  return unit.device?.sameFlow !== false || ownMs >= shownScales.own * own.scaleMs;
};

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
  const recentSent = own.recentSent ?? own.sent / 2;
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

const ownLoss = ({ device, onward }: Unit, path: Path): LossCount | null => {
  if (path.leg === 'onward') return onward?.loss ?? null;
  if (path.leg === 'direct') return path.trace?.loss ?? null;
  return device?.tunnelLoss ?? device?.underlayLoss ?? path.trace?.loss ?? null;
};
