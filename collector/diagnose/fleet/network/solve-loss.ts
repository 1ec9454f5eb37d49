import type { LossCount } from '../bin-view.ts';
import type { Selected } from '../map/candidate.ts';
import { selectCauses } from '../map/greedy.ts';
import { createLossModel, type LossObservation } from '../map/loss-model.ts';
import type { Gathered } from './gather.ts';
import type { Group } from './group.ts';
import type { Slot } from './slots.ts';
import { lossKey, type NetworkCandidate, toCandidates } from './to-candidates.ts';

/** Less is not called a cause. */
const leastRatio = 0.01;
/** Never quite certain of a usual loss: a quantity that lost nothing yet may lose. */
const usualRatio = 0.002;
/** From fewer packets no ratio is told. */
const leastSent = 20;
/** Few recent packets are steadied by the window's ratio, as if of so many. */
const windowWeight = 20;
const mostRatio = 0.9;

/** `recentRatio`: what is lost now; over the whole window a young fault is diluted. */
export type LossCause = { group: Group; recentRatio: number } & Omit<
  Selected<NetworkCandidate>,
  'candidate'
>;

/** Loss over the same causes; a tunnel's own part loses nothing, it delays. */
export const solveLoss = (
  { slots }: Gathered,
  groups: readonly Group[],
  former: ReadonlySet<string>,
): LossCause[] => {
  const observations: LossObservation[] = [];
  const at = new Int32Array(slots.length).fill(-1);
  for (const [number, slot] of slots.entries()) {
    if (slot.loss === null || slot.loss.sent === 0) continue;
    at[number] = observations.length;
    observations.push(observationOf(slot, slot.loss));
  }
  const paths = groups.filter(
    ({ about, covers }) => !isTunnel(about.family) && recent(covers, slots),
  );
  const candidates = toCandidates(paths, at, former, () => leastRatio, 0, lossKey);
  const model = createLossModel(observations);
  const selected = selectCauses({ model, candidates, observationCount: observations.length });
  const explained = new Map<number, number>();
  for (const { candidate, magnitude } of selected) {
    for (const slot of new Set(candidate.group.covers)) {
      explained.set(slot, (explained.get(slot) ?? 0) + magnitude);
    }
  }
  return selected.map(({ candidate: { group }, ...rest }) => {
    const othersOf = (slot: number) => (explained.get(slot) ?? 0) - rest.magnitude;
    return {
      ...rest,
      group,
      recentRatio: recentRatioOf(group, slots, othersOf, rest.magnitude) ?? rest.magnitude,
    };
  });
};

const observationOf = ({ kind }: Slot, { sent, lost, normalRatio }: LossCount) => ({
  sentCount: sent,
  lostCount: Math.min(sent, lost),
  normalRatio: Math.min(0.9, normalRatio + usualRatio),
  weight: kind.lossWeight,
  sort: kind.name,
  reference: kind.lossReference,
});

const isTunnel = (family: string): boolean =>
  family === 'tunnel-client' || family === 'tunnel-cohort' || family === 'edge';

/** Lost lately beyond what is usual and what other causes lose; null: too little was sent lately. */
const recentRatioOf = (
  { members }: Group,
  slots: readonly Slot[],
  othersOf: (slot: number) => number,
  windowRatio: number,
): number | null => {
  let [excess, sent] = [0, 0];
  for (const member of new Set(members)) {
    const { loss, kind } = slots[member] ?? {};
    if (loss?.recentSent === undefined || kind?.lossReference !== true) continue;
    excess += loss.recentLost - loss.recentSent * (loss.normalRatio + othersOf(member));
    sent += loss.recentSent;
  }
  if (sent < leastSent) return null;
  const blended = (excess + windowWeight * windowRatio) / (sent + windowWeight);
  return excess <= 0 ? 0 : Math.min(mostRatio, blended);
};

/** Nothing lost lately: it is over, though the window still remembers. */
const recent = (covers: readonly number[], slots: readonly Slot[]): boolean =>
  covers.some((slot) => {
    const one = slots[slot];
    return one?.kind.lossReference === true && (one.loss?.recentLost ?? 0) > 0;
  });
