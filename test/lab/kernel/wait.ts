import { allocate, lastError, ppoll } from './libc.ts';

const pollfdBytes = 8;
const readable = 1; // POLLIN

export type Waiter = {
  /** Sleeps until a descriptor has something or the time is over, to the microsecond. */
  wait(timeoutMs: number): void;
  /** Sleeps that long, whatever comes. */
  pause(timeMs: number): void;
  /** Whether the descriptor of that index had something at the end of the last wait. */
  isReady(index: number): boolean;
};

/** Waits for several descriptors at once; errors count as something to read. */
export const createWaiter = (descriptors: readonly number[]): Waiter => {
  const polled = allocate(Math.max(1, descriptors.length) * pollfdBytes);
  const timeout = allocate(16);
  descriptors.forEach((descriptor, index) => {
    polled.view.setInt32(index * pollfdBytes, descriptor, true);
    polled.view.setInt16(index * pollfdBytes + 4, readable, true);
  });
  const sleep = (count: number, timeMs: number) => {
    // struct timespec; both numbers stay below 2^32 here, and their upper halves 0.
    timeout.view.setUint32(0, Math.floor(timeMs / 1_000), true);
    timeout.view.setUint32(8, Math.floor((timeMs % 1_000) * 1e6), true);
    if (ppoll(polled.address, count, timeout.address, null) !== -1) return;
    const error = lastError('ppoll');
    // After a signal the answers of the wait before stand; whoever goes by them reads nothing.
    if (error.code !== 'EINTR') throw error;
  };
  return {
    wait: (timeoutMs) => sleep(descriptors.length, timeoutMs),
    pause: (timeMs) => sleep(0, timeMs),
    isReady: (index) => polled.view.getInt16(index * pollfdBytes + 6, true) !== 0,
  };
};
