/** Per device. A gigabit of 1,200-byte packets is 100,000 a second. */
export const datagramLimit = { perSecond: 100_000, burst: 100_000 } as const;

type Bucket = { left: number; filledAtMs: number };

/** Keeps one device's packets from taking the edge; those over it are dropped, as a router would. */
export type DatagramLimit = {
  /** How many of so many may pass. */
  take(deviceId: string, count: number): number;
};

export const createDatagramLimit = (options: { monotonicMs: () => number }): DatagramLimit => {
  const buckets = new Map<string, Bucket>();
  return {
    take(deviceId, count) {
      const nowMs = options.monotonicMs();
      const known = buckets.get(deviceId);
      const bucket = known ?? { left: datagramLimit.burst, filledAtMs: nowMs };
      if (!known) {
        forgetFull(buckets, nowMs);
        buckets.set(deviceId, bucket);
      }
      bucket.left = leftOf(bucket, nowMs);
      bucket.filledAtMs = nowMs;
      const granted = Math.min(count, Math.floor(bucket.left));
      bucket.left -= granted;
      return granted;
    },
  };
};

const leftOf = ({ left, filledAtMs }: Bucket, nowMs: number): number =>
  Math.min(datagramLimit.burst, left + ((nowMs - filledAtMs) / 1_000) * datagramLimit.perSecond);

/** A full bucket says no more than none does. */
const forgetFull = (buckets: Map<string, Bucket>, nowMs: number): void => {
  for (const [deviceId, bucket] of buckets) {
    if (leftOf(bucket, nowMs) >= datagramLimit.burst) buckets.delete(deviceId);
  }
};
