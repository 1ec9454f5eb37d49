import type { LossCount } from '../bin-view.ts';
import type { Gathered } from './gather.ts';
import type { Group } from './group.ts';
import { ownLoss, ownOfPath } from './own.ts';
import type { Path, Unit } from './unit.ts';

/** A unit that shows less than this share of a cause is clean. */
const shownShare = 0.3;
/** So many losses must be due before few say anything. */
const leastDue = 4;

/** What those who meet a cause measure end to end, on the way on which they meet it. */
export const createWitnesses = ({ source }: Gathered) => {
  const units = ({ ids }: Group): Unit[] => ids.map((number) => source.at(number));
  const cleanOf = (group: Group, isClean: (unit: Unit, paths: readonly Path[]) => boolean) =>
    units(group).filter((unit) => isClean(unit, met(group, unit))).length;
  return {
    measuringCount: (group: Group): number =>
      cleanOf(group, (unit, paths) => !Number.isNaN(shownMs(group, unit, paths))),
    cleanOfDelay: (group: Group, addedMs: number): number =>
      cleanOf(group, (unit, paths) => shownMs(group, unit, paths) < shownShare * addedMs),
    cleanOfLoss: (group: Group, lossRatio: number): number =>
      cleanOf(group, (unit, paths) => {
        const counts = paths.flatMap((path) => ownLoss(unit, path) ?? []);
        return counts.length > 0 && counts.every((loss) => isSpared(loss, lossRatio));
      }),
  };
};

const met = ({ about }: Group, unit: Unit): Path[] =>
  unit.paths.filter((path) => about.crosses(unit, path) !== null);

/** The tunnel's many samples before single handshakes; of several straight ways the slowest. */
const shownMs = ({ about }: Group, unit: Unit, paths: readonly Path[]): number => {
  const itself = about.shownBy?.(unit);
  if (itself?.ready) return itself.fastMs;
  const tunnel = paths.find(({ leg }) => leg === 'leg1');
  const own = tunnel === undefined ? null : ownOfPath(unit, tunnel);
  if (own !== null) return own.fastMs;
  const others = paths.flatMap((path) => ownOfPath(unit, path)?.fastMs ?? []);
  return others.length === 0 ? Number.NaN : Math.max(...others);
};

/** Many losses were due, and few beyond the usual were seen. */
const isSpared = ({ sent, lost, normalRatio }: LossCount, lossRatio: number): boolean =>
  sent * lossRatio >= leastDue && lost - sent * normalRatio < shownShare * sent * lossRatio;
