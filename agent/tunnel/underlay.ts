import { connect, isIP } from 'node:net';

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
