import { openDuckdb } from './duckdb.ts';
import type { LabelNumbers } from './influx-labels.ts';
import type { Store } from './store.ts';

export type StoreConfig =
  | { engine: 'duckdb'; file: string; memoryLimitMb?: number }
  | {
      engine: 'influxdb';
      url: string;
      database: string;
      token?: string;
      username?: string;
      password?: string;
      retentionPolicy?: string;
      /** Shared by all collectors that write to this database. */
      labelNumbers: LabelNumbers;
    };

/**
 * Opens the series store. Throws StoreUnavailable when the engine does not answer, and a plain
 * Error when it never will (file in use, a stored field of another kind, an older version's
 * database).
 */
export const openStore = async (config: StoreConfig): Promise<Store> => {
  if (config.engine === 'duckdb') return openDuckdb(config);
  const { openInfluxdb } = await import('./influx.ts');
  return openInfluxdb(config);
};
