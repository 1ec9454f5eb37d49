import { pathElementClaims } from '../causes/path-element.ts';
import type { Group } from './group.ts';
import { isHot, isLossHot } from './own.ts';
import type { UnitSlots } from './slots.ts';
import type { Path, Unit } from './unit.ts';

type Built = { unit: Unit; slots: UnitSlots };

/** Ways to the same end that other devices of one network and region take, each once. */
export type Ways = (unit: Unit, path: Path) => readonly Path[];

/** More ways than equal-cost routing has. */
const mostWays = 12;

/**
 * Where probes take another way than the tunnel (equal-cost paths), the tunnel may run where only
 * neighbours of the same network and edge see. A slow tunnel of such a device speaks for these hops
 * too. Gives the ways known.
 */
export const otherWays = (units: readonly Built[], groups: ReadonlyMap<string, Group>): Ways => {
  const known = waysOf(units);
  const ways: Ways = (unit, own) =>
    (known.get(neighbourhood(unit, own)) ?? []).filter(
      (path) => signatureOf(path) !== signatureOf(own),
    );
  for (const { unit, slots } of units) {
    if (unit.device === null || unit.device.sameFlow) continue;
    if (!isHot(unit.device.tunnel) && !isLossHot(unit.device.tunnelLoss)) continue;
    const own = unit.paths.find(({ leg }) => leg === 'leg1');
    if (own !== undefined) join(unit, slots, ways(unit, own), groups);
  }
  return ways;
};

const join = (
  unit: Unit,
  slots: UnitSlots,
  ways: readonly Path[],
  groups: ReadonlyMap<string, Group>,
): void => {
  const own = new Set(pathElementClaims(unit).map(({ key }) => key));
  const keys = new Set(pathElementClaims({ ...unit, paths: ways }).map(({ key }) => key));
  for (const key of keys) {
    const group = own.has(key) ? undefined : groups.get(key);
    if (group === undefined) continue;
    group.members.push(...slots.tunnel);
    if (group.covers !== group.members) group.covers.push(...slots.tunnel);
  }
};

const waysOf = (units: readonly Built[]): Map<string, Path[]> => {
  const known = new Map<string, Map<string, Path>>();
  for (const { unit } of units) {
    if (unit.device === null) continue;
    for (const path of unit.paths) {
      if (path.nodes.length < 2) continue;
      const place = neighbourhood(unit, path);
      const ways = known.get(place) ?? new Map<string, Path>();
      if (ways.size < mostWays && !ways.has(signatureOf(path))) ways.set(signatureOf(path), path);
      known.set(place, ways);
    }
  }
  return new Map([...known].map(([place, ways]) => [place, [...ways.values()]]));
};

const neighbourhood = ({ device }: Unit, { leg, appId }: Path): string =>
  `${device?.asn ?? ''}/${device?.region ?? ''}/${leg}/${appId ?? device?.edgeId ?? ''}`;

const signatureOf = (path: Path): string => path.nodes.map(({ key }) => key).join(' ');
