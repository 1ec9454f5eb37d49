import type { Segment, Verdict } from '#contract/verdict.ts';

/** Faults that are set together, and what is to be found while they are. Data only. */
export type Scenario = {
  name: string;
  /** One sentence for people. */
  what: string;
  /** Names in the catalogue of faults; none: a healthy network. */
  faults: readonly string[];
  /** Longest time to look; a right verdict that stays ends it sooner. */
  observeSeconds?: number;
  /** The page-load probe is part of the plan while this scenario and its neighbours run. */
  pages?: boolean;
};

/** One device and one application: what a verdict is about. */
export type Pair = { device: string; application: string };

/** What a verdict about a pair must be. */
export type Expectation = Pair &
  (
    | {
        kind: 'blamed';
        /** Accepted; the first is the best answer. */
        segments: readonly Segment[];
        states: readonly ('slow' | 'failing')[];
        /** Nodes and links that count as having named what is wrong. */
        elements: readonly string[];
      }
    /** Neither slow nor failing may be said of it. */
    | { kind: 'innocent' }
    /** The device is offline, asleep or behind a portal: that is no fault of the application's. */
    | { kind: 'third-state' }
    /** The fault may touch it or not: whatever is said is not held against anyone. */
    | { kind: 'tolerated' }
  );

/** A verdict as it was seen, in seconds since the fault was set. */
export type Seen = { seconds: number; verdict: Verdict };

export const outcomes = [
  'right',
  'wrong segment',
  'wrong state',
  'missed',
  'inconclusive',
  'false alarm',
] as const;
/**
 * `wrong segment`, `wrong state` (slow for failing or the reverse), `missed` (ok, or no verdict since)
 * and `inconclusive` are about who suffers; `false alarm` about who does not.
 */
export type Outcome = (typeof outcomes)[number];

/** A verdict in a line. */
export type Said = { seconds: number } & Pick<Verdict, 'state' | 'segment' | 'addedMs'>;

export type PairOutcome = Pair & {
  expectation: Expectation;
  outcome: Outcome;
  /** The last verdict seen, for a false alarm the first that blamed; null: none since the fault. */
  verdict: Verdict | null;
  /** Seconds to the first right verdict of a sufferer; null: there was none. */
  secondsToRight: number | null;
  /** A sufferer's verdict names what is wrong, in the sentence or the evidence against it. */
  elementNamed: boolean | null;
  /** Everything that was said since the fault, in short, oldest first. */
  said: readonly Said[];
};

/** How much others kept the machine from the lab while a scenario ran. */
export type Contention = {
  /** Share of all CPUs' time that was busy. */
  busyRatio: number;
  /** Share of the time in which some task waited for a CPU (/proc/pressure/cpu); null: no such file. */
  waitingRatio: number | null;
};

export type ScenarioRow = {
  scenario: string;
  what: string;
  faults: readonly string[];
  outcome: Outcome;
  /** Of the sufferers, worst outcome first; then everyone else. */
  pairs: readonly PairOutcome[];
  /** Seconds from setting the fault to the first right verdict about any sufferer, and about all. */
  secondsToFirst: number | null;
  secondsToAll: number | null;
  bystandersBlamed: readonly Pair[];
  contention: Contention;
  overloaded: boolean;
  /** Of the verdicts with a ledger that were seen: those whose parts leave at most 5 % unexplained. */
  ledgers: { count: number; closedCount: number };
  /** Of a run before this one that was wrong while the machine was overloaded; else null. */
  firstOutcome: Outcome | null;
  startedAt: number;
  durationSeconds: number;
};
