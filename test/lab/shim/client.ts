import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createConnection, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Impairment, QueueCounters, Shim, ShimQueue } from './control.ts';
import type { Answer, Order, Report, Request } from './protocol.ts';
import { readLines } from './read-lines.ts';

/**
 * Starts the shim as a process that outlives this one; resolves when all queues are bound. It ends
 * with SIGTERM, with `stop`, or when its socket's file is gone. Where it dies, packets pass
 * undelayed (`--queue-bypass`).
 */
export const startShim = async (given: {
  queues: ShimQueue[];
  socketPath: string;
  logFile: string;
}): Promise<{ pid: number }> => {
  const { queues, socketPath, logFile } = given;
  const log = openSync(logFile, 'a', 0o600);
  // The path is for people who read the process list. Collecting garbage in other threads would
  // stop the timing thread at moments of their choosing.
  const child = spawn(
    process.execPath,
    ['--single-threaded-gc', '--import', loaderUrl(), mainFile(), socketPath],
    { cwd: '/', detached: true, stdio: ['ignore', log, log, 'ipc'] },
  );
  closeSync(log);
  const ended = once(child, 'exit').then(() => ({ error: `it ended early; see ${logFile}` }));
  await once(child, 'spawn');
  child.send({ socketPath, queues } satisfies Order, () => {});
  const report = (await Promise.race([once(child, 'message').then(([it]) => it), ended])) as Report;
  if ('error' in report) throw new Error(`the shim did not start: ${report.error}`);
  if (child.connected) child.disconnect();
  child.unref();
  return { pid: child.pid as number };
};

const mainFile = (): string => fileURLToPath(new URL('./main.ts', import.meta.url));
const loaderUrl = (): string =>
  new URL(`file://${createRequire(import.meta.url).resolve('tsx')}`).href;

/** Several processes may be connected at once. */
export const connectShim = async (socketPath: string): Promise<Shim> => {
  const connection = createConnection(socketPath);
  await once(connection, 'connect');
  const ask = createAsker(connection);
  return {
    set: async (key, change) => void (await ask({ type: 'set', key, change })),
    get: (key) => ask({ type: 'get', key }) as Promise<Impairment>,
    counters: () => ask({ type: 'counters' }) as Promise<Record<string, QueueCounters>>,
    stop: async () => {
      await ask({ type: 'stop' });
      connection.destroy();
    },
    close: () => void connection.destroy(),
  };
};

type Question = Request extends infer R ? (R extends Request ? Omit<R, 'id'> : never) : never;
type Pending = { resolve: (value: unknown) => void; reject: (error: Error) => void };

const createAsker = (connection: Socket): ((question: Question) => Promise<unknown>) => {
  const pending = new Map<number, Pending>();
  let lastId = 0;
  readLines(connection, (line) => {
    const answer = JSON.parse(line) as Answer;
    const asked = pending.get(answer.id);
    pending.delete(answer.id);
    if ('error' in answer) asked?.reject(new Error(answer.error));
    else asked?.resolve(answer.value);
  });
  connection
    .on('error', () => {})
    .once('close', () => {
      for (const { reject } of pending.values()) reject(new Error('the shim has ended'));
      pending.clear();
    });
  return (question) =>
    new Promise((resolve, reject) => {
      if (connection.destroyed) return reject(new Error('the connection to the shim is closed'));
      lastId += 1;
      pending.set(lastId, { resolve, reject });
      connection.write(`${JSON.stringify({ id: lastId, ...question })}\n`);
    });
};
