import type { InferOptions } from '../accepted.ts';
import type { Selected } from '../map/candidate.ts';
import { createDelayModel, type DelayModel, type Observation } from '../map/delay-model.ts';
import { selectCauses } from '../map/greedy.ts';
import type { Gathered } from './gather.ts';
import type { Group } from './group.ts';
import { meanOf } from './magnitude.ts';
import type { Slot } from './slots.ts';
import { delayKey, type NetworkCandidate, onwardSuffix, toCandidates } from './to-candidates.ts';

/** Milliseconds; shared ones more, since a shared normal's bias is not averaged out. */
const least = { persistentMs: 4, sharedMs: 5, fastMs: 8 };
const sharedFrom = 3;
/** One bin of many independent devices stands in for two bins of one, at this price. */
const fastNats = 5;
const fastFrom = { devices: 5, sites: 3, siteDevices: 3, onward: 2 };
/** Hops are medians of several samples and means of two bins: they show less of a cause's scatter. */
const hopSpreadShare = 0.75;
/** Both of two bins are off their normal. */
const shown = { ms: 4, scales: 2.5 };

/** `meanMs`: what it adds to a crossing in this bin. */
export type DelayCause = { group: Group; pass: 'fast' | 'persistent'; meanMs: number } & Omit<
  Selected<NetworkCandidate>,
  'candidate'
>;

/** Delays that stand for two bins, and then those of one bin that many see at once. */
export const solveDelay = (
  { slots }: Gathered,
  groups: readonly Group[],
  former: ReadonlySet<string>,
  options: InferOptions,
  lately: ReadonlySet<string>,
): DelayCause[] => {
  const persistent = indexed(slots, persistentOf);
  const minimum = (group: Group) =>
    group.ids.length > sharedFrom ? least.sharedMs : least.persistentMs;
  const first = solve(
    persistent,
    toCandidates(groups, persistent.at, former, { minimumOf: minimum }),
    options,
  );
  const found = first.selected.map((one) => causeOf(one, 'persistent'));
  if (!options.fastPass) return withMeans(found, slots);
  const fast = indexed(slots, fastOf, leftAfter(persistent, first.model));
  const elements = new Set(found.map(({ group }) => group.about.elementId));
  const others = groups.filter(({ about }) => !elements.has(about.elementId));
  // What one device alone sees for one bin is no cause yet, but explains better what only it sees.
  // What comes and goes has shown itself in two bins in a row already: it comes back in one.
  const comesBack = (group: Group): boolean =>
    lately.has(delayKey(group)) || lately.has(delayKey(group) + onwardSuffix);
  const candidates = toCandidates(others, fast.at, former, {
    minimumOf: () => least.fastMs,
    surchargeOf: (group) => (isMany(group) && !comesBack(group) ? fastNats : 0),
  });
  const second = solve(fast, candidates, options).selected.filter(
    ({ candidate: { group } }) => isMany(group) || comesBack(group),
  );
  return withMeans([...found, ...second.map((one) => causeOf(one, 'fast'))], slots);
};

const causeOf = (
  { candidate, ...selected }: Selected<NetworkCandidate>,
  pass: DelayCause['pass'],
): DelayCause => ({ ...selected, group: candidate.group, pass, meanMs: selected.magnitude });

/** Each cause's mean now, with all others taken off what its observers see. */
const withMeans = (causes: readonly DelayCause[], slots: readonly Slot[]): DelayCause[] => {
  const explained = new Map<number, number>();
  for (const { group, magnitude } of causes) {
    for (const slot of new Set(group.covers)) {
      explained.set(slot, (explained.get(slot) ?? 0) + magnitude);
    }
  }
  const explainedMs = (slot: number) => explained.get(slot) ?? 0;
  return causes.map((cause) => ({ ...cause, meanMs: meanOf(cause, slots, explainedMs) }));
};

type Indexed = { observations: Observation[]; at: Int32Array };
type Value = { residualMs: number; scaleMs: number };

/** Observations of those slots that have a value, and where each slot's is (−1: none). */
const indexed = (
  slots: readonly Slot[],
  read: (slot: Slot) => Value | null,
  explained: (slot: number) => { ms: number; variance: number } = () => ({ ms: 0, variance: 0 }),
): Indexed => {
  const observations: Observation[] = [];
  const at = new Int32Array(slots.length).fill(-1);
  for (const [number, slot] of slots.entries()) {
    const value = slot.delta?.ready ? read(slot) : null;
    if (value === null) continue;
    const { ms, variance } = explained(number);
    const { weight, contamination, reference, averaged } = slot.kind;
    at[number] = observations.length;
    observations.push({
      residualMs: value.residualMs - ms,
      scaleMs: Math.sqrt(value.scaleMs ** 2 + variance),
      weight,
      contamination,
      reference,
      spreadShare: averaged ? hopSpreadShare : 1,
    });
  }
  return { observations, at };
};

const persistentOf = ({ delta, kind }: Slot): Value | null => {
  if (delta === null) return null;
  const { meanMs, meanScaleMs, persistentMs, persistentScaleMs } = delta;
  if (kind.averaged) return { residualMs: meanMs, scaleMs: meanScaleMs };
  if (persistentMs === null) return null;
  // Where both bins show it, their mean says how much: the lesser of two bursts says too little.
  const both = persistentMs > Math.max(shown.ms, shown.scales * persistentScaleMs);
  return both
    ? { residualMs: meanMs, scaleMs: meanScaleMs }
    : { residualMs: persistentMs, scaleMs: persistentScaleMs };
};

const fastOf = ({ delta }: Slot): Value | null =>
  delta === null ? null : { residualMs: delta.fastMs, scaleMs: delta.scaleMs };

/** What the persistent pass took off each slot. */
const leftAfter =
  ({ observations, at }: Indexed, model: DelayModel) =>
  (slot: number) => {
    const index = at[slot] ?? -1;
    const before = observations[index];
    if (before === undefined) return { ms: 0, variance: 0 };
    return {
      ms: before.residualMs - (model.residualMs[index] as number),
      variance: Math.max(0, (model.variance[index] as number) - before.scaleMs ** 2),
    };
  };

const solve = (
  { observations }: Indexed,
  candidates: readonly NetworkCandidate[],
  { oneSidedHops }: InferOptions,
) => {
  const model = createDelayModel({ observations, oneSided: oneSidedHops });
  const observationCount = observations.length;
  return { model, selected: selectCauses({ model, candidates, observationCount }) };
};

const isMany = ({ ids, onwardCount, sites, about }: Group): boolean => {
  if (onwardCount >= fastFrom.onward) return true;
  const deviceCount = ids.length - onwardCount;
  if (about.scope === 'site') return deviceCount >= fastFrom.siteDevices;
  return deviceCount >= fastFrom.devices && sites.size >= fastFrom.sites;
};
