/** The last answers by key, the least used forgotten first, each for its time. */
export type DecisionCache<T> = {
  get(key: string): T | undefined;
  set(key: string, value: T, forMs: number): void;
  clear(): void;
};

export const createDecisionCache = <T>(maxCount: number, now: () => number): DecisionCache<T> => {
  // A Map keeps the order in which keys came: the first is the least used.
  const entries = new Map<string, { value: T; untilMs: number }>();
  return {
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      entries.delete(key);
      if (entry.untilMs <= now()) return undefined;
      entries.set(key, entry);
      return entry.value;
    },
    set(key, value, forMs) {
      entries.delete(key);
      entries.set(key, { value, untilMs: now() + forMs });
      for (const oldest of entries.keys()) {
        if (entries.size <= maxCount) break;
        entries.delete(oldest);
      }
    },
    clear: () => entries.clear(),
  };
};
