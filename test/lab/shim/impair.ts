import type { Impairment } from './control.ts';

/** What one queue remembers from packet to packet. */
export type Lane = { isInBurst: boolean; lastDueMs: number };

export const newLane = (): Lane => ({ isInBurst: false, lastDueMs: 0 });

/** An impairment as numbers that two threads can share: `writeImpairment` puts, `dueOf` reads them. */
export const impairmentLength = 7;

export const writeImpairment = (to: Float64Array, offset: number, given: Impairment): void => {
  // Without bursts a lane that is in one leaves it with the next packet.
  const burst = given.burst ?? { enterRatio: 0, leaveRatio: 1, lossRatio: 0 };
  to.set(
    [
      given.delayMs,
      given.jitterMs,
      given.lossRatio,
      given.reorderRatio,
      burst.enterRatio,
      burst.leaveRatio,
      burst.lossRatio,
    ],
    offset,
  );
};

export const lost = -1;

/** When a packet that came now may go; `lost` for never. `random` gives 0–1. */
export const dueOf = (
  from: Float64Array,
  offset: number,
  lane: Lane,
  nowMs: number,
  random: () => number,
): number => {
  if (isLost(from, offset, lane, random)) return lost;
  const reorderRatio = from[offset + 3] as number;
  if (reorderRatio > 0 && random() < reorderRatio) return nowMs;
  const jitterMs = from[offset + 1] as number;
  const extraMs = jitterMs > 0 ? -jitterMs * Math.log(1 - random()) : 0;
  // A link is a line: none goes before the one in front of it.
  lane.lastDueMs = Math.max(nowMs + (from[offset] as number) + extraMs, lane.lastDueMs);
  return lane.lastDueMs;
};

/** Independent loss, and Gilbert–Elliott: the state changes with each packet, then loss is by state. */
const isLost = (from: Float64Array, offset: number, lane: Lane, random: () => number): boolean => {
  const enterRatio = from[offset + 4] as number;
  if (lane.isInBurst) lane.isInBurst = random() >= (from[offset + 5] as number);
  else if (enterRatio > 0) lane.isInBurst = random() < enterRatio;
  if (lane.isInBurst && random() < (from[offset + 6] as number)) return true;
  const lossRatio = from[offset + 2] as number;
  return lossRatio > 0 && random() < lossRatio;
};
