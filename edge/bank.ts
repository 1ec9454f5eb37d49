import type { DeviceLimits } from './device-limits.ts';

/** What is counted for each device. All but `open` is earned again with time. */
export type LimitKind = 'open' | 'flow' | 'name' | 'reset' | 'mistake' | 'byte' | 'login' | 'guess';

export type Amounts = Partial<Record<LimitKind, number>>;

/** Where the processes of one edge get what their devices may spend. */
export type Bank = {
  /** Of each kind what is asked for, or what there is. */
  grant(key: string, wanted: Amounts): Amounts | Promise<Amounts>;
  giveBack(key: string, openCount: number): void;
};

type Bucket = { tokens: number; filledAtMs: number };
type Account = { buckets: Map<LimitKind, Bucket>; open: Map<number, number> };

/** One book for an edge, whatever the number of its processes; each holds a part of it by its number. */
export const createBank = (parts: { limits: DeviceLimits; monotonicMs: () => number }) => {
  const rates = ratesOf(parts.limits);
  const accounts = new Map<string, Account>();

  const accountOf = (key: string): Account => {
    const known = accounts.get(key);
    if (known) return known;
    const made: Account = { buckets: new Map(), open: new Map() };
    accounts.set(key, made);
    return made;
  };
  const filled = (account: Account, kind: Exclude<LimitKind, 'open'>): Bucket => {
    const { perSecond, burst } = rates[kind];
    const nowMs = parts.monotonicMs();
    const known = account.buckets.get(kind);
    const bucket = known ?? { tokens: burst, filledAtMs: nowMs };
    if (!known) account.buckets.set(kind, bucket);
    const earned = ((nowMs - bucket.filledAtMs) / 1_000) * perSecond;
    bucket.tokens = Math.min(burst, bucket.tokens + earned);
    bucket.filledAtMs = nowMs;
    return bucket;
  };
  const grantOpen = (account: Account, holder: number, wanted: number): number => {
    const given = Math.max(0, Math.min(wanted, parts.limits.concurrentFlows - sum(account.open)));
    account.open.set(holder, (account.open.get(holder) ?? 0) + given);
    return given;
  };
  const grantOf = (account: Account, holder: number, kind: LimitKind, wanted: number): number => {
    if (kind === 'open') return grantOpen(account, holder, wanted);
    const bucket = filled(account, kind);
    const given = Math.max(0, Math.min(wanted, Math.floor(bucket.tokens)));
    bucket.tokens -= given;
    return given;
  };
  const takeBack = (account: Account, holder: number, count: number): void => {
    const left = (account.open.get(holder) ?? 0) - count;
    if (left > 0) account.open.set(holder, left);
    else account.open.delete(holder);
  };

  return {
    of: (holder: number): { grant(key: string, wanted: Amounts): Amounts } & Bank => ({
      grant(key, wanted) {
        const account = accountOf(key);
        const given: Amounts = {};
        for (const [kind, count] of Object.entries(wanted) as [LimitKind, number][]) {
          given[kind] = grantOf(account, holder, kind, count);
        }
        return given;
      },
      giveBack: (key, openCount) => takeBack(accountOf(key), holder, openCount),
    }),
    /** A process that is gone has nothing open any more. */
    forget(holder: number): void {
      for (const account of accounts.values()) account.open.delete(holder);
    },
    /** Drops the accounts that are as new. */
    prune(): void {
      for (const [key, account] of accounts) {
        const isFull = [...account.buckets.keys()].every(
          (kind) => kind === 'open' || filled(account, kind).tokens >= rates[kind].burst,
        );
        if (isFull && sum(account.open) === 0) accounts.delete(key);
      }
    },
  };
};

const ratesOf = (limits: DeviceLimits) => ({
  flow: { perSecond: limits.flowsPerSecond, burst: limits.flowBurst },
  name: { perSecond: limits.namesPerSecond, burst: limits.nameBurst },
  reset: { perSecond: limits.resetsPerSecond, burst: limits.resetBurst },
  mistake: { perSecond: limits.mistakesPerSecond, burst: limits.mistakeBurst },
  byte: { perSecond: limits.bytesPerSecond, burst: limits.bytesPerSecond },
  login: perMinute(limits.failedLoginsPerMinute),
  guess: perMinute(limits.failedLoginsPerMinute * guessersPerUser),
});

/** So many addresses can try at a user's password before nobody else can log in as that user. */
const guessersPerUser = 5;
const perMinute = (count: number) => ({ perSecond: count / 60, burst: count });

const sum = (counts: ReadonlyMap<number, number>): number => {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
};
