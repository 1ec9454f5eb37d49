import { type Static, Type } from '@sinclair/typebox';
import { OneOf, Slug, Uuid } from '#contract/scalar.ts';
import {
  type LostReason,
  LostRuns,
  lostReasons,
  MissedRuns,
  missedReasons,
  type RunAccount,
} from '#contract/telemetry.ts';

export type MissedReason = (typeof missedReasons)[number];

const Whole = Type.Integer({ minimum: 0 });

const Underway = Type.Object({
  probeId: Slug,
  /** What it counts as should it give no result. */
  lostAs: OneOf(missedReasons),
  /** Left out: a run beside the plan. */
  plannedAt: Type.Optional(Type.Number()),
  startedAt: Type.Optional(Type.Number()),
});

const Day = Type.Object({
  /** Nothing of this day was counted before. */
  fromAt: Type.Number(),
  untilAt: Type.Number(),
  probes: Type.Record(Type.String(), Type.Object({ planned: Whole, lost: LostRuns })),
  /** Grows with each change; an account is due where the one that was told is older. */
  version: Whole,
  toldVersion: Type.Integer({ minimum: -1 }),
});

/** What an agent knows about its planned runs. */
export const RunBook = Type.Object({
  id: Uuid,
  deviceId: Uuid,
  beganAt: Type.Number(),
  sequence: Whole,
  /** Where the plan stands: the next run of each probe that is not yet accounted for. */
  grid: Type.Record(Type.String(), Type.Object({ intervalMs: Whole, nextAt: Type.Number() })),
  underway: Type.Record(Type.String(), Underway),
  counts: Type.Array(
    Type.Object({
      probeId: Slug,
      reason: OneOf(missedReasons),
      count: Type.Integer({ minimum: 1 }),
    }),
  ),
  /** On their way into the spool; their ids are fixed, so a repeat after a crash is the same record. */
  leaving: Type.Array(MissedRuns),
  /** By number of the day since 1970, UTC. */
  days: Type.Record(Type.String(), Day),
  /** Losses that were counted, by their token: a crash may have them told again. */
  tokens: Type.Array(Type.String()),
});
export type RunBook = Static<typeof RunBook>;

/** A result that will not come, as much of it as counts. `startedAt` is null where no day counts it. */
type LostResult = {
  runId: string;
  probeId: string;
  startedAt: number | null;
  reason: MissedReason;
};
type GridLine = { probeId: string; intervalMs: number; nextAt: number };

/** Everything that changes a book. */
export type BookEntry =
  | { kind: 'plan'; now: number; grid: GridLine[] }
  /** All that was planned until now has been missed: this program was not running. */
  | { kind: 'gap'; now: number }
  /** `untilAt`: the probe's first planned run that is not among them; left out: beside the plan. */
  | { kind: 'missed'; probeId: string; reason: MissedReason; count: number; untilAt?: number }
  | { kind: 'begin'; runId: string; probeId: string; lostAs: MissedReason; plannedAt?: number }
  | { kind: 'start'; runId: string; startedAt: number }
  | { kind: 'end'; runId: string }
  | { kind: 'lose'; runId: string }
  /** Counted once for each token. */
  | {
      kind: 'lost';
      results: LostResult[];
      missed: MissedRuns[];
      accounts: RunAccount[];
      token?: string;
    }
  | { kind: 'settle'; storedIds: string[] }
  | { kind: 'leave'; records: MissedRuns[] }
  | { kind: 'left'; id: string }
  | { kind: 'tell'; day: number; untilAt: number }
  | { kind: 'told'; day: number; version: number };

export const dayMs = 86_400_000;
export const dayNumber = (at: number): number => Math.floor(at / dayMs);

/** How far back is counted what was planned while nothing ran; of longer gaps the day it began, too. */
const gapDays = 8;
/** A spool holds results for long; what happens to them after this is not told any more. */
const keptDays = 32;
const keptTokens = 64;
/** As many as an account can tell. */
const mostProbes = 2_000;

export const applyEntry = (book: RunBook, entry: BookEntry): void => {
  switch (entry.kind) {
    case 'plan':
      closeGap(book, entry.now);
      book.grid = Object.fromEntries(
        entry.grid.map(({ probeId, ...line }) => [probeId, line] as const),
      );
      return;
    case 'gap':
      closeGap(book, entry.now);
      return;
    case 'missed':
      if (entry.untilAt === undefined) addCount(book, entry);
      else missSlots(book, { ...entry, untilAt: entry.untilAt });
      return;
    case 'begin': {
      const { kind: _, runId, ...run } = entry;
      book.underway[runId] = run;
      const line = book.grid[run.probeId];
      if (line && run.plannedAt !== undefined) line.nextAt = run.plannedAt + line.intervalMs;
      return;
    }
    case 'start': {
      const run = book.underway[entry.runId];
      if (run) run.startedAt = entry.startedAt;
      return;
    }
    case 'end':
      finish(book, entry.runId);
      return;
    case 'lose': {
      const run = book.underway[entry.runId];
      if (run) finish(book, entry.runId, run.lostAs);
      return;
    }
    case 'lost':
      lose(book, entry);
      return;
    case 'settle':
      for (const [runId, { lostAs }] of Object.entries(book.underway)) {
        finish(book, runId, entry.storedIds.includes(runId) ? undefined : lostAs);
      }
      book.leaving = book.leaving.filter(({ id }) => !entry.storedIds.includes(id));
      return;
    case 'leave':
      book.counts = [];
      book.leaving.push(...entry.records);
      return;
    case 'left':
      book.leaving = book.leaving.filter(({ id }) => id !== entry.id);
      return;
    case 'tell': {
      book.sequence += 1;
      const day = book.days[entry.day];
      if (day) day.untilAt = Math.max(day.untilAt, entry.untilAt);
      return;
    }
    case 'told': {
      const day = book.days[entry.day];
      if (day) day.toldVersion = Math.max(day.toldVersion, entry.version);
      return;
    }
  }
};

const closeGap = (book: RunBook, now: number): void => {
  for (const [probeId, { intervalMs, nextAt }] of Object.entries(book.grid)) {
    if (nextAt > now) continue;
    const count = Math.floor((now - nextAt) / intervalMs) + 1;
    missSlots(book, { probeId, reason: 'stopped', count, untilAt: nextAt + count * intervalMs });
  }
  const oldest = dayNumber(now) - keptDays;
  for (const day of Object.keys(book.days)) if (Number(day) < oldest) delete book.days[day];
};

type MissedSlots = { probeId: string; reason: MissedReason; count: number; untilAt: number };

/** Planned runs in a row that were all missed, each on the day it was planned for. */
const missSlots = (book: RunBook, { probeId, reason, count, untilAt }: MissedSlots): void => {
  const line = book.grid[probeId];
  if (line === undefined) {
    addCount(book, { probeId, reason, count });
    return;
  }
  const { intervalMs } = line;
  line.nextAt = untilAt;
  const lastDay = dayNumber(untilAt - intervalMs);
  let at = untilAt - count * intervalMs;
  const firstDay = dayNumber(at);
  while (at < untilAt) {
    const day = dayNumber(at);
    const slots = Math.ceil((Math.min((day + 1) * dayMs, untilAt) - at) / intervalMs);
    if (day === firstDay || day > lastDay - gapDays) {
      addCount(book, { probeId, reason, count: slots });
      addPlanned(book, { at, probeId, count: slots, reason });
    }
    at += slots * intervalMs;
  }
};

/** A run came to its end, with a result where no reason is given. */
const finish = (book: RunBook, runId: string, reason?: MissedReason): void => {
  const run = book.underway[runId];
  if (run === undefined) return;
  delete book.underway[runId];
  const { probeId, plannedAt, startedAt } = run;
  if (reason !== undefined) addCount(book, { probeId, reason, count: 1 });
  if (plannedAt === undefined) return;
  addPlanned(book, { at: startedAt ?? plannedAt, probeId, count: 1, reason });
};

const lose = (book: RunBook, entry: Extract<BookEntry, { kind: 'lost' }>): void => {
  if (entry.token !== undefined) {
    if (book.tokens.includes(entry.token)) return;
    book.tokens = [...book.tokens, entry.token].slice(-keptTokens);
  }
  for (const { runId, probeId, startedAt, reason } of entry.results) {
    // It did not even reach the disk: its end has not been written yet.
    if (book.underway[runId]) finish(book, runId, reason);
    else {
      addCount(book, { probeId, reason, count: 1 });
      if (startedAt !== null) addLost(book, { at: startedAt, probeId, reason });
    }
  }
  for (const { probeId, reason, count } of entry.missed) addCount(book, { probeId, reason, count });
  for (const { fromAt } of entry.accounts) {
    const day = book.days[dayNumber(fromAt)];
    if (day) day.toldVersion = -1;
  }
};

const addCount = (
  { counts }: RunBook,
  { probeId, reason, count }: { probeId: string; reason: MissedReason; count: number },
): void => {
  const same = counts.find((one) => one.probeId === probeId && one.reason === reason);
  if (same === undefined) counts.push({ probeId, reason, count });
  else same.count += count;
};

type Planned = { at: number; probeId: string; count: number; reason?: MissedReason | undefined };

const addPlanned = (book: RunBook, { at, probeId, count, reason }: Planned): void => {
  const day = openDay(book, at);
  const line = day.probes[probeId] ?? { planned: 0, lost: {} };
  if (day.probes[probeId] === undefined && Object.keys(day.probes).length >= mostProbes) return;
  day.probes[probeId] = line;
  line.planned += count;
  if (isLost(reason)) line.lost[reason] = (line.lost[reason] ?? 0) + count;
  day.version += 1;
};

/** A run that had given a result, which was lost on its way. */
const addLost = (
  book: RunBook,
  { at, probeId, reason }: { at: number; probeId: string; reason: MissedReason },
): void => {
  const day = book.days[dayNumber(at)];
  const line = day?.probes[probeId];
  if (day === undefined || line === undefined || at < day.fromAt || !isLost(reason)) return;
  line.lost[reason] = (line.lost[reason] ?? 0) + 1;
  day.version += 1;
};

const isLost = (reason: MissedReason | undefined): reason is LostReason =>
  lostReasons.some((each) => each === reason);

const openDay = (book: RunBook, at: number): RunBook['days'][string] => {
  const number = dayNumber(at);
  const beganAt = dayNumber(book.beganAt) === number ? book.beganAt : number * dayMs;
  const day = book.days[number] ?? {
    fromAt: beganAt,
    untilAt: beganAt,
    probes: {},
    version: 0,
    toldVersion: -1,
  };
  book.days[number] = day;
  // A clock that was set back.
  day.fromAt = Math.min(day.fromAt, at);
  return day;
};
