import { join } from 'node:path';
import { createLabelRows } from '#collector/state/label-rows.ts';
import { openStore } from '#collector/store/open.ts';
import { openEmptyState } from '#test/support/empty-state.ts';
import { startInfluxdb } from '#test/support/influxdb.ts';
import { makeFolder, removeFolder } from '#test/support/server-process.ts';
import { rollupContract } from './rollup.contract.ts';

rollupContract('InfluxDB', async () => {
  const folder = makeFolder('rollup');
  const server = await startInfluxdb();
  const state = await openEmptyState(join(folder, 'state'));
  const store = await openStore({
    engine: 'influxdb',
    url: server.url,
    database: 'rollup',
    labelNumbers: createLabelRows(state.db),
  });
  return {
    store,
    state,
    close: async () => {
      await store.stop();
      await server.stop();
      await state.stop();
      removeFolder(folder);
    },
  };
});
