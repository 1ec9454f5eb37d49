import type { RollupRows } from '../control/rollup-rows.ts';
import { binMs } from './tiers.ts';

/**
 * After a bin's end, for what is on its way: a page load takes a minute and is stored with its start.
 * Marks begin before the first roll-up, as collectors' clocks differ a little: by less than this.
 */
const markAfterMs = 120_000;
const clockMarginMs = 30_000;

/** The bin up to which (exclusive) all are over, and what was on its way has come. */
export const closedBin = (nowMs: number): number =>
  Math.floor((nowMs - markAfterMs - clockMarginMs) / binMs);

/** When the next one is. */
export const nextClosing = (nowMs: number): number =>
  (closedBin(nowMs) + 1) * binMs + markAfterMs + clockMarginMs;

/**
 * Ingest's part, after a batch is stored: marks the bins of its times that may be rolled up already.
 * One statement, and none where all came in time. What is older than raw data is kept changes nothing.
 */
export const createLateMarks =
  (rows: Pick<RollupRows, 'markStale'>, rawMs: number) =>
  async (times: readonly number[], storedAt: number): Promise<void> => {
    const before = Math.floor((storedAt - markAfterMs) / binMs);
    const oldest = oldestWhole(storedAt, rawMs);
    const late = new Set<number>();
    for (const timeMs of times) {
      const bin = Math.floor(timeMs / binMs);
      if (bin < before && bin >= oldest) late.add(bin);
    }
    if (late.size > 0) await rows.markStale([...late]);
  };

/**
 * The first bin whose raw data is all kept, and will be while it is read: made from a part of it, a
 * roll-up would be worse than the one before.
 */
export const oldestWhole = (nowMs: number, rawMs: number, rawFrom = 0): number =>
  Math.ceil(Math.max(nowMs - rawMs + binMs, rawFrom) / binMs);
