import { type Static, Type } from '@sinclair/typebox';
import { closed } from '#contract/scalar.ts';
import type { Identity } from '../control/fleet.ts';
import { Problem } from '../http/problems.ts';

const Rate = Type.Object(
  {
    recordsPerSecond: Type.Number({ minimum: 0.01, maximum: 1e9 }),
    /** As they travel. */
    bytesPerSecond: Type.Number({ minimum: 1, maximum: 1e12 }),
  },
  closed,
);
type Rate = Static<typeof Rate>;

/** What one device, one edge, and all together may send to one collector, on average. */
export const IngestLimits = Type.Object({ device: Rate, edge: Rate, tenant: Rate }, closed);
export type IngestLimits = Static<typeof IngestLimits>;

/**
 * Far above any plan: 512 probes, the most there can be, each a minute and both ways, are 17 records a
 * second. An edge tells of each flow.
 */
export const ingestLimits: IngestLimits = {
  device: { recordsPerSecond: 200, bytesPerSecond: 200_000 },
  edge: { recordsPerSecond: 10_000, bytesPerSecond: 10_000_000 },
  tenant: { recordsPerSecond: 200_000, bytesPerSecond: 200_000_000 },
};

/** What was not sent is saved up this long: a spool that was offline comes at once. */
const savedSeconds = 100;
const sweepEveryMs = 60_000;

type Bucket = { records: number; bytes: number; atMs: number };

/**
 * Token buckets, one for each sender and one for all, in this collector alone. What a body costs is
 * known once it was read: so it is charged then, and who is in debt is sent away before the next one.
 */
export const createLimits = (parts: { limits: IngestLimits; now: () => number }) => {
  const { limits, now } = parts;
  const buckets = new Map<string, Bucket>();
  let sweptMs = now();

  const bucketOf = (name: string, rate: Rate): Bucket => {
    const at = now();
    const full = fullOf(rate, at);
    const known = buckets.get(name);
    if (known === undefined) return full;
    const seconds = Math.max(0, at - known.atMs) / 1_000;
    return {
      records: Math.min(full.records, known.records + seconds * rate.recordsPerSecond),
      bytes: Math.min(full.bytes, known.bytes + seconds * rate.bytesPerSecond),
      atMs: at,
    };
  };

  /** Seconds until a bucket is out of debt. */
  const debtSeconds = (name: string, rate: Rate): number => {
    const { records, bytes } = bucketOf(name, rate);
    return Math.max(-records / rate.recordsPerSecond, -bytes / rate.bytesPerSecond, 0);
  };

  /** Who has saved up all there is needs no bucket. */
  const sweep = () => {
    if (now() - sweptMs < sweepEveryMs) return;
    sweptMs = now();
    for (const [name, { atMs }] of buckets) {
      if (sweptMs - atMs > 2 * savedSeconds * 1_000) buckets.delete(name);
    }
  };

  return {
    /** Throws `sender-limited` for a sender, or all senders, in debt. */
    require({ role, id }: Identity): void {
      const own = debtSeconds(`${role} ${id}`, limits[role]);
      const all = debtSeconds('', limits.tenant);
      if (own === 0 && all === 0) return;
      const { recordsPerSecond, bytesPerSecond } = own > 0 ? limits[role] : limits.tenant;
      throw new Problem('sender-limited', {
        detail: `${own > 0 ? `one ${role}` : 'all together'} may send ${recordsPerSecond} records and ${bytesPerSecond} bytes a second`,
        retryAfterSeconds: Math.ceil(Math.max(own, all)),
      });
    },
    charge({ role, id }: Identity, cost: { records: number; bytes: number }): void {
      const charged = [
        [`${role} ${id}`, limits[role]],
        ['', limits.tenant],
      ] as const;
      for (const [name, rate] of charged) {
        const { records, bytes, atMs } = bucketOf(name, rate);
        buckets.set(name, {
          records: records - cost.records,
          bytes: bytes - cost.bytes,
          atMs,
        });
      }
      sweep();
    },
  };
};

const fullOf = (rate: Rate, atMs: number): Bucket => ({
  records: rate.recordsPerSecond * savedSeconds,
  bytes: rate.bytesPerSecond * savedSeconds,
  atMs,
});
