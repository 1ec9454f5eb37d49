import type { Socket } from 'node:net';
import type { Log } from '../log.ts';
import { openLibc } from './libc.ts';

/**
 * Keeps what waits unsent in the kernel short (TCP_NOTSENT_LOWAT): bytes that are still in this
 * program can be overtaken by a small request, bytes in the socket's buffer cannot.
 */
export type UnsentLimit = {
  apply(socket: Socket): void;
  /** Why sockets go without; undefined while they have it, or nobody knows yet. */
  problem(): string | undefined;
};

const tcpLevel = 6;
const notSentLowWater = 25;

/** At 100 Mbit/s the kernel sends so much in 3 ms. Half of it costs throughput on fast links. */
const unsentBytes = 32_768;

export const createUnsentLimit = (parts: {
  log: Log;
  /** Told once, when the first socket goes without. */
  onProblem?: (reason: string) => void;
}): UnsentLimit => {
  let problem: string | undefined;
  const libc = openLibc();
  const goWithout = (reason: string) => {
    if (problem !== undefined) return;
    problem = reason;
    parts.log.warn({ reason }, 'TCP_NOTSENT_LOWAT not set: bulk may queue before small requests');
    parts.onProblem?.(reason);
  };

  return {
    apply(socket) {
      void libc.then((loaded) => {
        if (!loaded) return goWithout('no koffi for this system');
        const descriptor = descriptorOf(socket);
        if (descriptor === undefined) return;
        try {
          loaded.setOption(descriptor, tcpLevel, notSentLowWater, unsentBytes);
        } catch (error) {
          goWithout((error as Error).message);
        }
      });
    },
    problem: () => problem,
  };
};

/** Node has no public name for it; a closed socket has none, and its number may be another's by now. */
const descriptorOf = (socket: Socket): number | undefined => {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } | null };
  if (socket.destroyed || handle?.fd === undefined || handle.fd < 0) return undefined;
  return handle.fd;
};
