import { join } from 'node:path';
import type { CollectorProgramConfig } from './config.ts';

/** Where a tenant's things are. Without a tenant: the names as they are configured. */
export type TenantPlaces = Pick<CollectorProgramConfig, 'store' | 'jobs' | 'stateFolder'> & {
  state: CollectorProgramConfig['state'] & { schema?: string };
};

/**
 * Tenants share engines and nothing in them: each has a PostgreSQL schema, an InfluxDB database, a
 * prefix in Redis and a folder of its own, in which lie its own CA and operators.
 */
export const tenantPlaces = (config: CollectorProgramConfig): TenantPlaces => {
  const { tenant, store, state, jobs, stateFolder } = config;
  if (tenant === undefined) return { store, state, jobs, stateFolder };
  return {
    store:
      store.engine === 'influxdb' ? { ...store, database: `${store.database}_${tenant}` } : store,
    state: state.engine === 'postgres' ? { ...state, schema: `whyslow_${tenant}` } : state,
    jobs:
      jobs.engine === 'bullmq'
        ? { ...jobs, prefix: `${jobs.prefix ?? 'whyslow'}_${tenant}` }
        : jobs,
    // The first operator's token lies in it: in a shared one it would open both.
    stateFolder: join(stateFolder, 'tenants', tenant),
  };
};
