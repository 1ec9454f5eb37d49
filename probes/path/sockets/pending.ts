import type { Libc } from '#runtime/kernel/libc.ts';
import type { PathAnswer } from '../messages.ts';

/** One probe that is on its way. */
export type Pending = {
  ttl: number;
  /** Clocks at the moment before it was sent. */
  sentNs: bigint;
  sentMs: number;
  settle: (answer: PathAnswer | null) => void;
};

/** The first sent of those that go furthest; -1: none. Nearer ones may wait for a silent router. */
export const furthest = (pending: ReadonlyMap<number, Pending>): number => {
  let found = -1;
  let most = 0;
  for (const [probe, { ttl }] of pending) {
    if (ttl > most) {
      found = probe;
      most = ttl;
    }
  }
  return found;
};

/** The last sent of those that go furthest, unless it was sent less than `leastMs` ago; -1: none. */
export const newest = (pending: ReadonlyMap<number, Pending>, leastMs = 0): number => {
  const latestMs = performance.now() - leastMs;
  let found = -1;
  let most = 0;
  for (const [probe, { ttl, sentMs }] of pending) {
    if (ttl >= most && sentMs <= latestMs) {
      found = probe;
      most = ttl;
    }
  }
  return found;
};

/** A kernel timestamp this far before it was read is believed: more than any pause of this process. */
const mostReadDelayMs = 2_000;

/**
 * By the kernel's receive timestamp, which no event loop delays. It is of the wall clock, which may
 * be set meanwhile: where it does not fit the monotonic clock, that one counts.
 */
export const rttMsOf = (pending: Pending, atNs: bigint | undefined): number => {
  const elapsedMs = performance.now() - pending.sentMs;
  if (atNs === undefined) return elapsedMs;
  const rttMs = Number(atNs - pending.sentNs) / 1e6;
  const isPlausible = rttMs >= 0 && rttMs <= elapsedMs + 1 && elapsedMs - rttMs < mostReadDelayMs;
  return isPlausible ? rttMs : elapsedMs;
};

/** Reads sockets while somebody waits for an answer; timestamps make a millisecond often enough. */
export type Poller = {
  /** `read` is called until the probe is settled; resolves with null at its timeout. */
  wait(
    read: () => void,
    timeoutMs: number,
    start: (settle: (answer: PathAnswer | null) => void) => void,
  ): Promise<PathAnswer | null>;
};

const pollMs = 1;

export const createPoller = (): Poller => {
  const readers = new Map<() => void, number>();
  let isPolling = false;
  const poll = () => {
    for (const read of readers.keys()) read();
    isPolling = readers.size > 0;
    if (isPolling) setTimeout(poll, pollMs);
  };
  const add = (read: () => void) => {
    readers.set(read, (readers.get(read) ?? 0) + 1);
    if (!isPolling) setTimeout(poll, pollMs);
    isPolling = true;
  };
  const remove = (read: () => void) => {
    const left = (readers.get(read) ?? 1) - 1;
    if (left === 0) readers.delete(read);
    else readers.set(read, left);
  };

  return {
    wait: (read, timeoutMs, start) =>
      new Promise((resolve) => {
        let isSettled = false;
        const settle = (answer: PathAnswer | null) => {
          if (isSettled) return;
          isSettled = true;
          clearTimeout(limit);
          remove(read);
          resolve(answer);
        };
        const limit = setTimeout(() => {
          // What came in time and was not read in time is no loss.
          read();
          settle(null);
        }, timeoutMs);
        add(read);
        start(settle);
      }),
  };
};

export const clockNow = (libc: Libc): Pick<Pending, 'sentNs' | 'sentMs'> => ({
  sentMs: performance.now(),
  sentNs: libc.realtimeNs(),
});
