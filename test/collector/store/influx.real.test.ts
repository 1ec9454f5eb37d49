import { openStore } from '#collector/store/open.ts';
import { startInfluxdb } from '#test/support/influxdb.ts';
import { storeContract } from './store.contract.ts';

storeContract('InfluxDB 1.6', async () => {
  const server = await startInfluxdb();
  const store = await openStore({ engine: 'influxdb', url: server.url, database: 'whyslow' });
  return {
    store,
    async stop() {
      await store.stop();
      await server.stop();
    },
  };
});
