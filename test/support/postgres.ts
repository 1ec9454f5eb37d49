import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync } from 'node:fs';
import { createConnection } from 'node:net';
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

export type PostgresServer = ServerProcess & {
  url: string;
  port: number;
  restart(): Promise<void>;
};

/** Debian's PostgreSQL on a free port, its data in a folder that `stop` removes. */
export const startPostgres = (options: { folder?: string } = {}): Promise<PostgresServer> =>
  withRetries(async () => {
    const bin = binFolders();
    const initdb = findProgram('initdb', 'postgresql', bin);
    const postgres = findProgram('postgres', 'postgresql', bin);
    const folder = options.folder ?? makeFolder('postgres');
    try {
      const user = serverUser();
      const data = join(folder, 'data');
      mkdirSync(data, { mode: 0o700 });
      if (user) for (const path of [folder, data]) chownSync(path, user.uid, user.gid);
      execFileSync(
        initdb,
        ['-D', data, '-U', 'whyslow', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
        { cwd: folder, stdio: 'pipe', ...user },
      );
      const port = await freePort();
      const start = () =>
        startServerProcess({
          name: 'postgres',
          command: postgres,
          args: ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', folder],
          folder,
          ...user,
          ready: () => speaksPostgres(port),
        });
      let running = await start();
      return {
        url: `postgres://whyslow@127.0.0.1:${port}/postgres`,
        port,
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

/** Debian keeps the servers out of PATH, one folder a version. */
const binFolders = (): string[] => {
  const root = '/usr/lib/postgresql';
  try {
    return readdirSync(root).map((version) => join(root, version, 'bin'));
  } catch {
    return [];
  }
};

/** PostgreSQL refuses to run as root: then as the user Debian made for it. */
const serverUser = (): { uid: number; gid: number } | undefined => {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
};

/** A start-up packet (PostgreSQL's protocol, 55.2.1): "R" comes when it serves, "E" until then. */
const speaksPostgres = (port: number): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const parameters = Buffer.from('user\0whyslow\0database\0postgres\0\0');
    const head = Buffer.alloc(8);
    head.writeInt32BE(8 + parameters.length, 0);
    head.writeInt32BE(196_608, 4);
    const socket = createConnection(port, '127.0.0.1', () => {
      socket.write(Buffer.concat([head, parameters]));
    });
    socket.setTimeout(1_000, () => socket.destroy(new Error('no answer')));
    socket.once('data', (data) => {
      resolve(data.toString('latin1').startsWith('R'));
      socket.destroy();
    });
    socket.once('error', reject);
  });
