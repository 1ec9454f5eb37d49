import type { Socket } from 'node:net';
import type { Log } from '#runtime/log.ts';
import type { ListenerName } from '../forwarder.ts';
import type { ToWorker, WorkerNews, WorkerStart } from './messages.ts';
import { forkWorker, type WorkerProcess } from './worker-process.ts';

/** After a worker that lived shorter than this, the next one waits: it may end the same way. */
const shortLifeMs = 10_000;
const waitMs = { first: 100, most: 10_000 };
/** For workers to cut what the drain left, before they are killed. */
const endGraceMs = 5_000;

type Seat = { index: number; worker: WorkerProcess; openCount: number };

/** The workers of an edge: as many as there are to be, each replaced when it ends by itself. */
export const createCrew = (parts: {
  count: number;
  begin: (index: number) => WorkerStart;
  /** Before it gets connections. */
  onReady: (tell: (message: ToWorker) => void) => void;
  onMessage: (message: WorkerNews, index: number) => void;
  onGone: (index: number) => void;
  onReplaced: (reason: string) => void;
  log: Log;
}) => {
  const seats: (Seat | undefined)[] = [];
  const timers = new Set<NodeJS.Timeout>();
  let isStopping = false;
  let nextFirst = 0;

  const begin = (index: number, delayMs: number): WorkerProcess => {
    const begunMs = performance.now();
    const worker = forkWorker(parts.begin(index), {
      message: (message) => parts.onMessage(message, index),
      connectionClosed() {
        seat.openCount -= 1;
      },
    });
    const seat: Seat = { index, worker, openCount: 0 };
    seats[index] = seat;
    worker.ready.then(() => parts.onReady(worker.tell)).catch(() => worker.kill());
    void worker.ended.then((how) => {
      parts.onGone(index);
      seats[index] = undefined;
      if (isStopping) return;
      const isShort = performance.now() - begunMs < shortLifeMs;
      const wait = isShort ? Math.min(waitMs.most, Math.max(waitMs.first, delayMs * 2)) : 0;
      const reason = `worker ${index} (process ${worker.pid}) ended: ${how}`;
      parts.log.error({ component: 'supervisor', worker: index, how }, 'worker ended, replaced');
      parts.onReplaced(reason);
      const timer = setTimeout(() => {
        timers.delete(timer);
        begin(index, wait);
      }, wait);
      timers.add(timer);
    });
    return worker;
  };
  const first = Array.from({ length: parts.count }, (_, index) => begin(index, 0));
  // A supervisor that ends at once, by a second signal, takes its workers with it.
  const killAll = () => {
    for (const { worker } of all()) worker.kill();
  };
  process.once('exit', killAll);
  const all = () => seats.filter((seat) => seat !== undefined);
  const readAll = () =>
    all().map(async ({ worker, index }) => {
      if (!worker.isReady()) return [];
      const answer = await worker.read();
      if (answer || !worker.isReady()) return answer ?? [];
      parts.log.error({ component: 'supervisor', worker: index }, 'worker does not answer');
      worker.kill();
      return [];
    });

  return {
    ready: async (): Promise<void> => {
      await Promise.all(first.map((worker) => worker.ready));
    },
    tell: (index: number, message: ToWorker): void => seats[index]?.worker.tell(message),
    /** Also to those that are starting. */
    tellAll(message: ToWorker): void {
      for (const { worker } of all()) worker.tell(message);
    },
    /** To the worker with the fewest connections; where several have as few, they take turns. */
    hand(socket: Socket, listener: ListenerName): void {
      nextFirst = (nextFirst + 1) % parts.count;
      const ready = [...all().slice(nextFirst), ...all().slice(0, nextFirst)].filter(({ worker }) =>
        worker.isReady(),
      );
      ready.sort((a, b) => a.openCount - b.openCount);
      const [least] = ready;
      if (!least) {
        socket.destroy();
        return;
      }
      least.openCount += 1;
      least.worker.hand(socket, listener);
    },
    read: async () => (await Promise.all(readAll())).flat(),
    /** Resolves when all have ended: drained, cut, or after a grace killed. */
    async stop(drainMs: number): Promise<void> {
      isStopping = true;
      for (const timer of timers) clearTimeout(timer);
      const timer = setTimeout(killAll, drainMs + endGraceMs);
      for (const { worker } of all()) worker.tell({ type: 'drain', drainMs });
      await Promise.all(all().map(({ worker }) => worker.ended));
      clearTimeout(timer);
      process.off('exit', killAll);
    },
  };
};
