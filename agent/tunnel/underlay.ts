import { connect, isIP } from 'node:net';
import { medianOf } from './recent-times.ts';

const connectMs = 5_000;

/** Round trip to the edge outside the tunnel: one TCP handshake; null without an answer. */
export const measureUnderlay = (host: string, port: number): Promise<number | null> =>
  new Promise((resolve) => {
    let startedMs = performance.now();
    const socket = connect({
      host,
      port,
      autoSelectFamily: isIP(host) === 0,
      autoSelectFamilyAttemptTimeout: connectMs,
      timeout: connectMs,
    });
    const end = (ms: number | null) => {
      socket.destroy();
      resolve(ms);
    };
    socket.once('lookup', () => {
      startedMs = performance.now();
    });
    socket.once('connect', () => end(performance.now() - startedMs));
    socket.once('timeout', () => end(null));
    socket.on('error', () => end(null));
  });

/**
 * Handshakes since the last sample. Their middle one, as the pings inside have theirs: the fastest of
 * some would show a third of a queue that comes and goes, and the tunnel would be blamed for the rest.
 */
export const createOutsideTimes = () => {
  let since: (number | null)[] = [];
  let lastMs: number | null = null;
  return {
    add(ms: number | null): void {
      since.push(ms);
    },
    /** That of the sample before where none has ended since; null where none was answered. */
    takeMedianMs(): number | null {
      if (since.length > 0) lastMs = medianOf(since.filter((ms) => ms !== null));
      since = [];
      return lastMs;
    },
    clear(): void {
      since = [];
      lastMs = null;
    },
  };
};
