/** What became of what was sent; latencies in a histogram, so that an hour of them is a few kB. */
export const createTally = () => {
  const latencies = new Map<number, number>();
  const counts = {
    batches: 0,
    acknowledgedResults: 0,
    acknowledgedRecords: 0,
    refusedRecords: 0,
    unavailable: 0,
    otherAnswers: 0,
    brokenConnections: 0,
    bytes: 0,
    configs: 0,
    configsUnchanged: 0,
  };
  const percentile = (share: number): number | null => {
    const total = [...latencies.values()].reduce((sum, count) => sum + count, 0);
    let before = 0;
    for (const [bucket, count] of [...latencies].sort(([a], [b]) => a - b)) {
      before += count;
      if (before >= share * total) return Number((growth ** (bucket + 0.5)).toPrecision(3));
    }
    return null;
  };
  return {
    counts,
    took(ms: number): void {
      const bucket = Math.floor(Math.log(Math.max(0.1, ms)) / Math.log(growth));
      latencies.set(bucket, (latencies.get(bucket) ?? 0) + 1);
    },
    latencyMs: () => ({
      p50: percentile(0.5),
      p95: percentile(0.95),
      p99: percentile(0.99),
    }),
  };
};

export type Tally = ReturnType<typeof createTally>;

/** A bucket is a twentieth wide: so exact a percentile is. */
const growth = 1.05;
