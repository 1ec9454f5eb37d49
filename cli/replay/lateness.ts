import { createStreamTime } from './stream-time.ts';

/** Records of one moment come from many clocks and spools: a bin stays open for a while after its end. */
export const graceOf = (binMs: number): number => Math.min(60_000, binMs / 5);

/** More than this share too late: the recording is not in the order of its time. */
export const mostLate = 0.1;

/** How much of a recording would come after its bin had ended, were it judged in this order. */
export const createLateness = (binMs: number) => {
  const time = createStreamTime();
  let closedMs = Number.NEGATIVE_INFINITY;
  let late = 0;
  let count = 0;
  return {
    look(source: string, timeMs: number): void {
      count += 1;
      if (timeMs < closedMs) late += 1;
      const untilMs = time.after(source, timeMs) - graceOf(binMs);
      closedMs = Math.max(closedMs, Math.floor(untilMs / binMs) * binMs);
    },
    isInOrder: (): boolean => late <= mostLate * count,
  };
};
