import { randomUUID } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { check } from '#contract/check.ts';
import type { Result } from '#contract/result.ts';
import type { MissedRuns, RunAccount, TelemetryRecord } from '#contract/telemetry.ts';
import { openBookFile } from './book-file.ts';
import { createAccounts } from './run-accounts.ts';
import { applyEntry, type BookEntry, type MissedReason, RunBook } from './run-book.ts';

type Append<T> = (record: T) => Promise<boolean>;

/** Accounts for every planned run: what is under way, and what will have no result and why. */
export type RunLedger = {
  /**
   * Before anything else, and before anything is shipped: settles what the agent before left open,
   * and counts what was planned until now as missed. A record that reached the spool in the moment of
   * a kill is not accounted for twice.
   */
  settle(findStored: (ids: readonly string[]) => Promise<Set<string>>): Promise<void>;
  /** From now on these are planned: where each stands, on the timetable's line of time. */
  setPlan(grid: { probeId: string; intervalMs: number; nextAt: number }[], now: number): void;
  /** `lostAs`: what it counts as should it give no result. Without `plannedAt` it is beside the plan. */
  begin(run: { runId: string; probeId: string; lostAs: MissedReason; plannedAt?: number }): void;
  /** It is being made: its result will have this time. */
  start(runId: string, startedAt: number): void;
  /** The run's result is safe, or was counted. */
  end(runId: string): void;
  /** There will be no result. */
  lose(runId: string): void;
  /** `untilAt`: the first planned run that is not among them; without it they are beside the plan. */
  count(probeId: string, reason: MissedReason, count: number, untilAt?: number): void;
  /**
   * Records that were given up: results become counts, counts stay counts. Told twice with one token
   * they count once. `byCollector`: it stands in the collector's own book which planned runs they are.
   */
  countLost(
    records: readonly TelemetryRecord[],
    reason: 'spool-full' | 'refused',
    more?: { token?: string; byCollector?: boolean },
  ): void;
  /** Hands the counts to the spool. */
  flush(append: Append<MissedRuns>): Promise<void>;
  /** Hands the accounts that are due to the spool; `all`: every one that has changed. */
  tell(append: Append<RunAccount>, options?: { all?: boolean }): Promise<void>;
  /** Since the start of the program. */
  totals(): Record<string, number>;
  close(): void;
};

/**
 * Keeps its book on disk, each change before it is acted on; what that survives stands at
 * `openBookFile`. Runs that a killed agent had under way come out as `stopped` at the next start.
 */
export const openRunLedger = (parts: { folder: string; deviceId: string }): RunLedger => {
  const { folder, deviceId } = parts;
  const formerFile = join(folder, 'runs.json');
  const book = openBookFile<RunBook, BookEntry>({
    folder,
    name: 'run-book',
    open: (kept) => readBook(kept, deviceId) ?? newBook(deviceId, formerFile),
    apply: applyEntry,
  });
  rmSync(formerFile, { force: true });
  const { state, write } = book;
  const totals: Record<string, number> = {};
  const note = (reason: string, count: number) => {
    totals[reason] = (totals[reason] ?? 0) + count;
  };
  const noteWrite = (entry: BookEntry) => {
    const before = countsOf(state());
    write(entry);
    for (const [reason, count] of Object.entries(countsOf(state()))) {
      if (count > (before[reason] ?? 0)) note(reason, count - (before[reason] ?? 0));
    }
  };

  const handOver = async (append: Append<MissedRuns>): Promise<void> => {
    const { counts } = state();
    if (counts.length > 0) {
      const records = counts.map((one) => missedRuns(deviceId, one));
      write({ kind: 'leave', records });
    }
    // Without room in the spool it comes back through countLost.
    for (const record of [...state().leaving]) {
      await append(record);
      write({ kind: 'left', id: record.id });
    }
  };
  const flush = oneByOne(handOver);
  const accounts = createAccounts({ state, write });

  return {
    settle: async (findStored) => {
      const { underway, leaving } = state();
      const ids = [...Object.keys(underway), ...leaving.map(({ id }) => id)];
      const storedIds = [...(await findStored(ids))];
      noteWrite({ kind: 'settle', storedIds });
      noteWrite({ kind: 'gap', now: Date.now() });
    },
    setPlan: (grid, now) => noteWrite({ kind: 'plan', grid, now }),
    begin: (run) => write({ kind: 'begin', ...run }),
    start: (runId, startedAt) => write({ kind: 'start', runId, startedAt }),
    end: (runId) => {
      if (state().underway[runId]) write({ kind: 'end', runId });
    },
    lose: (runId) => {
      const run = state().underway[runId];
      if (run === undefined) return;
      note(run.lostAs, 1);
      write({ kind: 'lose', runId });
    },
    count: (probeId, reason, count, untilAt) =>
      noteWrite({
        kind: 'missed',
        probeId,
        reason,
        count,
        ...(untilAt === undefined ? {} : { untilAt }),
      }),
    countLost: (records, reason, { token, byCollector = false } = {}) => {
      const results = records.filter((one) => one.kind === 'result');
      noteWrite({
        kind: 'lost',
        results: results.map((one) => ({
          runId: one.id,
          probeId: one.probeId,
          startedAt: byCollector || besidePlan(one) ? null : one.startedAt,
          reason: besidePlan(one) ?? reason,
        })),
        // A record the collector refuses would be refused for ever; one that found no room is kept.
        missed: reason === 'refused' ? [] : records.filter((one) => one.kind === 'missed'),
        accounts: reason === 'refused' ? [] : records.filter((one) => one.kind === 'account'),
        ...(token === undefined ? {} : { token }),
      });
    },
    flush,
    tell: oneByOne(accounts.tell),
    totals: () => ({ ...totals }),
    close: book.close,
  };
};

/** One after the other: two at once would hand over the same records twice. */
const oneByOne = <A extends unknown[]>(work: (...args: A) => Promise<void>) => {
  let underway: Promise<void> | undefined;
  return async (...args: A): Promise<void> => {
    while (underway !== undefined) await underway.catch(() => {});
    underway = work(...args);
    try {
      await underway;
    } finally {
      underway = undefined;
    }
  };
};

const countsOf = ({ counts }: RunBook): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const { reason, count } of counts) sums[reason] = (sums[reason] ?? 0) + count;
  return sums;
};

/** A result that was never planned is not counted among those that were. */
const besidePlan = ({ requestId, burstId, repeats }: Result): MissedReason | undefined => {
  if (requestId !== undefined || burstId !== undefined) return 'request-ended';
  return repeats === undefined ? undefined : 'not-repeated';
};

/** Another device's book is not gone on with: its counts are not this one's. */
const readBook = (kept: unknown, deviceId: string): RunBook | undefined => {
  const read = check(RunBook, kept);
  return read.ok && read.value.deviceId === deviceId ? read.value : undefined;
};

/** From an agent that told no accounts comes what it had under way, and what it had counted. */
const newBook = (deviceId: string, formerFile: string): RunBook => {
  const book: RunBook = {
    id: randomUUID(),
    deviceId,
    beganAt: Date.now(),
    sequence: 0,
    grid: {},
    underway: {},
    counts: [],
    leaving: [],
    days: {},
    tokens: [],
  };
  const former = readFormer(formerFile);
  if (former === undefined) return book;
  const underway = Object.entries(former.underway).map(([runId, probeId]) => {
    const lostAs = former.lostAs?.[runId] ?? 'stopped';
    return [runId, { probeId, lostAs }] as const;
  });
  const read = check(RunBook, { ...book, ...former, underway: Object.fromEntries(underway) });
  return read.ok ? read.value : book;
};

type Former = {
  underway: Record<string, string>;
  lostAs?: Record<string, MissedReason>;
  counts: unknown;
  leaving: unknown;
};

const readFormer = (path: string): Former | undefined => {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Former;
  } catch {
    return undefined;
  }
};

const missedRuns = (
  deviceId: string,
  one: { probeId: string; reason: MissedReason; count: number },
): MissedRuns => ({ kind: 'missed', id: randomUUID(), deviceId, at: Date.now(), ...one });
