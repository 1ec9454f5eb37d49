import { type LostReason, lostReasons } from '#contract/telemetry.ts';

/** What became of the planned runs of one probe, or of several together. */
export type Balance = {
  /** Runs that came to an end, as the device tells. */
  plannedCount: number;
  /** Results of them in the store. */
  storedCount: number;
  /** Those that gave no result, by reason. */
  lost: Record<LostReason, number>;
  /** Begun when the account was made: their results may be stored before the next account. */
  underwayCount: number;
  /** Planned − stored − lost. Below zero: more is stored than was planned. */
  unexplainedCount: number;
};

export const balanceOf = (counts: Omit<Balance, 'unexplainedCount'>): Balance => {
  const { plannedCount, storedCount, lost, underwayCount } = counts;
  const difference = plannedCount - storedCount - sumOf(lost);
  // What is stored of those under way is ahead of the account.
  const unexplainedCount =
    difference < 0 ? Math.min(0, difference + underwayCount) || 0 : difference;
  return { ...counts, unexplainedCount };
};

export const sumOf = (lost: Record<LostReason, number>): number =>
  lostReasons.reduce((sum, reason) => sum + lost[reason], 0);

/** By reason, nought where there are none. */
export const lostOf = (...parts: Partial<Record<LostReason, number>>[]) =>
  Object.fromEntries(
    lostReasons.map((reason) => [
      reason,
      parts.reduce((sum, part) => sum + (part[reason] ?? 0), 0),
    ]),
  ) as Record<LostReason, number>;

/** Probes that come out too high do not hide those that come out too low: see each for itself. */
export const togetherOf = (balances: readonly Balance[]): Balance => {
  const sum = (pick: (one: Balance) => number) =>
    balances.reduce((total, one) => total + pick(one), 0);
  return {
    plannedCount: sum((one) => one.plannedCount),
    storedCount: sum((one) => one.storedCount),
    lost: lostOf(...balances.map(({ lost }) => lost)),
    underwayCount: sum((one) => one.underwayCount),
    unexplainedCount: sum((one) => one.unexplainedCount),
  };
};
