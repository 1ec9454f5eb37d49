import { allocate, epollCreate1, epollCtl, epollPwait2, lastError, withMemory } from './libc.ts';

const closeOnExec = 0x8_0000; // EPOLL_CLOEXEC
const operationAdd = 1;
const readable = 1; // EPOLLIN
// struct epoll_event is packed on x86-64 only.
const dataOffset = process.arch === 'x64' ? 4 : 8;
const eventBytes = dataOffset + 8;

export type Waiter = {
  /**
   * Sleeps until a descriptor has something or the time is over, to the microsecond. How many have
   * something: `ready` says which.
   */
  wait(timeoutMs: number): number;
  /** Index of a descriptor that had something at the end of the last wait. */
  ready(at: number): number;
};

/** Waits for several descriptors at once; errors count as something to read. */
export const createWaiter = (descriptors: readonly number[]): Waiter => {
  const epoll = epollCreate1(closeOnExec);
  descriptors.forEach((descriptor, index) => {
    withMemory(eventBytes, ({ address, view }) => {
      view.setUint32(0, readable, true);
      view.setUint32(dataOffset, index, true);
      epollCtl(epoll, operationAdd, descriptor, address);
    });
  });
  const most = Math.max(1, descriptors.length);
  const events = allocate(most * eventBytes);
  const timeout = allocate(16);
  return {
    wait(timeoutMs) {
      // struct timespec; both numbers stay below 2^32 here, and their upper halves 0.
      timeout.view.setUint32(0, Math.floor(timeoutMs / 1_000), true);
      timeout.view.setUint32(8, Math.floor((timeoutMs % 1_000) * 1e6), true);
      const count = epollPwait2(epoll, events.address, most, timeout.address, null);
      if (count !== -1) return count;
      const error = lastError('epoll_pwait2');
      if (error.code === 'EINTR') return 0;
      throw error;
    },
    ready: (at) => events.view.getUint32(at * eventBytes + dataOffset, true),
  };
};

/** For sleeps in which nothing is waited for. */
export const createSleeper = (): ((timeMs: number) => void) => {
  const { wait } = createWaiter([]);
  return (timeMs) => void wait(timeMs);
};
