import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openInProcessJobs } from '#collector/jobs/in-process.ts';
import type { Jobs } from '#collector/jobs/jobs.ts';
import * as tables from '#collector/state/schema.ts';
import type { State } from '#collector/state/state.ts';
import { openStore } from '#collector/store/open.ts';
import type { Store } from '#collector/store/store.ts';
import { silentLog } from '#runtime/log.ts';
import { openEmptyState } from './empty-state.ts';

type Table = Parameters<State['db']['delete']>[0];

export type CollectorParts = {
  store: Store;
  state: State;
  jobs: Jobs;
  empty(...emptied: Table[]): Promise<void>;
  /** What the organisation has, as a newer version each time; without `applications` it is CRM alone. */
  declare(document: object): Promise<void>;
  stop(): Promise<void>;
};

/** What a collector on one machine stands on, in a temporary folder: store, state and queue. */
export const openCollectorParts = async (): Promise<CollectorParts> => {
  const folder = await mkdtemp(join(tmpdir(), 'whyslow-parts-'));
  const [store, state] = await Promise.all([
    openStore({ engine: 'duckdb', file: join(folder, 'series.duckdb') }),
    openEmptyState(join(folder, 'state')),
  ]);
  const jobs = openInProcessJobs({ state, log: silentLog() });
  let version = 0;
  return {
    store,
    state,
    jobs,
    async empty(...emptied) {
      for (const table of emptied) await state.db.delete(table);
    },
    async declare(more) {
      version += 1;
      const applications = [{ id: 'crm', name: 'CRM', hosts: [], probes: [] }];
      const document = { version: 1, applications, ...more };
      await state.db
        .insert(tables.organisationVersions)
        .values({ version, document, author: 'test', appliedAt: 0 });
    },
    async stop() {
      await jobs.stop();
      await Promise.all([store.stop(), state.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
};
