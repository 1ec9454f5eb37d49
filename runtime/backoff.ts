/**
 * Exponential back-off with full jitter: attempt 1 waits up to `firstMs`, each next up to twice
 * as long, never above `capMs`. `random` gives 0..1.
 */
export const backoffMs = (
  attempt: number,
  options: { firstMs: number; capMs: number },
  random: () => number = Math.random,
): number => {
  const ceiling = Math.min(options.capMs, options.firstMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(ceiling / 2 + (random() * ceiling) / 2);
};

/** Waits, or returns early when the signal aborts. Resolves either way. */
export const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
