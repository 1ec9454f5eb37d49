import type { CutShort } from './classify.ts';

/**
 * One signal for a run: the probe's own timeout and the caller's signal, with the word for which of
 * them ended it. The caller's signal may itself be a timer of the same length, so an end at or after
 * the deadline is a time-out whoever rang first.
 */
export const startDeadline = (outer: AbortSignal, timeoutMs: number) => {
  const startedMs = performance.now();
  const controller = new AbortController();
  let cutShort: CutShort | undefined;

  const end = () => {
    if (cutShort !== undefined) return;
    const late = performance.now() - startedMs >= timeoutMs - timerEarlinessMs;
    cutShort = late || isTimeout(outer) ? 'timed-out' : 'abandoned';
    controller.abort();
  };
  const timer = setTimeout(end, timeoutMs);
  outer.addEventListener('abort', end, { once: true });
  if (outer.aborted) end();

  return {
    signal: controller.signal,
    /** Undefined while the run may go on. */
    cutShort: (): CutShort | undefined => cutShort,
    stop(): void {
      clearTimeout(timer);
      outer.removeEventListener('abort', end);
    },
  };
};

export type Deadline = ReturnType<typeof startDeadline>;

/** Node rounds timers to whole milliseconds and may fire one early. */
const timerEarlinessMs = 2;

const isTimeout = (signal: AbortSignal): boolean =>
  signal.aborted && signal.reason instanceof Error && signal.reason.name === 'TimeoutError';
