import { createConnection } from 'node:net';
import {
  findProgram,
  freePort,
  makeFolder,
  removeFolder,
  type ServerProcess,
  startServerProcess,
  withRetries,
} from './server-process.ts';

export type RedisServer = ServerProcess & {
  url: string;
  port: number;
  restart(): Promise<void>;
  /** A command as redis-cli takes it, for looking and for breaking things. */
  command(line: string): Promise<string>;
};

/** Debian's Redis on a free port, its data (append-only file) in a folder that `stop` removes. */
export const startRedis = (options: { maxmemoryPolicy?: string } = {}): Promise<RedisServer> =>
  withRetries(async () => {
    const program = findProgram('redis-server', 'redis-server');
    const folder = makeFolder('redis');
    try {
      const port = await freePort();
      const start = () =>
        startServerProcess({
          name: 'redis-server',
          command: program,
          args: [
            ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder],
            ...['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''],
            ...['--maxmemory-policy', options.maxmemoryPolicy ?? 'noeviction'],
          ],
          folder,
          ready: async () => (await send(port, 'PING')).startsWith('+PONG'),
        });
      let running = await start();
      return {
        url: `redis://127.0.0.1:${port}`,
        port,
        get pid() {
          return running.pid;
        },
        command: (line: string) => send(port, line),
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

/** One inline command, its first packet of answer. */
const send = (port: number, line: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write(`${line}\r\n`));
    socket.setTimeout(5_000, () => socket.destroy(new Error('redis did not answer')));
    socket.once('data', (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.once('error', reject);
  });
