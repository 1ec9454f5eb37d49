import { join } from 'node:path';
import { openStore } from '#collector/store/open.ts';
import { openEmptyState } from '#test/support/empty-state.ts';
import { makeFolder, removeFolder } from '#test/support/server-process.ts';
import { rollupContract } from './rollup.contract.ts';

rollupContract('DuckDB', async () => {
  const folder = makeFolder('rollup');
  const state = await openEmptyState(join(folder, 'state'));
  const store = await openStore({ engine: 'duckdb', file: join(folder, 'series.duckdb') });
  return {
    store,
    state,
    close: async () => {
      await store.stop();
      await state.stop();
      removeFolder(folder);
    },
  };
});
