import type { BinView } from '../bin-view.ts';
import type { Claim } from './claim.ts';
import { claimsOf } from './claims-of.ts';
import type { Group } from './group.ts';
import { otherWays, type Ways } from './other-ways.ts';
import { isSuspect, mayBeSuspect } from './own.ts';
import { addSlots, type Slot, type UnitSlots } from './slots.ts';
import { deviceUnit, onwardUnit, type Unit } from './unit.ts';

export type Gathered = {
  slots: Slot[];
  units: readonly { unit: Unit; slots: UnitSlots }[];
  groups: Map<string, Group>;
  ways: Ways;
  /** The units that groups number. */
  source: Pick<Source, 'at' | 'isOnward'>;
};

/** Likelihood gains no more from further observers. */
const mostObservers = 400;
/** Of a smaller group all speak; of a larger one three healthy ones for each that is off its normal. */
const fewObservers = 60;
const healthyShare = 3;
/** Each unit is looked at three times. Of more units than these only suspects are kept in between, and so many. */
const mostKept = { units: 2_000, suspects: 20_000 } as const;

type Touched = {
  claim: Claim;
  ids: number[];
  sites: Set<string>;
  onwardCount: number;
};

/** A source of units by number: devices by their index, onward measurements after them. */
type Source = {
  count: number;
  at(number: number): Unit;
  isOnward(number: number): boolean;
  isSuspect(number: number): boolean;
};

/**
 * Only causes that touch something off its normal are built, but all who would see them take part: the
 * healthy ones clear what they cross. Of many, a sample by hash speaks; the counts stay exact.
 */
export const gather = (view: BinView): Gathered => {
  const source = sourceOf(view);
  const suspects = suspectsOf(source);
  const touched = touchedBy(source, suspects);
  if (touched.size === 0) {
    return { slots: [], units: [], groups: new Map(), ways: () => [], source };
  }
  countObservers(source, touched);
  const off = new Set(suspects);
  const speaking = new Map([...touched].map(([key, { ids }]) => [key, sample(ids, off)]));
  const included = new Set(suspects);
  for (const chosen of speaking.values()) for (const number of chosen) included.add(number);
  return build(source, [...included].sort(ascending), touched, speaking);
};

/** As `gather`, for one device or edge alone: nobody else is asked. */
export const gatherAlone = (view: BinView): Gathered[] => {
  const source = sourceOf(view);
  return suspectsOf(source).map((number) => {
    const alone: Source = {
      count: 1,
      at: () => source.at(number),
      isOnward: () => source.isOnward(number),
      isSuspect: () => true,
    };
    const touched = touchedBy(alone, [0]);
    countObservers(alone, touched);
    return build(alone, [0], touched, new Map([...touched.keys()].map((key) => [key, [0]])));
  });
};

const ascending = (a: number, b: number) => a - b;

const sourceOf = (view: BinView): Source => {
  const count = view.active.length + view.onward.length;
  const kept = new Map<number, Unit>();
  const read = (number: number): Unit => {
    const index = view.active[number];
    if (index !== undefined) return deviceUnit(view.device(index));
    return onwardUnit(view.onward[number - view.active.length] as BinView['onward'][number]);
  };
  const at = (number: number): Unit => {
    const unit = kept.get(number) ?? read(number);
    if (count <= mostKept.units) kept.set(number, unit);
    return unit;
  };
  const mayBe = (number: number): boolean => {
    const index = view.active[number];
    return index === undefined || mayBeSuspect(view.device(index));
  };
  const isOne = (number: number): boolean => {
    if (!mayBe(number)) return false;
    const unit = at(number);
    if (!isSuspect(unit)) return false;
    if (kept.size < mostKept.suspects) kept.set(number, unit);
    return true;
  };
  return {
    count,
    at,
    isOnward: (number) => number >= view.active.length,
    isSuspect: isOne,
  };
};

const suspectsOf = (source: Source): number[] => {
  const found: number[] = [];
  for (let number = 0; number < source.count; number += 1) {
    if (source.isSuspect(number)) found.push(number);
  }
  return found;
};

const touchedBy = (source: Source, suspects: readonly number[]): Map<string, Touched> => {
  const touched = new Map<string, Touched>();
  for (const number of suspects) {
    for (const claim of claimsOf(source.at(number))) {
      if (touched.has(claim.key)) continue;
      touched.set(claim.key, { claim, ids: [], sites: new Set(), onwardCount: 0 });
    }
  }
  return touched;
};

const countObservers = (source: Source, touched: ReadonlyMap<string, Touched>): void => {
  for (let number = 0; number < source.count; number += 1) {
    const unit = source.at(number);
    for (const { key } of claimsOf(unit)) {
      const one = touched.get(key);
      if (one === undefined || one.ids.at(-1) === number) continue;
      one.ids.push(number);
      one.sites.add(unit.site);
      if (unit.onward !== null) one.onwardCount += 1;
    }
  }
};

/**
 * Who speaks for a cause of many: up to 400, chosen by hash so that sites mix. Of the healthy so many
 * that they stay the majority where they are it; more would say the same again.
 */
const sample = (ids: readonly number[], suspects: ReadonlySet<number>): readonly number[] => {
  if (ids.length <= fewObservers) return ids;
  const byHash = (numbers: number[]) => numbers.sort((a, b) => hash(a) - hash(b) || a - b);
  const suspect = byHash(ids.filter((number) => suspects.has(number)));
  const healthy = byHash(ids.filter((number) => !suspects.has(number)));
  const kept = Math.max(fewObservers, healthyShare * suspect.length);
  const scale = Math.min(1, mostObservers / (suspect.length + Math.min(kept, healthy.length)));
  const some = (numbers: number[], most: number) =>
    numbers.slice(0, Math.max(1, Math.round(scale * most)));
  return [...some(suspect, suspect.length), ...some(healthy, kept)].sort(ascending);
};

/** Knuth's multiplicative hash of a number. */
const hash = (number: number): number => Math.imul(number + 1, 2_654_435_761) >>> 0;

const build = (
  source: Source,
  included: readonly number[],
  touched: ReadonlyMap<string, Touched>,
  speaking: ReadonlyMap<string, readonly number[]>,
): Gathered => {
  const slots: Slot[] = [];
  const groups = new Map<string, Group>();
  for (const [key, { claim, ids, sites, onwardCount }] of touched) {
    const group = { key, about: claim.about(), ids, sites, onwardCount };
    if (group.about.sharedOnly === true && ids.length < 2) continue;
    const members: number[] = [];
    const isSampled = (speaking.get(key)?.length ?? 0) < ids.length;
    groups.set(key, { ...group, members, covers: isSampled ? [] : members, nearest: [] });
  }
  const speakers = new Map(
    [...speaking].map(([key, numbers]) => [
      key,
      numbers.length < (touched.get(key)?.ids.length ?? 0) ? new Set(numbers) : null,
    ]),
  );
  const units = included.map((number) => {
    const unit = source.at(number);
    const own = addSlots(unit, slots);
    for (const claim of claimsOf(unit))
      join(groups, claim, own, speakers.get(claim.key)?.has(number) ?? true);
    return { unit, slots: own };
  });
  return { slots, units, groups, ways: otherWays(units, groups), source };
};

const join = (
  groups: ReadonlyMap<string, Group>,
  claim: Claim,
  own: UnitSlots,
  speaks: boolean,
): void => {
  const group = groups.get(claim.key);
  if (group === undefined) return;
  for (const slot of claim.mask(own)) {
    group.covers.push(slot);
    if (speaks && group.members !== group.covers) group.members.push(slot);
  }
  if (speaks) group.nearest.push(...(claim.nearest?.(own) ?? []));
};
