import type { LossCount } from '../bin-view.ts';
import type { Selected } from '../map/candidate.ts';
import { selectCauses } from '../map/greedy.ts';
import { createLossModel, type LossObservation } from '../map/loss-model.ts';
import { commonPenaltyNats } from './claim.ts';
import { currentLoss, nats } from './current-loss.ts';
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
/**
 * So much better, in nats, two shares explain two parts of a window that has changed: 1 in 20 by chance.
 * One link loses in bursts, which looks like a change sooner.
 */
const changedNats = { many: 2, one: 4 };
/** Few packets of one device are steadied by the whole window's ratio, as if of so many. */
const windowWeight = 20;
const mostRatio = 0.9;

/** `recentRatio`: what is lost now; over the whole window a young fault is diluted. */
export type LossCause = { group: Group; recentRatio: number } & Omit<
  Selected<NetworkCandidate>,
  'candidate'
>;

/** The tunnel's own flow is policed more seldom than a way loses. */
const tunnelAloneNats = 2;

/** Loss over the same causes; a tunnel's own only where the way outside of it loses nothing. */
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
    observations.push(observationOf(slot, currentLoss(slot.loss)));
  }
  const candidates = toCandidates(groups, at, former, {
    minimumOf: () => leastRatio,
    surchargeOf: ({ about }) => (isTunnel(about.family) ? surchargeOf(about.penaltyNats) : 0),
    keyOf: lossKey,
  });
  const model = createLossModel(observations);
  // What is over still explains what the window remembers of it, lest another cause be charged with that.
  const selected = selectCauses({ model, candidates, observationCount: observations.length });
  const explained = new Map<number, number>();
  for (const { candidate, magnitude } of selected) {
    for (const slot of new Set(candidate.group.covers)) {
      explained.set(slot, (explained.get(slot) ?? 0) + magnitude);
    }
  }
  const going = selected.filter(({ candidate }) => isRecent(candidate.group.covers, slots));
  return going.map(({ candidate: { group }, ...rest }) => {
    const othersOf = (slot: number) => (explained.get(slot) ?? 0) - rest.magnitude;
    return {
      ...rest,
      group,
      recentRatio: ratioNow(group, slots, othersOf, rest.magnitude) ?? rest.magnitude,
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

/** Signs that make a delay the tunnel’s own make no loss its own. */
const surchargeOf = (penaltyNats: number): number =>
  tunnelAloneNats + Math.max(0, commonPenaltyNats - penaltyNats);

const isTunnel = (family: string): boolean =>
  family === 'tunnel-client' || family === 'tunnel-cohort' || family === 'edge';

/**
 * What is lost now beyond what is usual and what other causes lose: over the longest part of the window
 * that is of one piece, since a young fault is diluted by what was before. Null: too little was sent.
 */
const ratioNow = (
  { members, ids }: Group,
  slots: readonly Slot[],
  othersOf: (slot: number) => number,
  windowRatio: number,
): number | null => {
  const [newest, recent, window] = [emptySum(), emptySum(), emptySum()];
  for (const member of new Set(members)) {
    const { loss, kind } = slots[member] ?? {};
    if (loss?.recentSent === undefined || kind?.lossReference !== true) continue;
    const usual = loss.normalRatio + othersOf(member);
    take(newest, loss.newestSent ?? 0, loss.newestLost ?? 0, usual);
    take(recent, loss.recentSent, loss.recentLost, usual);
    take(window, loss.sent, loss.lost, usual);
  }
  const mostNats = ids.length > 1 ? changedNats.many : changedNats.one;
  const whole = ofOnePiece([newest, recent, window], mostNats);
  if (whole === undefined) return null;
  if (whole.excess <= 0) return 0;
  const weight = ids.length > 1 ? 0 : windowWeight;
  return Math.min(mostRatio, (whole.excess + weight * windowRatio) / (whole.sent + weight));
};

type Sum = { sent: number; lost: number; excess: number };
const emptySum = (): Sum => ({ sent: 0, lost: 0, excess: 0 });

const take = (sum: Sum, sent: number, lost: number, usual: number): void => {
  sum.sent += sent;
  sum.lost += lost;
  sum.excess += lost - sent * usual;
};

/** Each holds the one before it; the largest that differs from those by no more than chance. */
const ofOnePiece = (sums: readonly Sum[], mostNats: number): Sum | undefined => {
  const [first, ...longer] = sums.filter(({ sent }) => sent >= leastSent);
  let whole = first;
  for (const sum of longer) {
    if (whole === undefined) break;
    const rest = { sent: sum.sent - whole.sent, lost: sum.lost - whole.lost };
    if (nats(whole, rest) > mostNats) break;
    whole = sum;
  }
  return whole;
};

/** Nothing lost lately: it is over, though the window still remembers. */
const isRecent = (covers: readonly number[], slots: readonly Slot[]): boolean =>
  covers.some((slot) => {
    const one = slots[slot];
    return one?.kind.lossReference === true && (one.loss?.recentLost ?? 0) > 0;
  });
