import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '#collector/store/open.ts';
import { storeContract } from './store.contract.ts';

storeContract('DuckDB', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'whyslow-duckdb-'));
  const store = await openStore({ engine: 'duckdb', file: join(folder, 'series.duckdb') });
  return {
    store,
    async stop() {
      await store.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
});
