import { createEngineRows } from '#collector/control/engine-rows.ts';
import { createFleet } from '#collector/control/fleet.ts';
import { createFleetRows } from '#collector/control/fleet-rows.ts';
import { createOrganisationVersions } from '#collector/control/organisation-versions.ts';
import type { BinClock } from '#collector/fleet/bin-clock.ts';
import { createEngines } from '#collector/fleet/engines.ts';
import { createFactsReader } from '#collector/fleet/facts.ts';
import { createLateNotes } from '#collector/fleet/late.ts';
import { createTick } from '#collector/fleet/tick.ts';
import type { Jobs } from '#collector/jobs/jobs.ts';
import { silentLog } from '#runtime/log.ts';
import type { CollectorParts } from '#test/support/collector-parts.ts';
import { tinyEngines } from './tiny-engine.ts';

/** One collector; its engines are its own, all else is shared. `engine` is what its jobs say they are. */
export const createTickCollector = (
  { store, state, jobs }: Pick<CollectorParts, 'store' | 'state' | 'jobs'>,
  {
    clock,
    worker,
    engine = 'in-process',
  }: { clock: BinClock; worker: string; engine?: Jobs['engine'] | undefined },
) => {
  const log = silentLog();
  const { make, made } = tinyEngines();
  const time = { nowMs: 0 };
  const now = () => time.nowMs;
  const rows = createEngineRows(state.db);
  const organisations = createOrganisationVersions(state.db);
  const fleet = createFleet(state.db);
  const readFacts = createFactsReader({ fleet, organisations, now });
  const engines = createEngines({ make, rows, readFacts, binMs: clock.binMs, worker, log });
  const fleetRows = createFleetRows(state.db);
  const tick = createTick({
    store,
    jobs: { ...jobs, engine },
    engines,
    rows,
    fleet,
    fleetRows,
    organisations,
    clock,
    worker,
    pagesUrl: () => 'http://pages',
    now,
    log,
  });
  return {
    made,
    rows,
    fleetRows,
    engines,
    late: createLateNotes(rows, clock),
    /** Works a bin when it is due. */
    close(bin: number, shard = 'organisation', passed = 0) {
      time.nowMs = clock.closesAt(bin);
      return tick({ shard, bin, passed });
    },
  };
};
