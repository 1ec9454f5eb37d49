import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  findProgram,
  freePort,
  makeFolder,
  removeFolder,
  type ServerProcess,
  startServerProcess,
  withRetries,
} from './server-process.ts';

export type InfluxdbServer = Omit<ServerProcess, 'kill'> & {
  url: string;
  /** As a crash, and up again on the same port and folder. */
  restart(): Promise<void>;
  kill(): Promise<void>;
};

/** Debian's InfluxDB 1.6 on a free port, its data in a folder that `stop` removes. */
export const startInfluxdb = (
  options: { auth?: boolean; maxValuesPerTag?: number; folder?: string } = {},
): Promise<InfluxdbServer> =>
  withRetries(async () => {
    const influxd = findProgram('influxd', 'influxdb');
    const folder = options.folder ?? makeFolder('influxdb');
    try {
      const [port, rpcPort] = [await freePort(), await freePort()];
      const configFile = join(folder, 'influxdb.conf');
      writeFileSync(configFile, configText(folder, port, rpcPort, options));
      for (const name of ['meta', 'data', 'wal']) mkdirSync(join(folder, name));
      const url = `http://127.0.0.1:${port}`;
      const start = () =>
        startServerProcess({
          name: 'influxd',
          command: influxd,
          args: ['-config', configFile],
          folder,
          ready: async () => (await fetch(`${url}/ping`)).status === 204,
        });
      let running = await start();
      return {
        url,
        get pid() {
          return running.pid;
        },
        pause: () => running.pause(),
        resume: () => running.resume(),
        kill: () => running.kill(),
        async restart() {
          await running.kill();
          running = await start();
        },
        async stop() {
          await running.stop();
          removeFolder(folder);
        },
      };
    } catch (error) {
      removeFolder(folder);
      throw error;
    }
  });

const configText = (
  folder: string,
  port: number,
  rpcPort: number,
  options: { auth?: boolean; maxValuesPerTag?: number },
): string => `
reporting-disabled = true
bind-address = "127.0.0.1:${rpcPort}"
[meta]
  dir = "${folder}/meta"
[data]
  dir = "${folder}/data"
  wal-dir = "${folder}/wal"
  max-values-per-tag = ${options.maxValuesPerTag ?? 100_000}
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:${port}"
  auth-enabled = ${options.auth === true}
  log-enabled = false
[monitor]
  store-enabled = false
[logging]
  level = "warn"
`;
