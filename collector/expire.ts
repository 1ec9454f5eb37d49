import type { ArtefactRows } from './control/artefact-rows.ts';
import type { BatchRows } from './control/batch-rows.ts';
import type { DeliveryRows } from './control/delivery-rows.ts';
import type { RunRequests } from './control/run-requests.ts';
import type { Jobs } from './jobs/jobs.ts';
import type { Store } from './store/store.ts';

const dayMs = 86_400_000;

/** How long things are kept. Incidents, verdicts, versions and the audit stay. */
export const retentionMs = {
  series: 30 * dayMs,
  /** Longer than any spool holds a batch that was sent but not known to be acknowledged. */
  batches: 7 * dayMs,
  deliveries: 30 * dayMs,
  /** Pictures and archives of runs: long enough to look into what went wrong. */
  artefacts: 7 * dayMs,
  runRequests: 30 * dayMs,
} as const;

const everyMs = 3_600_000;

/** The expire job: drops what is older than it is kept. */
export const createExpire =
  (parts: {
    store: Store;
    batches: BatchRows;
    deliveries: DeliveryRows;
    artefacts: ArtefactRows;
    runRequests: RunRequests;
    now: () => number;
  }) =>
  async (): Promise<void> => {
    const now = parts.now();
    await parts.store.deleteBefore(now - retentionMs.series);
    await parts.batches.deleteBefore(now - retentionMs.batches);
    await parts.deliveries.deleteBefore(now - retentionMs.deliveries);
    await parts.artefacts.deleteBefore(now - retentionMs.artefacts);
    await parts.runRequests.deleteBefore(now - retentionMs.runRequests);
  };

/** Asks for the job each hour; of N collectors' asking one job comes. */
export const startExpireTimer = (jobs: Jobs, onError: (error: unknown) => void) => {
  const ask = () => void jobs.enqueue('expire', {}, { id: 'expire' }).catch(onError);
  const timer = setInterval(ask, everyMs);
  return { stop: () => clearInterval(timer) };
};
