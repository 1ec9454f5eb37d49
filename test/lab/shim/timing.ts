import { parentPort, workerData } from 'node:worker_threads';
import { setSchedulingFifo, setTimerSlack } from '../kernel/scheduling.ts';
import { createSleeper, createWaiter, type Waiter } from '../kernel/wait.ts';
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
 * Waking costs far more than a packet does: at 20,000 packets a second 60 % of a core. So whoever
 * wakes more often than `freeWakesPerMs` pauses before the next time, and packets share it (18 % of
 * a core). What is due within half a pause goes early, as what comes in a pause was there for half
 * of it in the mean: the mean delay is right.
 */
const freeWakesPerMs = 4;
const mostFreeWakes = 40;
const pauseMs = 0.05;
/** More is no habit of the processor's but another's work. */
const mostLateMs = 0.1;

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
  const alarm = createAlarm(waiter);
  let freeWakes = mostFreeWakes;
  let wokenAtMs = performance.now();
  while (Atomics.load(stop, 0) === 0) {
    const isBusy = freeWakes < 1;
    if (isBusy) sleep(pauseMs);
    const readyCount = alarm.waitUntil(lines.nextDueMs);
    const nowMs = performance.now();
    freeWakes = Math.min(mostFreeWakes, freeWakes - 1 + (nowMs - wokenAtMs) * freeWakesPerMs);
    wokenAtMs = nowMs;
    const cameAtMs = isBusy ? nowMs - pauseMs / 2 : nowMs;
    for (let at = 0; at < readyCount; at += 1) lines.take(waiter.ready(at), cameAtMs);
    lines.release(nowMs + pauseMs / 2);
  }
  drain(lines, waiter);
}

/**
 * A processor that sleeps takes its time to wake, in a virtual machine 50 µs and more, at every link
 * of a path. So the alarm is set earlier by what it was late before.
 */
function createAlarm(waiter: Waiter) {
  let lateMs = 0;
  return {
    waitUntil(dueMs: number): number {
      const startedAtMs = performance.now();
      const waitMs = Math.min(longestWaitMs, dueMs - startedAtMs - lateMs);
      const readyCount = waiter.wait(Math.max(0, waitMs));
      if (readyCount === 0 && waitMs > 0) {
        const nowLateMs = performance.now() - startedAtMs - waitMs;
        lateMs += (Math.min(mostLateMs, nowLateMs) - lateMs) / 16;
      }
      return readyCount;
    },
  };
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
