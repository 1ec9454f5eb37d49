import type { Group } from './gather.ts';
import { isHot } from './own.ts';
import type { UnitSlots } from './slots.ts';
import type { Unit } from './unit.ts';

type Built = { unit: Unit; slots: UnitSlots };

/**
 * Where probes take another way than the tunnel (equal-cost paths), the tunnel may run through a hop
 * that only neighbours of the same network and edge see. A slow tunnel of such a device speaks for
 * these hops too.
 */
export const otherWays = (units: readonly Built[], groups: ReadonlyMap<string, Group>): void => {
  const elsewhere = units.filter(({ unit }) => unit.device?.sameFlow === false);
  const slow = elsewhere.filter(({ unit }) => isHot(unit.device?.tunnel ?? null));
  if (slow.length === 0) return;
  const seen = nodesSeen(units);
  for (const { unit, slots } of slow) {
    const own = new Set(leg1Keys(unit));
    for (const node of seen.get(neighbourhood(unit)) ?? []) {
      const group = own.has(node) ? undefined : groups.get(`in:${node}`);
      group?.members.push(...slots.tunnel);
      group?.covers.push(...slots.tunnel);
    }
  }
};

const neighbourhood = ({ device }: Unit): string =>
  `${device?.asn ?? ''}/${device?.region ?? ''}/${device?.edgeId ?? ''}`;

const leg1Keys = (unit: Unit): string[] =>
  unit.paths.flatMap((path) => (path.leg === 'leg1' ? path.nodes.map(({ key }) => key) : []));

const nodesSeen = (units: readonly Built[]): Map<string, Set<string>> => {
  const seen = new Map<string, Set<string>>();
  for (const { unit } of units) {
    if (unit.device === null) continue;
    const key = neighbourhood(unit);
    const nodes = seen.get(key) ?? new Set();
    for (const node of leg1Keys(unit)) nodes.add(node);
    seen.set(key, nodes);
  }
  return seen;
};
