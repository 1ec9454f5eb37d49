import type { ArtefactRows } from './control/artefact-rows.ts';
import type { BatchRows } from './control/batch-rows.ts';
import type { DeliveryRows } from './control/delivery-rows.ts';
import type { EngineRows } from './control/engine-rows.ts';
import type { FleetRows } from './control/fleet-rows.ts';
import type { RollupRows } from './control/rollup-rows.ts';
import type { AccountRows } from './control/run-account-rows.ts';
import type { RunRequests } from './control/run-requests.ts';
import type { Jobs } from './jobs/jobs.ts';
import { keptRawMs, type Retention, tiersOf } from './retention.ts';
import type { Store } from './store/store.ts';

const dayMs = 86_400_000;
const everyMs = 3_600_000;

/** How long things are kept, but for series. Devices' incidents, verdicts, versions and the audit stay. */
export const retentionMs = {
  /** Longer than any spool holds a batch that was sent but not known to be acknowledged. */
  batches: 7 * dayMs,
  deliveries: 30 * dayMs,
  /** Pictures and archives of runs: long enough to look into what went wrong. */
  artefacts: 7 * dayMs,
  runRequests: 30 * dayMs,
  /** What became of planned runs, by device and day. */
  accounts: 90 * dayMs,
  /** After their end. */
  sharedIncidents: 90 * dayMs,
  /** Of a shard that nobody works any more: its edge is gone, or shards are others now. */
  checkpoints: 7 * dayMs,
  /** Beyond it no normal is learnt from what comes late. */
  lateBatches: dayMs,
  /** What stands was said by a bin; one of this age is of a shard that is gone. */
  standing: 2 * everyMs,
} as const;

/** The expire job: drops what is older than it is kept. */
export const createExpire =
  (parts: {
    store: Store;
    retention: Retention;
    rollupRows: Pick<RollupRows, 'noteRawFrom'>;
    batches: BatchRows;
    deliveries: DeliveryRows;
    artefacts: ArtefactRows;
    runRequests: RunRequests;
    accounts: AccountRows;
    fleetRows: FleetRows;
    engineRows: EngineRows;
    now: () => number;
  }) =>
  async (): Promise<void> => {
    const now = parts.now();
    await expireSeries(parts, now);
    await parts.batches.deleteBefore(now - retentionMs.batches);
    await parts.deliveries.deleteBefore(now - retentionMs.deliveries);
    await parts.artefacts.deleteBefore(now - retentionMs.artefacts);
    await parts.runRequests.deleteBefore(now - retentionMs.runRequests);
    await parts.accounts.deleteBefore(now - retentionMs.accounts);
    await parts.engineRows.deleteBefore({
      checkpointsMs: now - retentionMs.checkpoints,
      lateMs: now - retentionMs.lateBatches,
    });
    await parts.fleetRows.expire({
      endedMs: now - retentionMs.sharedIncidents,
      seenMs: now - retentionMs.standing,
    });
  };

const expireSeries = async (
  parts: { store: Store; retention: Retention; rollupRows: Pick<RollupRows, 'noteRawFrom'> },
  now: number,
): Promise<void> => {
  await parts.rollupRows.noteRawFrom(now - keptRawMs(parts.retention));
  for (const { of, keptMs } of tiersOf(parts.retention)) {
    await parts.store.deleteBefore(now - keptMs, of);
  }
};

/** Asks for the job each hour; of N collectors' asking one job comes. */
export const startExpireTimer = (jobs: Jobs, onError: (error: unknown) => void) => {
  const ask = () => void jobs.enqueue('expire', {}, { id: 'expire' }).catch(onError);
  const timer = setInterval(ask, everyMs);
  return { stop: () => clearInterval(timer) };
};
