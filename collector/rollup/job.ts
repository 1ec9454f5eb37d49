import type { Log } from '#runtime/log.ts';
import { type RollupProgress, type RollupRows, unknownBin } from '../control/rollup-rows.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { PointsRefused, type Store } from '../store/store.ts';
import { closedBin, oldestWhole } from './late-marks.ts';
import { countPoints, hourOf, makeBin, makeHour, type PointCounts } from './make.ts';
import { binMs, binsOfHour, rolledUpNames } from './tiers.ts';

/** A collector that is at work says so; one that is silent for the length has ended. */
const workingMs = 120_000;
const renewEveryMs = 20_000;
/** Then it lets others work: a day's bins at the most, or so long. The rest comes after the pause. */
const binsAtOnce = 288;
const workMs = 5_000;
const pauseMs = 5_000;

export type RollupParts = {
  store: Store;
  jobs: Pick<Jobs, 'engine' | 'enqueue'>;
  rows: RollupRows;
  /** How long raw points are kept. */
  rawMs: number;
  /** Names this collector among those at work; another at each start. */
  worker: string;
  now: () => number;
  log: Log;
};

class TakenOver extends Error {
  override name = 'TakenOver';
}

/**
 * The rollup job: makes the 5 minutes that are over, in order, and anew those that late data fell
 * into. A roll-up is always made from all its raw points and overwrites the one before, so making it
 * twice, or half and again after a crash, changes nothing.
 */
export const createRollup = (parts: RollupParts) => {
  const { store, rows, worker, now } = parts;
  const log = parts.log.child({ component: 'rollup' });

  return async (): Promise<void> => {
    const known = await rows.progress();
    const isAtWork = known !== undefined && known.worker !== worker && known.workingUntil > now();
    // In-process jobs are one process's: whoever had it before has ended.
    if (isAtWork && parts.jobs.engine !== 'in-process') return;
    const oldest = oldestWhole(now(), parts.rawMs, known?.rawFrom);
    const nextBin = Math.max(oldest, await nextOf(known, store, { oldest, nowMs: now() }));
    const taken = await rows.take(known, { nextBin, worker, workingUntil: now() + workingMs });
    if (!taken) return;
    const work = createWork(parts, nextBin);
    try {
      const isAll = await work.run(oldest);
      await rows.goOn(worker, { workingUntil: 0 });
      if (!isAll) await parts.jobs.enqueue('rollup', {}, { id: 'rollup', delayMs: pauseMs });
    } catch (error) {
      if (error instanceof TakenOver) {
        log.warn({ err: error }, 'roll-ups are another’s now');
        return;
      }
      await rows.goOn(worker, { workingUntil: 0 });
      throw error;
    }
  };
};

/** Where it ended; at first where the oldest raw point is, or with what comes from now on. */
const nextOf = async (
  known: RollupProgress | undefined,
  store: Store,
  { oldest, nowMs }: { oldest: number; nowMs: number },
): Promise<number> => {
  if (known !== undefined && known.nextBin !== unknownBin) return known.nextBin;
  const closed = closedBin(nowMs);
  const range = { fromMs: oldest * binMs, toMs: Math.max(oldest, closed) * binMs };
  const found = await Promise.all(
    rolledUpNames.map((measurement) =>
      store.select({ measurement, fields: [], ...range, order: 'oldest-first', limit: 1 }),
    ),
  );
  const bins = found.flat().map(({ timeMs }) => Math.floor(timeMs / binMs));
  return Math.min(closed, ...bins);
};

/** One job's work: what it may do until it pauses, and the right to do it. */
const createWork = ({ store, rows, worker, now, log }: RollupParts, startBin: number) => {
  const startedMs = now();
  let renewedMs = startedMs;
  let nextBin = startBin;

  const renew = async (): Promise<void> => {
    if (now() - renewedMs < renewEveryMs) return;
    renewedMs = now();
    if (!(await rows.goOn(worker, { workingUntil: renewedMs + workingMs }))) throw new TakenOver();
  };

  /** What was written after another took over may lack what came since: it is to be made anew. */
  const whileOurs = async (
    bins: readonly number[],
    done: { nextBin?: number },
    work: () => Promise<void>,
  ): Promise<void> => {
    const isOurs = (more: object) =>
      rows.goOn(worker, { ...more, workingUntil: now() + workingMs });
    try {
      await work();
    } catch (error) {
      if (!(await isOurs({}))) await rows.markStale(bins);
      throw error;
    }
    if (await isOurs(done)) return;
    await rows.markStale(bins);
    throw new TakenOver('another went on meanwhile');
  };

  const make = async (bins: readonly number[], counts: PointCounts): Promise<void> => {
    for (const bin of bins) await kept(log, () => makeBin(store, bin, counts, renew));
  };
  const makeHourOf = (bin: number) => kept(log, () => makeHour(store, hourOf(bin)));

  const makeStale = async (oldest: number): Promise<boolean> => {
    const bins = await rows.beginStale({ from: oldest, to: nextBin }, binsAtOnce);
    for (const [first, ...rest] of byHour(bins)) {
      const chunk = [first, ...rest];
      await whileOurs(chunk, {}, async () => {
        await make(
          chunk,
          await countPoints(store, { from: first, to: (rest.at(-1) ?? first) + 1 }),
        );
        if ((hourOf(first) + 1) * binsOfHour <= nextBin) await makeHourOf(first);
      });
      await rows.endStale(chunk);
      if (now() - startedMs > workMs) return false;
    }
    return bins.length < binsAtOnce;
  };

  const makeNew = async (): Promise<boolean> => {
    const end = Math.min(closedBin(now()), nextBin + binsAtOnce);
    if (nextBin >= end) return true;
    const firstBin = nextBin;
    const counts = await countPoints(store, { from: firstBin, to: end });
    const isFilled = (bin: number) => rolledUpNames.some((name) => counts[name].has(bin));
    // Of what came before this work nothing is known.
    let isHourFilled = firstBin % binsOfHour !== 0;
    for (let bin = firstBin; bin < end; bin += 1) {
      if (bin % binsOfHour === 0) isHourFilled = false;
      isHourFilled ||= isFilled(bin);
      const isHourOver = isHourFilled && (bin + 1) % binsOfHour === 0;
      // Empty ones are passed over together.
      if (!isFilled(bin) && !isHourOver && bin < end - 1) continue;
      await whileOurs([bin], { nextBin: bin + 1 }, async () => {
        if (isFilled(bin)) await make([bin], counts);
        if (isHourOver) await makeHourOf(bin);
      });
      nextBin = bin + 1;
      if (now() - startedMs > workMs) return false;
    }
    return nextBin >= closedBin(now());
  };

  return {
    /** False: there is more to do. */
    run: async (oldest: number): Promise<boolean> => {
      const isStaleDone = await makeStale(oldest);
      const isNewDone = await makeNew();
      return isStaleDone && isNewDone;
    },
  };
};

/** Rows that the store will never take (older than it keeps) must not hold up those after them. */
const kept = async (log: Log, make: () => Promise<void>): Promise<void> => {
  try {
    await make();
  } catch (error) {
    if (!(error instanceof PointsRefused)) throw error;
    log.error({ component: 'rollup', err: error }, 'the store refused roll-ups for good');
  }
};

const byHour = (bins: readonly number[]): [number, ...number[]][] => {
  const hours = new Map<number, [number, ...number[]]>();
  for (const bin of bins) {
    const known = hours.get(hourOf(bin));
    if (known) known.push(bin);
    else hours.set(hourOf(bin), [bin]);
  }
  return [...hours.values()];
};
