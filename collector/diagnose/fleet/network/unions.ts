import { aboutNetwork, aboutSomeInto } from '../causes/path-element.ts';
import { weightedMedian } from '../map/weighted-median.ts';
import type { ChainNode } from './chain.ts';
import type { Gathered } from './gather.ts';
import type { Group } from './group.ts';

/** Slow itself: by this much, or this many scales. */
const inflated = { ms: 5, scales: 3 };
const leastOfNetwork = 3;
/** Stretches of one network belong together when they are slow alike. */
const alikeFactor = 2;

/** `atHome`: it lies in the access network of those who see it. */
type Stretch = { from: string; node: ChainNode; shiftMs: number; group: Group; atHome: boolean };

/**
 * Unions of slow stretches: those into one hop, and those into one network that is not
 * their own access network (there, hops and regions stand for what is hidden). A common link that
 * no hop shows splits into such neighbours.
 */
export const unionsOf = (gathered: Gathered): Group[] => {
  const stretches = slowStretches(gathered);
  const unite = uniter(gathered);
  return [...intoOneHop(stretches, unite), ...intoOneNetwork(stretches, unite)];
};

const slowStretches = ({ units, slots, groups }: Gathered): Stretch[] => {
  const seen = new Map<
    string,
    { from: string; node: ChainNode; ms: number[]; scales: number[]; atHome: boolean }
  >();
  for (const { unit, slots: own } of units) {
    for (const path of unit.paths) {
      for (const [index, node] of path.nodes.entries()) {
        const key = keyOf(unit.site, path.nodes[index - 1] ?? null, node);
        if (!groups.has(key) || !Number.isFinite(node.ttl)) continue;
        const at = own.along.get(path)?.find(({ ttl }) => ttl === node.ttl);
        const delta = at === undefined ? null : (slots[at.slot]?.delta ?? null);
        if (delta === null) continue;
        const from = path.nodes[index - 1]?.key ?? '';
        const atHome = unit.device !== null && unit.device.asn === node.asn;
        const one = seen.get(key) ?? { from, node, ms: [], scales: [], atHome };
        one.ms.push(delta.meanMs);
        one.scales.push(delta.meanScaleMs);
        seen.set(key, one);
      }
    }
  }
  return [...seen].flatMap(([key, { from, node, ms, scales, atHome }]) => {
    const shiftMs = median(ms);
    const group = groups.get(key);
    const slow = shiftMs > Math.max(inflated.ms, inflated.scales * median(scales));
    return slow && group !== undefined ? [{ from, node, shiftMs, group, atHome }] : [];
  });
};

const keyOf = (site: string, before: ChainNode | null, node: ChainNode): string =>
  before === null ? `last-mile:${site}` : `pair:${before.key}>${node.key}`;

const median = (values: readonly number[]): number =>
  weightedMedian(
    values,
    values.map(() => 1),
  );

type Unite = (key: string, about: Group['about'], some: readonly Stretch[]) => Group;

const intoOneHop = (stretches: readonly Stretch[], unite: Unite): Group[] =>
  [...groupBy(stretches, ({ node }) => node.key)].flatMap(([key, some]) => {
    const first = some[0];
    if (first === undefined || some.length < 2) return [];
    const from = new Set(some.map((each) => each.from));
    return [unite(`some-into:${key}`, aboutSomeInto(first.node, from, some.length), some)];
  });

const intoOneNetwork = (stretches: readonly Stretch[], unite: Unite): Group[] => {
  const known = stretches.filter(({ node, atHome }) => node.asn !== null && !atHome);
  return [...groupBy(known, ({ node }) => String(node.asn))].flatMap(([asn, all]) => {
    const middle = median(all.map(({ shiftMs }) => shiftMs));
    const some = all.filter(
      ({ shiftMs }) => shiftMs < middle * alikeFactor && shiftMs > middle / alikeFactor,
    );
    if (some.length < leastOfNetwork) return [];
    const pairs = new Set(some.map(({ from, node }) => `${from}>${node.key}`));
    return [unite(`as:${asn}`, aboutNetwork(Number(asn), pairs, some.length), some)];
  });
};

/** A device that crosses several of the stretches is one device. */
const uniter =
  ({ source }: Gathered): Unite =>
  (key, about, some) => {
    const groups = some.map(({ group }) => group);
    const ids = unique(groups.flatMap((group) => group.ids)).sort((a, b) => a - b);
    return {
      key,
      about,
      ids,
      sites: new Set(groups.flatMap(({ sites }) => [...sites])),
      members: unique(groups.flatMap(({ members }) => members)),
      covers: unique(groups.flatMap(({ covers }) => covers)),
      nearest: [],
      onwardCount: ids.filter(source.isOnward).length,
    };
  };

const unique = (values: readonly number[]): number[] => [...new Set(values)];

const groupBy = <T>(values: readonly T[], key: (value: T) => string): Map<string, T[]> => {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const one = groups.get(key(value));
    if (one === undefined) groups.set(key(value), [value]);
    else one.push(value);
  }
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
};
