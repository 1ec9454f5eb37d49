import { randomUUID } from 'node:crypto';
import type { Log } from '#runtime/log.ts';
import type { EngineRows } from '../control/engine-rows.ts';
import type { Fleet } from '../control/fleet.ts';
import type { FleetRows } from '../control/fleet-rows.ts';
import type { OrganisationVersions } from '../control/organisation-versions.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Store } from '../store/store.ts';
import type { BinClock } from './bin-clock.ts';
import { startEngineThread } from './engine-thread.ts';
import { createEngines } from './engines.ts';
import { createFactsReader } from './facts.ts';
import { type Sharding, shardNames } from './shards.ts';
import { createTick } from './tick.ts';
import { startTickTimer } from './tick-timer.ts';

/** The fleet's diagnosis as this collector runs it: the tick job's handler, and the clock that asks for it. */
export const startFleetDiagnosis = (parts: {
  store: Store;
  jobs: Jobs;
  fleet: Fleet;
  organisations: OrganisationVersions;
  fleetRows: FleetRows;
  engineRows: EngineRows;
  clock: BinClock;
  shardBy: Sharding;
  pagesUrl: () => string;
  now: () => number;
  log: Log;
}) => {
  const { clock, engineRows: rows } = parts;
  const log = parts.log.child({ component: 'fleet' });
  const worker = randomUUID();
  const readFacts = createFactsReader(parts);
  const engines = createEngines({
    make: startEngineThread,
    rows,
    readFacts,
    binMs: clock.binMs,
    worker,
    log,
  });
  const tick = createTick({ ...parts, rows, engines, worker });
  const timer = startTickTimer({
    ...parts,
    shards: async () => {
      if (parts.shardBy === 'organisation') return shardNames(parts.shardBy, []);
      const edges = await parts.fleet.activeEdges();
      return shardNames(
        parts.shardBy,
        edges.map(({ id }) => id),
      );
    },
    onError: (error) => log.warn({ err: error }, 'bins not asked for'),
  });
  return {
    tick,
    async stop(): Promise<void> {
      timer.stop();
      await engines.stop();
    },
  };
};
