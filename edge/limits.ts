import { systemClock } from '#runtime/clock.ts';
import type { Amounts, Bank, LimitKind } from './bank.ts';

/** What is exhausted, in words for the client. */
const words = {
  open: 'flows at once',
  flow: 'flows a second',
  name: 'names a second',
  reset: 'flows broken off',
  mistake: 'wrong requests',
  byte: 'bytes a second',
  login: 'wrong passwords',
  guess: 'wrong passwords',
} as const satisfies Record<LimitKind, string>;
export type Exhausted = (typeof words)[LimitKind];

/** Slows a flow down to what its device may move. */
export type Pace = {
  /** False: stop reading, and go on when `whenFree` calls. */
  spend(bytes: number): boolean;
  whenFree(resume: () => void): void;
};

type Credit = Record<LimitKind, number> & {
  inUse: number;
  wasUsed: boolean;
  usedAtMs: number;
  waiting: (() => void)[];
  /** Questions that are under way. */
  asked: Map<string, Promise<Amounts>>;
};

const paceTickMs = 50;
/** A debt as old as this, and none was added since, would have been earned again. */
const forgetDebtMs = 300_000;
/** Few are to be had: a process takes none ahead of need. */
const forLogin: ReadonlySet<LimitKind> = new Set(['login', 'guess']);
const forFlow = ['open', 'flow', 'reset', 'mistake'] as const;

/**
 * Keeps one device from taking the edge for itself; over the limit is a 429, never a lost session.
 * What a device may spend comes from the bank in lots of `lot`, so that most flows ask nobody.
 */
export const createLimits = (parts: {
  bank: Bank;
  lot?: number;
  bytesPerSecond?: number;
  monotonicMs?: () => number;
}) => {
  const { bank, monotonicMs = systemClock.monotonicMs } = parts;
  const lot = parts.lot ?? 1;
  const byteLot = Math.max(1, Math.ceil(((parts.bytesPerSecond ?? 0) * paceTickMs) / 1_000));
  const credits = new Map<string, Credit>();

  const creditOf = (key: string): Credit => {
    const credit = credits.get(key) ?? noCredit();
    if (credits.get(key) !== credit) credits.set(key, credit);
    credit.wasUsed = true;
    return credit;
  };
  const lotOf = (kind: LimitKind) => (kind === 'byte' ? byteLot : forLogin.has(kind) ? 1 : lot);
  const missing = (credit: Credit, kinds: readonly LimitKind[]): LimitKind | undefined =>
    kinds.find((kind) => credit[kind] < 1);
  /** One question at a time for each device: many flows at once would ask for many lots. */
  const refill = (key: string, credit: Credit, kinds: readonly LimitKind[]): Promise<Amounts> => {
    const [first = ''] = kinds;
    const ask = async (): Promise<Amounts> => {
      const wanted: Amounts = {};
      for (const kind of kinds) {
        if (credit[kind] < 1) wanted[kind] = lotOf(kind) - credit[kind];
      }
      const granted = await bank.grant(key, wanted);
      for (const kind of kinds) credit[kind] += granted[kind] ?? 0;
      credit.asked.delete(first);
      return granted;
    };
    const asked = credit.asked.get(first) ?? ask();
    credit.asked.set(first, asked);
    return asked;
  };
  /** Takes one of each of `taken` when there is one of all `kinds`, or says what is missing. */
  const ensure = async (
    key: string,
    kinds: readonly LimitKind[],
    taken: readonly LimitKind[],
  ): Promise<LimitKind | undefined> => {
    const credit = creditOf(key);
    for (let lack = missing(credit, kinds); lack !== undefined; lack = missing(credit, kinds)) {
      const granted = await refill(key, credit, kinds);
      // A question under way may have been about other kinds only: then there is one more to ask.
      if (granted[lack] === 0 && credit[lack] < 1) return lack;
    }
    for (const kind of taken) credit[kind] -= 1;
    return undefined;
  };
  const note = (key: string, kind: LimitKind, count = 1): void => {
    creditOf(key)[kind] -= count;
  };
  const refillBytes = async (key: string, credit: Credit): Promise<void> => {
    const wanted = byteLot - credit.byte;
    try {
      const granted = wanted > 0 ? await bank.grant(key, { byte: wanted }) : {};
      // Read after the answer: bytes are spent while it is on its way.
      credit.byte += granted.byte ?? 0;
    } catch {
      // Who waits asks again below.
    }
    if (credit.byte > 0) for (const resume of credit.waiting.splice(0)) resume();
    else if (credit.waiting.length > 0) setTimeout(() => void refillBytes(key, credit), paceTickMs);
  };

  return {
    /** Null when the flow may be opened (then `release` it once), else what is exhausted. */
    async take(key: string): Promise<Exhausted | null> {
      const lack = await ensure(key, forFlow, ['open', 'flow']);
      if (lack !== undefined) return words[lack];
      creditOf(key).inUse += 1;
      return null;
    },
    release(key: string): void {
      const credit = creditOf(key);
      credit.inUse -= 1;
      credit.open += 1;
      const idle = credit.open - 2 * lot;
      if (idle <= 0) return;
      credit.open -= idle;
      bank.giveBack(key, idle);
    },
    /** One of a kind beside flows: what is exhausted, or null. */
    async spend(key: string, kind: 'name' | 'login' | 'guess'): Promise<Exhausted | null> {
      const lack = await ensure(key, [kind], [kind]);
      return lack === undefined ? null : words[lack];
    },
    /** Something happened that counts; the device's next flow may be refused for it. */
    note: (key: string, kind: 'reset' | 'mistake' | 'login' | 'guess', count = 1): void =>
      note(key, kind, count),
    /** Undefined: the device's flows go as fast as they can. */
    pace(key: string): Pace | undefined {
      if ((parts.bytesPerSecond ?? 0) === 0) return undefined;
      return {
        spend(bytes) {
          note(key, 'byte', bytes);
          return creditOf(key).byte > 0;
        },
        whenFree(resume) {
          const credit = creditOf(key);
          credit.waiting.push(resume);
          if (credit.waiting.length === 1) void refillBytes(key, credit);
        },
      };
    },
    openCount(): number {
      let total = 0;
      for (const { inUse } of credits.values()) total += inUse;
      return total;
    },
    /**
     * Gives back and forgets what was not used since the last time. A debt is kept for a while, but
     * holds back nothing that others can use.
     */
    prune(): void {
      const nowMs = monotonicMs();
      for (const [key, credit] of credits) {
        if (credit.wasUsed) credit.usedAtMs = nowMs;
        else if (isIdle(credit)) {
          if (credit.open > 0) bank.giveBack(key, credit.open);
          credit.open = Math.min(0, credit.open);
          if (!isDebtor(credit) || nowMs - credit.usedAtMs >= forgetDebtMs) credits.delete(key);
        }
        credit.wasUsed = false;
      }
    },
  };
};

const isIdle = ({ inUse, waiting, asked }: Credit): boolean =>
  inUse === 0 && waiting.length === 0 && asked.size === 0;

const isDebtor = (credit: Credit): boolean =>
  [...forFlow, 'byte' as const].some((kind) => credit[kind] < 0);

const noCredit = (): Credit => ({
  ...{ open: 0, flow: 0, name: 0, reset: 0, mistake: 0, byte: 0, login: 0, guess: 0 },
  ...{ inUse: 0, wasUsed: true, usedAtMs: 0, waiting: [], asked: new Map() },
});

export type Limits = ReturnType<typeof createLimits>;
