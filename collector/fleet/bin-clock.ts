/** Bins and when they are closed: some time after their end, so that what was measured in them is there. */
export type BinClock = {
  binMs: number;
  graceMs: number;
  binOf(timeMs: number): number;
  startOf(bin: number): number;
  endOf(bin: number): number;
  /** When a bin is closed, at the earliest. */
  closesAt(bin: number): number;
  /** The newest that may be closed at a time. */
  newestClosed(nowMs: number): number;
};

export type BinSettings = { binSeconds?: number; graceSeconds?: number };

export const defaultBinSeconds = 60;
/** A fifth of the bin: a minute of five, and never so little that a shipment under way is late. */
const graceRatio = 0.2;
const minGraceMs = 3_000;

export const createBinClock = ({ binSeconds = defaultBinSeconds, graceSeconds }: BinSettings) => {
  const binMs = binSeconds * 1_000;
  const graceMs =
    graceSeconds === undefined ? Math.max(minGraceMs, binMs * graceRatio) : graceSeconds * 1_000;
  const binOf = (timeMs: number): number => Math.floor(timeMs / binMs);
  return {
    binMs,
    graceMs,
    binOf,
    startOf: (bin) => bin * binMs,
    endOf: (bin) => (bin + 1) * binMs,
    closesAt: (bin) => (bin + 1) * binMs + graceMs,
    newestClosed: (nowMs) => binOf(nowMs - graceMs) - 1,
  } satisfies BinClock as BinClock;
};
