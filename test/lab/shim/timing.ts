import { parentPort, workerData } from 'node:worker_threads';
import { setSchedulingFifo, setTimerSlack } from '../kernel/scheduling.ts';
import { createWaiter } from '../kernel/wait.ts';
import type { ShimQueue } from './control.ts';
import { Delays } from './delays.ts';
import { dueOf, type Lane, lost, newLane } from './impair.ts';
import { createPacketInbox, openQueues, type QueueSocket } from './nfqueue.ts';
import { droppedAt, goneAt, impairmentOffset, packetsAt, type Shared } from './shared.ts';

/** What the timing thread is started with. */
export type TimingOrder = { queues: readonly ShimQueue[]; shared: Shared };

/** What it says: once that all queues are bound. What it throws reaches the starter as `error`. */
export type TimingReport = { isRealTime: boolean };

/** How late `stop` may be seen when nothing else wakes the thread. */
const longestWaitMs = 100;
const fifoPriority = 10;

run(workerData as TimingOrder);

function run({ queues, shared }: TimingOrder): void {
  setTimerSlack(1);
  const delays = new Delays();
  const lines = openLines(queues, shared, delays);
  const isRealTime = setSchedulingFifo(fifoPriority);
  parentPort?.postMessage({ isRealTime } satisfies TimingReport);
  keepTime(lines, delays, shared);
}

type Lines = {
  sockets: QueueSocket[];
  /** What to do with a packet of that socket's namespace. */
  arrivals: ((queueNumber: number, packet: number) => void)[];
  release: (queue: number, packet: number) => void;
};

/** Opens a socket per namespace. From now on packets are stamped and wait. */
function openLines(queues: readonly ShimQueue[], shared: Shared, delays: Delays): Lines {
  const { impairments, counters } = shared;
  const inbox = createPacketInbox();
  const lanes: Lane[] = queues.map(newLane);
  const sockets: QueueSocket[] = [];
  const arrivals: Lines['arrivals'] = [];
  const socketOf: QueueSocket[] = [];
  const numberOf = queues.map(({ queueNumber }) => queueNumber);
  const decide = (queue: number, packet: number, isAccepted: boolean) =>
    (socketOf[queue] as QueueSocket).decide(numberOf[queue] as number, packet, isAccepted);

  for (const namespace of new Set(queues.map((queue) => queue.namespace))) {
    const queueOf = new Map<number, number>();
    queues.forEach((queue, index) => {
      if (queue.namespace === namespace) queueOf.set(queue.queueNumber, index);
    });
    const early: [number, number][] = [];
    const arrive = (queueNumber: number, packet: number) => {
      const queue = queueOf.get(queueNumber) as number;
      const dueMs = dueOf(
        impairments,
        impairmentOffset(queue),
        lanes[queue] as Lane,
        performance.now(),
        Math.random,
      );
      count(counters, packetsAt(queue));
      if (dueMs !== lost) return delays.add(queue, packet, dueMs);
      count(counters, droppedAt(queue));
      decide(queue, packet, false);
    };
    const socket = openQueues(namespace, [...queueOf.keys()], inbox, (queueNumber, packet) =>
      early.push([queueNumber, packet]),
    );
    for (const queue of queueOf.values()) socketOf[queue] = socket;
    for (const [queueNumber, packet] of early) arrive(queueNumber, packet);
    sockets.push(socket);
    arrivals.push(arrive);
  }
  const release = (queue: number, packet: number) => {
    count(counters, goneAt(queue));
    decide(queue, packet, true);
  };
  return { sockets, arrivals, release };
}

function count(counters: Float64Array, at: number): void {
  counters[at] = (counters[at] as number) + 1;
}

/** The thread's whole life: never returns to the event loop, so no message disturbs it. */
function keepTime({ sockets, arrivals, release }: Lines, delays: Delays, { stop }: Shared): void {
  const waiter = createWaiter(sockets.map(({ descriptor }) => descriptor));
  const flush = () => {
    for (const socket of sockets) socket.flush();
  };
  while (Atomics.load(stop, 0) === 0) {
    delays.takeDue(performance.now(), release);
    flush();
    waiter.wait(Math.min(longestWaitMs, Math.max(0, delays.nextDueMs - performance.now())));
    for (let index = 0; index < sockets.length; index += 1) {
      if (waiter.isReady(index)) (sockets[index] as QueueSocket).receive(arrivals[index] as never);
    }
  }
  delays.takeDue(Number.POSITIVE_INFINITY, release);
  flush();
}
