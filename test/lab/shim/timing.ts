import { parentPort, workerData } from 'node:worker_threads';
import { setSchedulingFifo, setTimerSlack } from '../kernel/scheduling.ts';
import { createWaiter, type Waiter } from '../kernel/wait.ts';
import type { ShimQueue } from './control.ts';
import { Lines } from './lines.ts';
import type { Shared } from './shared.ts';

/** What the timing thread is started with. */
export type TimingOrder = { queues: readonly ShimQueue[]; shared: Shared };

/** What it says once all queues are bound. What it throws reaches its starter as `error`. */
export type TimingReport = { isRealTime: boolean };

/** How late `stop` may be seen when nothing else wakes the thread. */
const longestWaitMs = 100;
const longestDrainMs = 50;
const quietMs = 5;
const fifoPriority = 10;
/**
 * The shortest time from one wake-up to the next. Waking costs far more than a packet does (60 % of
 * a core at 20,000 packets a second, 23 % with this), so under load several share one. Packets go
 * half of it early to half of it late, so the mean is right.
 */
const roundMs = 0.05;

run(workerData as TimingOrder);

function run({ queues, shared }: TimingOrder): void {
  const lines = new Lines(queues, shared);
  setTimerSlack(1);
  const isRealTime = setSchedulingFifo(fifoPriority);
  parentPort?.postMessage({ isRealTime } satisfies TimingReport);
  keepTime(lines, shared.stop);
}

/** The thread's whole life: it never returns to the event loop, so no message disturbs it. */
function keepTime(lines: Lines, stop: Int32Array): void {
  const { descriptors } = lines;
  const waiter = createWaiter(descriptors);
  // What came while the queues were bound; a descriptor may have nothing more to say.
  descriptors.forEach((_, index) => {
    lines.take(index, performance.now());
  });
  let wokenAtMs = 0;
  while (Atomics.load(stop, 0) === 0) {
    lines.release(performance.now() + roundMs / 2);
    const pauseMs = Math.max(0, wokenAtMs + roundMs - performance.now());
    if (pauseMs > 0) waiter.pause(pauseMs);
    const untilDueMs = Math.max(0, lines.nextDueMs - performance.now());
    waiter.wait(Math.min(longestWaitMs, untilDueMs));
    wokenAtMs = performance.now();
    for (let index = 0; index < descriptors.length; index += 1) {
      // Packets came at any moment of the pause: half of it ago in the mean.
      if (waiter.isReady(index)) lines.take(index, wokenAtMs - pauseMs / 2);
    }
  }
  drain(lines, waiter);
}

/**
 * Lets all go, also the answers that this brings forth: the kernel drops what is in a queue when its
 * socket closes. Under steady traffic there is always one more, so this ends.
 */
function drain(lines: Lines, waiter: Waiter): void {
  const endAtMs = performance.now() + longestDrainMs;
  let isQuiet = false;
  while (!isQuiet && performance.now() < endAtMs) {
    lines.release(Number.POSITIVE_INFINITY);
    waiter.wait(quietMs);
    isQuiet = true;
    lines.descriptors.forEach((_, index) => {
      if (!waiter.isReady(index)) return;
      isQuiet = false;
      lines.take(index, performance.now());
    });
  }
  lines.release(Number.POSITIVE_INFINITY);
}
