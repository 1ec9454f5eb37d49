import type { Candidate } from '../map/candidate.ts';
import type { Group } from './group.ts';

export type NetworkCandidate = Candidate & { group: Group };

/** A cause that stood in the bin before needs about half as much to stand now. */
const standingShare = 0.55;

/** Marks the half of a cause that lies between edges and applications. */
export const onwardSuffix = '/onward';

export const delayKey = (group: Group): string => `${group.key}/delay`;
export const lossKey = (group: Group): string => `${group.key}/loss`;

/** Groups as candidates over the slots that have an observation; the same twice stands once. */
export const toCandidates = (
  groups: readonly Group[],
  at: Int32Array,
  former: ReadonlySet<string>,
  {
    minimumOf,
    surchargeOf = () => 0,
    keyOf = delayKey,
  }: {
    minimumOf: (group: Group) => number;
    surchargeOf?: (group: Group) => number;
    keyOf?: (group: Group) => string;
  },
): NetworkCandidate[] => {
  const made = groups.map((group): NetworkCandidate => {
    const key = keyOf(group);
    const stood = former.has(key) || former.has(key + onwardSuffix);
    const standing = stood ? standingShare : 1;
    const members = observed(group.members, at);
    return {
      key: group.key,
      group,
      elementId: group.about.elementId,
      members,
      covers: group.covers === group.members ? members : observed(group.covers, at),
      nearest: observed(group.nearest, at),
      penaltyNats: group.about.penaltyNats * standing + surchargeOf(group),
      minimum: minimumOf(group),
    };
  });
  return withoutTwins(made.filter(({ members }) => members.length > 0));
};

/** Their observations, ascending and each once: slots mostly come so, and observations lie as slots do. */
const observed = (slots: readonly number[], at: Int32Array): Int32Array => {
  const found = new Int32Array(slots.length);
  let count = 0;
  let last = -1;
  let isAscending = true;
  for (const slot of slots) {
    const index = at[slot] ?? -1;
    if (index < 0 || index === last) continue;
    if (index < last) isAscending = false;
    last = index;
    found[count] = index;
    count += 1;
  }
  const some = found.slice(0, count);
  return isAscending ? some : Int32Array.from(new Set(some.sort()));
};

/** Stretches rank from 0, cohorts from 20, edges from 30: only one sort's twins stand for each other. */
const ranksOfOneSort = 10;

/** Of stretches that shift exactly the same the one of the lowest rank stands for all. */
const withoutTwins = (candidates: readonly NetworkCandidate[]): NetworkCandidate[] => {
  const best = new Map<string, NetworkCandidate>();
  const rivals: NetworkCandidate[] = [];
  for (const candidate of candidates) {
    const { rank } = candidate.group.about;
    if (rank === null) {
      rivals.push(candidate);
      continue;
    }
    const twins = `${Math.floor(rank / ranksOfOneSort)}:${candidate.members.join()}`;
    const standing = best.get(twins);
    if (standing === undefined || rank < (standing.group.about.rank ?? 0))
      best.set(twins, candidate);
  }
  return [...rivals, ...best.values()];
};
