import { randomUUID } from 'node:crypto';
import type { Verdict } from '#contract/verdict.ts';
import type { Log } from '#runtime/log.ts';
import type { ArtefactRows } from './control/artefact-rows.ts';
import type { BatchRows } from './control/batch-rows.ts';
import type { DeliveryRows } from './control/delivery-rows.ts';
import type { EngineRows } from './control/engine-rows.ts';
import type { Fleet } from './control/fleet.ts';
import type { FleetRows } from './control/fleet-rows.ts';
import type { OrganisationVersions } from './control/organisation-versions.ts';
import type { RollupRows } from './control/rollup-rows.ts';
import type { AccountRows } from './control/run-account-rows.ts';
import type { RunRequests } from './control/run-requests.ts';
import type { VerdictRows } from './control/verdict-rows.ts';
import { createExpire, startExpireTimer } from './expire.ts';
import type { BinClock } from './fleet/bin-clock.ts';
import { startFleetDiagnosis } from './fleet/fleet-diagnosis.ts';
import type { Sharding } from './fleet/shards.ts';
import type { Jobs } from './jobs/jobs.ts';
import { createJudge } from './judge.ts';
import { createDeliver } from './notify/deliver.ts';
import { startDeliverySweep } from './notify/sweep.ts';
import { keptRawMs, type Retention } from './retention.ts';
import { createRollup } from './rollup/job.ts';
import { startRollupTimer } from './rollup/timer.ts';
import type { Store } from './store/store.ts';
import { createAccountCheck, startAccountCheckTimer } from './zero-loss/check-accounts.ts';

/** Judging is arithmetic in this one thread; sending is waiting for others. */
const concurrency = {
  diagnose: 2,
  notify: 16,
  tick: 1,
  rollup: 1,
  'zero-loss': 1,
  expire: 1,
} as const;

/** Everything the collector does by itself: judge, tell, forget. */
export const startWorkers = (parts: {
  store: Store;
  jobs: Jobs;
  fleet: Fleet;
  organisations: OrganisationVersions;
  verdicts: VerdictRows;
  deliveries: DeliveryRows;
  batches: BatchRows;
  artefacts: ArtefactRows;
  runRequests: RunRequests;
  accounts: AccountRows;
  fleetRows: FleetRows;
  engineRows: EngineRows;
  rollupRows: RollupRows;
  retention: Retention;
  clock: BinClock;
  shardBy: Sharding;
  onVerdict: (verdict: Verdict) => void;
  pagesUrl: () => string;
  now: () => number;
  log: Log;
}) => {
  const { jobs, log } = parts;
  const stopping = new AbortController();
  const fleetDiagnosis = startFleetDiagnosis(parts);
  const judge = createJudge(parts);
  const deliver = createDeliver({ ...parts, signal: stopping.signal });
  const expire = createExpire(parts);
  jobs.work('diagnose', judge, { concurrency: concurrency.diagnose });
  jobs.work('notify', ({ deliveryId }) => deliver(deliveryId), { concurrency: concurrency.notify });
  jobs.work('expire', expire, { concurrency: concurrency.expire });
  const rollup = createRollup({
    ...parts,
    rows: parts.rollupRows,
    rawMs: keptRawMs(parts.retention),
    worker: randomUUID(),
  });
  jobs.work('rollup', rollup, { concurrency: concurrency.rollup });
  jobs.work('tick', fleetDiagnosis.tick, { concurrency: concurrency.tick });
  jobs.work('zero-loss', createAccountCheck(parts), { concurrency: concurrency['zero-loss'] });
  const sweep = startDeliverySweep(parts);
  const expireTimer = startExpireTimer(jobs, (error) =>
    log.warn({ component: 'expire', err: error }, 'expiry not asked for'),
  );
  const accountTimer = startAccountCheckTimer(jobs, (error) =>
    log.warn({ component: 'zero-loss', err: error }, 'the check of accounts not asked for'),
  );
  const rollupTimer = startRollupTimer({
    ...parts,
    onError: (error) => log.warn({ component: 'rollup', err: error }, 'roll-ups not asked for'),
  });
  return {
    async stop(): Promise<void> {
      expireTimer.stop();
      rollupTimer.stop();
      accountTimer.stop();
      // Messages under way are given up at once and sent again at the next start.
      stopping.abort();
      await Promise.all([sweep.stop(), fleetDiagnosis.stop()]);
    },
  };
};
