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
  minimumOf: (group: Group) => number,
  surchargeNats: number,
  keyOf: (group: Group) => string = delayKey,
): NetworkCandidate[] => {
  const made = groups.map((group): NetworkCandidate => {
    const key = keyOf(group);
    const stood = former.has(key) || former.has(key + onwardSuffix);
    const standing = stood ? standingShare : 1;
    return {
      key: group.key,
      group,
      elementId: group.about.elementId,
      members: observed(group.members, at),
      covers: observed(group.covers, at),
      penaltyNats: group.about.penaltyNats * standing + surchargeNats,
      minimum: minimumOf(group),
    };
  });
  return withoutTwins(made.filter(({ members }) => members.length > 0));
};

const observed = (slots: readonly number[], at: Int32Array): Int32Array => {
  const found = new Set<number>();
  for (const slot of slots) {
    const index = at[slot] ?? -1;
    if (index >= 0) found.add(index);
  }
  return Int32Array.from(found).sort();
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
