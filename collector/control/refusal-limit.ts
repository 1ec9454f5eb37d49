/**
 * Slows down guessing: an address with too many refused attempts in a window is turned away until
 * the window ends. Only refusals count, so that an office of thousands behind one address enrols
 * undisturbed. Kept in memory: with N collectors a guesser has N times as many.
 */
export const createRefusalLimit = (options: {
  limit: number;
  windowMs: number;
  now: () => number;
}) => {
  const windows = new Map<string, { endsAt: number; count: number }>();

  const current = (address: string) => {
    const window = windows.get(address);
    if (window && window.endsAt > options.now()) return window;
    windows.delete(address);
    return undefined;
  };

  return {
    /** Seconds to wait; 0: go on. */
    waitSeconds(address: string): number {
      const window = current(address);
      if (!window || window.count < options.limit) return 0;
      return Math.ceil((window.endsAt - options.now()) / 1_000);
    },
    refused(address: string): void {
      const window = current(address) ?? { endsAt: options.now() + options.windowMs, count: 0 };
      window.count += 1;
      windows.set(address, window);
      if (windows.size > 10_000) forgetOldest(windows);
    },
  };
};

export type RefusalLimit = ReturnType<typeof createRefusalLimit>;

const forgetOldest = (windows: Map<string, unknown>): void => {
  for (const address of windows.keys()) {
    if (windows.size <= 9_000) return;
    windows.delete(address);
  }
};
