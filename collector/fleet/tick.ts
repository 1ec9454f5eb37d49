import type { SharedIncident, Verdict } from '#contract/verdict.ts';
import type { Log } from '#runtime/log.ts';
import type { EngineRows, ShardRow } from '../control/engine-rows.ts';
import type { Fleet } from '../control/fleet.ts';
import type { ClosedBin, FleetRows, SharedRow } from '../control/fleet-rows.ts';
import type { OrganisationVersions } from '../control/organisation-versions.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { incidentMessages } from '../notify/incident-messages.ts';
import type { Store } from '../store/store.ts';
import type { BinClock } from './bin-clock.ts';
import type { Outcome } from './engine.ts';
import type { Engines } from './engines.ts';
import { createEngineFeed } from './feed-engine.ts';
import { filledBins } from './read-bin.ts';
import { createShards } from './shards.ts';

/** Bins read again at most after a stop: two hours of minutes. What lies before is left out. */
const catchUpBins = 120;
/** A collector that is at work says so this often; one that is silent for the length has ended. */
const workingMs = 120_000;
const renewEveryMs = 20_000;
/** A shard's engine is kept by its collector this many bins long; others ask it first, this often. */
const keptBins = 2;
const passes = { most: 8, delayMs: 250 } as const;
const whileBusyMs = 2_000;
/** Pairs that stand at once for a shard; of more, those with most added. Also asked to be judged anew. */
const maxStanding = 10_000;
/** Of one device: it must not take the place of the others, whatever it says. */
const maxOfDevice = 50;
const maxAnew = 1_000;
/** An engine is kept about this often. */
const checkpointEveryMs = 300_000;

export type TickParts = {
  store: Store;
  jobs: Jobs;
  engines: Engines;
  rows: EngineRows;
  fleet: Pick<Fleet, 'edges'>;
  fleetRows: FleetRows;
  organisations: Pick<OrganisationVersions, 'current' | 'currentNumber'>;
  clock: BinClock;
  /** Names this collector among those at work; another at each start. */
  worker: string;
  pagesUrl: () => string;
  now: () => number;
  log: Log;
};

type Job = { shard: string; bin: number; passed: number };

/**
 * The tick job: closes a shard's bins up to one. Reads what is stored of each, feeds the engine,
 * keeps what it finds. A bin is written once, whoever works it: the shard's row moves on in the same
 * transaction, and only from the bin that was read before.
 */
export const createTick = (parts: TickParts) => {
  const { rows, clock, engines, worker, now } = parts;
  const log = parts.log.child({ component: 'fleet' });
  const shards = createShards(parts.store);
  const feed = createEngineFeed(parts);

  const again = (job: Job, passed: number, delayMs: number): Promise<void> =>
    parts.jobs.enqueue('tick', { ...job, passed }, { id: jobId(job), delayMs });

  /** False: it is another collector's turn, and the job is put back for it. */
  const isOurTurn = async (job: Job, row: ShardRow | undefined): Promise<boolean> => {
    // In-process jobs are one process's: whoever had it before has ended.
    if (row === undefined || row.worker === worker || parts.jobs.engine === 'in-process')
      return true;
    if (row.workingUntil > now()) {
      await again(job, job.passed, whileBusyMs);
      return false;
    }
    if (row.keptUntil <= now() || job.passed >= passes.most) return true;
    await again(job, job.passed + 1, passes.delayMs);
    return false;
  };

  const work = async (job: Job, row: ShardRow | undefined): Promise<void> => {
    const { shard, bin: lastBin } = job;
    const startedMs = now();
    const firstBin = Math.max(0, lastBin - catchUpBins + 1);
    const past = { fromMs: clock.startOf(firstBin), toMs: clock.endOf(lastBin) };
    if (!(await engines.hasPast(shard)) && (await isEmpty(past))) {
      // Nothing was ever measured: no engine is needed to say so.
      const range = { fromMs: clock.startOf(lastBin), toMs: clock.endOf(lastBin) };
      return keep(
        job,
        { bin: lastBin, isLast: true, readAt: startedMs, deviceCount: 0, range },
        [],
      );
    }
    const held = await engines.of(shard, row, { bin: firstBin - 1, readAt: startedMs });
    const renew = renewal(parts, shard);
    const writtenBin = row?.binMs === clock.binMs ? row.bin : -1;
    for (const bin of await binsToClose(Math.max(held.bin + 1, firstBin), lastBin)) {
      const isLast = bin === lastBin;
      const readAt = now();
      const range = { fromMs: clock.startOf(bin), toMs: clock.endOf(bin) };
      const members = await shards.membersOf(shard, range);
      const deviceCount = await feed.observeBin(held, bin, members, renew);
      const outcomes = await held.engine.advanceTo(range.toMs);
      held.bin = bin;
      if (bin > writtenBin) await keep(job, { bin, isLast, readAt, deviceCount, range }, outcomes);
      // Nobody waits for it: it changes what is normal from the next bin on.
      if (isLast) await feed.observeLate(held, members, renew);
    }
    log.debug({ shard, bin: lastBin, tookMs: now() - startedMs }, 'bin closed');
    if ((held.bin - held.checkpointBin) * clock.binMs >= checkpointEveryMs) {
      await engines.save(shard, now());
    }
  };

  const isEmpty = async (range: { fromMs: number; toMs: number }): Promise<boolean> =>
    (await filledBins(parts.store, range, clock.binMs)).size === 0;

  /** All of them where they are few; of a longer stretch those in which there is something. */
  const binsToClose = async (firstBin: number, lastBin: number): Promise<number[]> => {
    const bins = Array.from({ length: lastBin - firstBin + 1 }, (_, index) => firstBin + index);
    if (bins.length <= 3) return bins;
    const range = { fromMs: clock.startOf(firstBin), toMs: clock.endOf(lastBin) };
    const filled = await filledBins(parts.store, range, clock.binMs);
    return bins.filter((bin) => filled.has(bin) || bin === lastBin);
  };

  type Work = {
    bin: number;
    isLast: boolean;
    readAt: number;
    deviceCount: number;
    range: { fromMs: number; toMs: number };
  };

  const keep = async (job: Job, made: Work, outcomes: readonly Outcome[]): Promise<void> => {
    const closed = closedBin(parts, job.shard, made, outcomes);
    const { document } = await parts.organisations.current();
    const tell = (row: SharedRow) => {
      // What began and ended while nobody looked is kept, and no news.
      if (!made.isLast) return { deliveries: [], toldTo: row.toldTo, endTold: row.endTold };
      const url = `${parts.pagesUrl()}/incidents/shared/${row.id}`;
      return incidentMessages(row, { webhooks: document.webhooks ?? [], url, now: now() });
    };
    const kept = await parts.fleetRows.close(closed, tell);
    if (kept === undefined) throw new Error(`shard ${job.shard}: another collector went on`);
    for (const deliveryId of kept.deliveryIds) {
      await parts.jobs.enqueue('notify', { deliveryId }, { id: deliveryId });
    }
    if (made.isLast) await judgeAnew(kept.verdicts, made.range.fromMs);
  };

  /** Pairs whose newest verdict does not know yet what the fleet's evidence says. */
  const judgeAnew = async (verdicts: readonly Verdict[], sinceMs: number): Promise<void> => {
    const named = verdicts.filter(({ causes = [] }) => causes.length > 0);
    const stale = await parts.fleetRows.unsettled(named, sinceMs);
    for (const { deviceId, appId } of stale.slice(0, maxAnew)) {
      await parts.jobs.enqueue('diagnose', { deviceId, appId }, { id: `${deviceId}_${appId}` });
    }
  };

  return async (job: Job): Promise<void> => {
    const row = await rows.shard(job.shard);
    // Another has it now: what is here is of no use any more, and large.
    if (row !== undefined && row.worker !== worker) await engines.drop(job.shard);
    const isDone = row !== undefined && row.binMs === clock.binMs && row.bin >= job.bin;
    if (isDone || !(await isOurTurn(job, row))) return;
    const workingUntil = now() + workingMs;
    const taken = await rows.take(job.shard, row, { worker, workingUntil, binMs: clock.binMs });
    if (!taken) return again(job, job.passed, whileBusyMs);
    try {
      await work(job, row);
    } catch (error) {
      await engines.drop(job.shard);
      await rows.keepWorking(job.shard, { worker, workingUntil: 0 });
      throw error;
    }
  };
};

/** `_` as in the other queues' ids: BullMQ keeps `:` for itself. */
export const jobId = ({ shard, bin }: { shard: string; bin: number }): string =>
  `${shard.replace(':', '_')}-${bin}`;

const renewal = ({ rows, worker, now }: TickParts, shard: string) => {
  let renewedMs = now();
  return async (): Promise<void> => {
    if (now() - renewedMs < renewEveryMs) return;
    renewedMs = now();
    await rows.keepWorking(shard, { worker, workingUntil: renewedMs + workingMs });
  };
};

const closedBin = (
  { clock, worker, now }: TickParts,
  shard: string,
  made: { bin: number; isLast: boolean; readAt: number; deviceCount: number },
  outcomes: readonly Outcome[],
): ClosedBin => {
  const toMs = clock.endOf(made.bin);
  const own = outcomes.find((outcome) => outcome.toMs === toMs);
  return {
    shard,
    bin: made.bin,
    toMs,
    binMs: clock.binMs,
    readAt: made.readAt,
    deviceCount: made.deviceCount,
    worker,
    keptUntil: now() + keptBins * clock.binMs + clock.graceMs,
    workingUntil: made.isLast ? 0 : now() + workingMs,
    verdicts: mostAdded(own?.verdicts ?? []),
    incidents: newest(outcomes),
  };
};

/** An engine that closes several bins at once says the same incident several times. */
const newest = (outcomes: readonly Outcome[]): SharedIncident[] => [
  ...new Map(outcomes.flatMap(({ incidents }) => incidents).map((one) => [one.id, one])).values(),
];

const mostAdded = (verdicts: readonly Verdict[]): Verdict[] => {
  const order = (a: Verdict, b: Verdict) =>
    (b.addedMs ?? 0) - (a.addedMs ?? 0) ||
    (`${a.deviceId} ${a.appId}` < `${b.deviceId} ${b.appId}` ? -1 : 1);
  const counts = new Map<string, number>();
  const isOfFew = ({ deviceId }: Verdict): boolean => {
    const count = (counts.get(deviceId) ?? 0) + 1;
    counts.set(deviceId, count);
    return count <= maxOfDevice;
  };
  return [...verdicts].sort(order).filter(isOfFew).slice(0, maxStanding);
};
