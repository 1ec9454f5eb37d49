import { allocate, ppoll } from './libc.ts';

const pollfdBytes = 8;
const readable = 1; // POLLIN

export type Waiter = {
  /** Sleeps until a descriptor has something or the time is over, to the microsecond. */
  wait(timeoutMs: number): void;
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
  return {
    wait(timeoutMs) {
      // struct timespec; both numbers stay below 2^32 here, and their upper halves 0.
      timeout.view.setUint32(0, Math.floor(timeoutMs / 1_000), true);
      timeout.view.setUint32(8, Math.floor((timeoutMs % 1_000) * 1e6), true);
      ppoll(polled.address, descriptors.length, timeout.address, null);
    },
    isReady: (index) => polled.view.getInt16(index * pollfdBytes + 6, true) !== 0,
  };
};
