import type { SharedIncident, Verdict } from '#contract/verdict.ts';
import { type Accepted, allOn, type InferOptions } from './accepted.ts';
import { type Closed, closeBin, learnBin, type Pending } from './close-bin.ts';
import { createState, type FleetState, type SavedState, saveState } from './fleet-state.ts';
import { takeIn } from './intake.ts';
import { learnLate } from './learn-late.ts';
import { inferNetwork } from './network/infer-network.ts';
import type { Facts, Reading } from './reading.ts';
import { inferServices } from './services/infer-services.ts';
import { pack, unpack } from './snapshot.ts';
import { createVerdicts } from './verdict/create-verdicts.ts';
import { viewOf } from './view.ts';

export type BinOutcome = {
  fromMs: number;
  toMs: number;
  /** One for each device and application that is slow or failing. */
  verdicts: Verdict[];
  /** Those that opened, go on or ended in this bin. */
  incidents: SharedIncident[];
  accepted: Accepted[];
};

export type EngineOptions = InferOptions & {
  /** Normal depends on the hour of day. */
  seasonal: boolean;
  /** A busy event loop's delay is taken off what the device timed. */
  lagControl: boolean;
};

/** Compares everyone with everyone, one bin of time after the other. No clock, no chance. */
export type Engine = {
  /** Of an open bin, or late: then it only makes what is normal better known. */
  observe(reading: Reading): void;
  /** Closes every bin that ended at or before this time. */
  advanceTo(timeMs: number): BinOutcome[];
  learn(facts: Facts): void;
  /** Given to `createEngine`, it goes on exactly as if nothing had been. */
  save(): Uint8Array;
};

/** So many bins without a reading are closed one by one, so that what goes on can end. */
const emptyBins = 12;

export const createEngine = (
  config: { binMs: number; facts: Facts; options?: Partial<EngineOptions> },
  saved?: Uint8Array,
): Engine => {
  const options = { ...allOn, seasonal: true, lagControl: true, ...config.options };
  const { binMs } = config;
  const before = saved && (unpack(saved) as (SavedState & { header: Header }) | undefined);
  // Another length of bins makes all that was learned meaningless.
  const known = before?.header.binMs === binMs ? before : undefined;
  const state = createState({ binMs, ...options }, known);
  let facts = config.facts;
  let former = new Set(known?.header.former ?? []);
  /** Bin in which each cause was accepted last. */
  const seen = new Map(known?.header.seen ?? []);
  let pending: Pending | undefined;
  const verdicts = createVerdicts({ binMs, facts: () => facts }, known?.header.verdicts);
  const ordered = orderOf(state);

  const learnPending = (): void => {
    if (pending) learnBin(state, pending);
    pending = undefined;
  };

  const judge = (closed: Closed): BinOutcome => {
    const view = viewOf(state, closed, facts, ordered());
    for (const [key, bin] of seen) if (view.bin - bin > latelyBins(binMs)) seen.delete(key);
    const accepted = [
      ...inferNetwork(view, former, options, new Set(seen.keys())),
      ...inferServices(view, former, options),
    ];
    former = new Set(accepted.map(({ key }) => key));
    for (const key of former) seen.set(key, view.bin);
    return {
      fromMs: view.fromMs,
      toMs: view.toMs,
      ...verdicts.judge(view, accepted),
      accepted,
    };
  };

  const close = (bin: number): BinOutcome => {
    learnPending();
    const closed = closeBin(state, bin);
    pending = closed.pending;
    return judge(closed);
  };

  return {
    observe(reading) {
      // What was learned of is no longer held while the next bin fills.
      if (pending) learnPending();
      takeIn(state, reading);
      if (state.late.isFull) learnLate(state);
    },
    advanceTo(timeMs) {
      const until = Math.floor(timeMs / binMs) - 1;
      const outcomes = binsToClose(state, until).map(close);
      state.closedThrough = Math.max(state.closedThrough, until);
      return outcomes;
    },
    learn(newer) {
      facts = newer;
    },
    save() {
      learnPending();
      const { header, columns } = saveState(state);
      const own: Header = {
        binMs,
        former: [...former].sort(),
        seen: [...seen].sort(byKey),
        verdicts: verdicts.save(),
      };
      return pack({ header: { ...header, ...own }, columns });
    },
  };
};
type Header = { binMs: number; former: string[]; seen?: [string, number][]; verdicts: unknown };

const byKey = ([a]: [string, number], [b]: [string, number]): number => (a < b ? -1 : 1);

/** As long as an incident may come back. */
const latelyBins = (binMs: number): number => Math.max(3, Math.ceil(600_000 / binMs));

const binsToClose = ({ open, closedThrough }: FleetState, until: number): number[] => {
  const filled = [...open.keys()].filter((bin) => bin <= until);
  const first = Math.min(
    ...filled,
    closedThrough < 0 ? Number.POSITIVE_INFINITY : closedThrough + 1,
  );
  const bins: number[] = [];
  let lastFilled = closedThrough;
  for (const bin of filled.sort((a, b) => a - b)) {
    for (let empty = Math.max(first, lastFilled + 1); empty < bin; empty += 1) {
      if (empty - lastFilled > emptyBins) break;
      bins.push(empty);
    }
    bins.push(bin);
    lastFilled = bin;
  }
  if (lastFilled < 0) return bins;
  for (let empty = lastFilled + 1; empty <= Math.min(until, lastFilled + emptyBins); empty += 1) {
    bins.push(empty);
  }
  return bins;
};

/** Devices by id. */
const orderOf = ({ deviceNames }: FleetState): (() => number[]) => {
  let order: number[] = [];
  let changes = -1;
  return () => {
    if (changes === deviceNames.changes) return order;
    changes = deviceNames.changes;
    const { count, textOf } = deviceNames;
    order = Array.from({ length: count - 1 }, (_, i) => i + 1).filter((one) => textOf(one) !== '');
    order.sort((a, b) => (textOf(a) < textOf(b) ? -1 : 1));
    return order;
  };
};
