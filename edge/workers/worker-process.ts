import { type ChildProcess, fork } from 'node:child_process';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { ForwarderCounts, ForwarderReading, ListenerName } from '../forwarder.ts';
import type { FromWorker, ToWorker, WorkerAnswer, WorkerNews, WorkerStart } from './messages.ts';

/** A worker as its supervisor sees it. */
export type WorkerProcess = {
  pid: number | undefined;
  isReady(): boolean;
  /** Resolves once it serves; rejects with its reason when it cannot. */
  ready: Promise<void>;
  /** Says how, when it has ended. */
  ended: Promise<string>;
  tell(message: ToWorker): void;
  hand(socket: Socket, listener: ListenerName): void;
  /** Undefined: it did not answer in time. */
  read(): Promise<{ reading: ForwarderReading; counts: ForwarderCounts } | undefined>;
  kill(): void;
};

/** A worker whose loop stands still for so long serves nobody any more. */
const answerWithinMs = 30_000;
/** For what an ended worker said before and nobody has read yet. */
const defaultLastWordsMs = 5_000;

type Told = { message: (message: WorkerNews) => void; connectionClosed: () => void };

export const forkWorker = (start: WorkerStart, on: Told): WorkerProcess =>
  followWorker(forkChild(), { start, on });

export const followWorker = (
  child: ChildProcess,
  { start, on, lastWordsMs }: { start: WorkerStart; on: Told; lastWordsMs?: number },
): WorkerProcess => {
  const waiting = new Map<number, (answer: WorkerAnswer) => void>();
  let lastId = 0;
  let isReady = false;
  let hasEnded = false;

  const tell = (message: ToWorker): void => {
    if (child.connected) child.send(message, () => {});
  };
  const ended = endOf(child, lastWordsMs ?? defaultLastWordsMs);
  const ready = new Promise<void>((resolve, reject) => {
    child.on('message', (message: FromWorker) => {
      // Another has its place by now.
      if (hasEnded) return;
      if (message.type === 'reading') {
        waiting.get(message.id)?.(message);
        return;
      }
      if (message.type === 'ready') {
        isReady = true;
        return resolve();
      }
      if (message.type === 'failed') return reject(new Error(message.reason));
      if (message.type === 'connection-closed') return on.connectionClosed();
      on.message(message);
    });
    void ended.then((how) => reject(new Error(`a worker ended while it started: ${how}`)));
  });
  // It is told by `ended` too; not every caller waits for a start.
  ready.catch(() => {});
  // What is sent to a child that is just ending.
  child.on('error', () => {});
  child.once('exit', () => {
    isReady = false;
  });
  void ended.then(() => {
    hasEnded = true;
  });
  tell({ type: 'start', ...start });

  return {
    pid: child.pid,
    isReady: () => isReady && child.connected,
    ready,
    ended,
    tell,
    hand(socket, listener) {
      child.send({ type: 'socket', listener } satisfies ToWorker, socket, (error) => {
        if (error) socket.destroy();
      });
    },
    read() {
      lastId += 1;
      const id = lastId;
      tell({ type: 'read', id });
      return new Promise((resolve) => {
        const settle = (message?: WorkerAnswer) => {
          clearTimeout(timer);
          waiting.delete(id);
          resolve(message && { reading: message.reading, counts: message.counts });
        };
        const timer = setTimeout(settle, answerWithinMs, undefined);
        waiting.set(id, settle);
        void ended.then(() => settle());
      });
    },
    kill: () => void child.kill('SIGKILL'),
  };
};

/** Its exit, and the end of its channel: what it said may be read after the exit. */
const endOf = (child: ChildProcess, lastWordsMs: number): Promise<string> =>
  new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      const how = signal ?? `exit code ${code}`;
      if (!child.connected) return resolve(how);
      const timer = setTimeout(resolve, lastWordsMs, how);
      child.once('disconnect', () => {
        clearTimeout(timer);
        resolve(how);
      });
    });
    child.once('error', (error) => resolve(error.message));
  });

const forkChild = (): ChildProcess => {
  const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const entry = fileURLToPath(new URL('./worker-child.ts', import.meta.url));
  return fork(entry, [], {
    execArgv: ['--import', loader],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
};
