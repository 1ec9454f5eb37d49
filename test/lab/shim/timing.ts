import { parentPort, workerData } from 'node:worker_threads';
import { setSchedulingFifo, setTimerSlack } from '../kernel/scheduling.ts';
import { createSleeper, createWaiter, type Waiter } from '../kernel/wait.ts';
import type { ShimQueue } from './control.ts';
import { Lines } from './lines.ts';
import { Pace, pauseMs } from './pace.ts';
import type { Shared } from './shared.ts';

/** What the timing thread is started with. */
export type TimingOrder = { queues: readonly ShimQueue[]; shared: Shared };

/** What it says once all queues are bound. What it throws reaches its starter as `error`. */
export type TimingReport = { isRealTime: boolean };

const longestDrainMs = 50;
const quietMs = 5;
const fifoPriority = 10;

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
  const waiter = createWaiter(lines.descriptors);
  const sleep = createSleeper();
  // What came while the queues were bound; a descriptor may have nothing more to say.
  lines.descriptors.forEach((_, index) => {
    lines.take(index, performance.now());
  });
  const pace = new Pace(performance.now());
  while (Atomics.load(stop, 0) === 0) {
    const { isBusy } = pace;
    if (isBusy) sleep(pauseMs);
    const readyCount = waiter.wait(pace.waitMs(performance.now(), lines.nextDueMs));
    const nowMs = performance.now();
    pace.woke(nowMs, readyCount > 0);
    const cameAtMs = isBusy ? nowMs - pauseMs / 2 : nowMs;
    for (let at = 0; at < readyCount; at += 1) lines.take(waiter.ready(at), cameAtMs);
    lines.release(nowMs + pauseMs / 2);
  }
  drain(lines, waiter);
}

/**
 * Lets all go, also the answers that this brings forth: the kernel drops what is in a queue when its
 * socket closes. Under steady traffic there is always one more, so this ends.
 */
function drain(lines: Lines, waiter: Waiter): void {
  const endAtMs = performance.now() + longestDrainMs;
  let readyCount = 1;
  while (readyCount > 0 && performance.now() < endAtMs) {
    lines.release(Number.POSITIVE_INFINITY);
    readyCount = waiter.wait(quietMs);
    for (let at = 0; at < readyCount; at += 1) lines.take(waiter.ready(at), performance.now());
  }
  lines.release(Number.POSITIVE_INFINITY);
}
