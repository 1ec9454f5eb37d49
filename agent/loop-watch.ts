/** How late this program came to run during a stretch of time. */
export type LoopDelay = { meanMs: number; longestMs: number };

const periodMs = 10;

type Watch = { sinceMs: number; sumMs: number; count: number; longestMs: number };

/**
 * How late timers fire while runs are under way: one timer for all of them, and none when there is
 * none. Node's own histogram has a timer for each, and misses a stall that the run's end came out of
 * before the timer did.
 */
export const createLoopWatch = () => {
  const watches = new Set<Watch>();
  let timer: NodeJS.Timeout | undefined;
  let lastMs = 0;

  const tick = () => {
    const nowMs = performance.now();
    for (const watch of watches) note(watch, nowMs);
    lastMs = nowMs;
  };

  /** A stall counts for a run only from the run's own start. */
  const note = (watch: Watch, nowMs: number) => {
    const delayMs = Math.max(0, nowMs - Math.max(lastMs, watch.sinceMs) - periodMs);
    watch.sumMs += delayMs;
    watch.count += 1;
    watch.longestMs = Math.max(watch.longestMs, delayMs);
  };

  return {
    begin(): { end(): LoopDelay } {
      const watch = { sinceMs: performance.now(), sumMs: 0, count: 0, longestMs: 0 };
      watches.add(watch);
      if (timer === undefined) {
        lastMs = watch.sinceMs;
        timer = setInterval(tick, periodMs);
        timer.unref();
      }
      return {
        end() {
          note(watch, performance.now());
          watches.delete(watch);
          if (watches.size === 0) {
            clearInterval(timer);
            timer = undefined;
          }
          return { meanMs: watch.sumMs / watch.count, longestMs: watch.longestMs };
        },
      };
    },
  };
};
