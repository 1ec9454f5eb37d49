import { startInfluxdb } from '#test/support/influxdb.ts';
import { startPostgres } from '#test/support/postgres.ts';
import { startRedis } from '#test/support/redis.ts';
import { mountSmallDisk } from '#test/support/small-disk.ts';
import { serverMember } from './member.ts';

/** The engines, InfluxDB on a disk that can be filled where we may mount one. */
export const startServers = async () => {
  const disk = process.getuid?.() === 0 ? mountSmallDisk(256) : undefined;
  const [redis, influxdb, postgres] = await Promise.all([
    startRedis(),
    startInfluxdb(disk === undefined ? {} : { folder: disk.folder }),
    startPostgres(),
  ]);
  return {
    disk,
    influxUrl: influxdb.url,
    config: {
      store: { engine: 'influxdb', url: influxdb.url, database: 'whyslow' },
      state: { engine: 'postgres', url: postgres.url },
      jobs: { engine: 'bullmq', redisUrl: redis.url, prefix: 'chaos' },
    } as const,
    members: [
      serverMember('redis', redis),
      serverMember('influxdb', influxdb),
      serverMember('postgres', postgres),
    ],
    async stop(): Promise<void> {
      await Promise.allSettled([redis.stop(), influxdb.kill(), postgres.stop()]);
      disk?.remove();
    },
  };
};
