import { createHash, randomUUID } from 'node:crypto';
import type { RunAccount } from '#contract/telemetry.ts';
import { type BookEntry, dayMs, dayNumber, type RunBook } from './run-book.ts';

/** About a kilobyte for twenty probes: a thousandth of what their results are. */
const everyMs = 3_600_000;

/**
 * Makes accounts of a book's days: at the first asking, each hour at a time of the device's own, and
 * when a day is over.
 */
export const createAccounts = (parts: {
  state: () => RunBook;
  write: (entry: BookEntry) => void;
}) => {
  const { state, write } = parts;
  let toldIn: string | undefined;

  const tellDay = async (
    number: number,
    append: (record: RunAccount) => Promise<boolean>,
  ): Promise<void> => {
    const now = Date.now();
    write({ kind: 'tell', day: number, untilAt: Math.min(now, (number + 1) * dayMs) });
    const version = state().days[number]?.version ?? 0;
    // Without room in the spool it is due again.
    if (await append(accountOf(state(), number, now)))
      write({ kind: 'told', day: number, version });
  };

  return {
    tell: async (
      append: (record: RunAccount) => Promise<boolean>,
      { all = false } = {},
    ): Promise<void> => {
      const period = periodOf(state().deviceId, Date.now());
      if (!all && period === toldIn) return;
      toldIn = period;
      for (const [number, { version, toldVersion }] of Object.entries(state().days)) {
        if (version > toldVersion) await tellDay(Number(number), append);
      }
    },
  };
};

/** Devices tell at different times of the hour: a fleet's accounts do not come all at once. */
const periodOf = (deviceId: string, now: number): string => {
  const offsetMs = createHash('sha256').update(deviceId).digest().readUInt32BE() % everyMs;
  return `${dayNumber(now)} ${Math.floor((now - offsetMs) / everyMs)}`;
};

const accountOf = (book: RunBook, number: number, at: number): RunAccount => {
  const day = book.days[number];
  const underway = underwayOf(book, number);
  const probeIds = new Set([...Object.keys(day?.probes ?? {}), ...underway.keys()]);
  return {
    kind: 'account',
    id: randomUUID(),
    deviceId: book.deviceId,
    bookId: book.id,
    sequence: book.sequence,
    at,
    fromAt: day?.fromAt ?? number * dayMs,
    untilAt: day?.untilAt ?? number * dayMs,
    probes: [...probeIds].slice(0, 2_000).map((probeId) => ({
      probeId,
      plannedCount: day?.probes[probeId]?.planned ?? 0,
      lost: { ...day?.probes[probeId]?.lost },
      underwayCount: underway.get(probeId) ?? 0,
    })),
  };
};

const underwayOf = ({ underway }: RunBook, number: number): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const { probeId, plannedAt, startedAt } of Object.values(underway)) {
    if (plannedAt === undefined || dayNumber(startedAt ?? plannedAt) !== number) continue;
    counts.set(probeId, (counts.get(probeId) ?? 0) + 1);
  }
  return counts;
};
