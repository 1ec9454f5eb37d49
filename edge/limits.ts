/** Per device: new flows a second (token bucket) and flows at once. */
export const deviceLimits = { flowsPerSecond: 100, burst: 500, concurrent: 1_024 } as const;

type Bucket = { tokens: number; filledAtMs: number; open: number };

/** Keeps one device from taking the edge for itself; over the limit is a 429, never a lost session. */
export const createLimits = (options: { monotonicMs: () => number }) => {
  const buckets = new Map<string, Bucket>();

  const fill = (bucket: Bucket): void => {
    const nowMs = options.monotonicMs();
    const earned = ((nowMs - bucket.filledAtMs) / 1_000) * deviceLimits.flowsPerSecond;
    bucket.tokens = Math.min(deviceLimits.burst, bucket.tokens + earned);
    bucket.filledAtMs = nowMs;
  };
  const bucketOf = (deviceId: string): Bucket => {
    const known = buckets.get(deviceId);
    if (known) return known;
    const made = { tokens: deviceLimits.burst, filledAtMs: options.monotonicMs(), open: 0 };
    buckets.set(deviceId, made);
    return made;
  };

  return {
    /** Null when the flow may be opened (then `release` it once), else what is exhausted. */
    take(deviceId: string): 'flows a second' | 'flows at once' | null {
      const bucket = bucketOf(deviceId);
      fill(bucket);
      if (bucket.open >= deviceLimits.concurrent) return 'flows at once';
      if (bucket.tokens < 1) return 'flows a second';
      bucket.tokens -= 1;
      bucket.open += 1;
      return null;
    },
    release(deviceId: string): void {
      const bucket = buckets.get(deviceId);
      if (bucket) bucket.open -= 1;
    },
    openCount(): number {
      let total = 0;
      for (const bucket of buckets.values()) total += bucket.open;
      return total;
    },
    /** Forgets devices that have nothing open and a full bucket. */
    prune(): void {
      for (const [deviceId, bucket] of buckets) {
        fill(bucket);
        if (bucket.open === 0 && bucket.tokens >= deviceLimits.burst) buckets.delete(deviceId);
      }
    },
  };
};

export type Limits = ReturnType<typeof createLimits>;
