import { connect, isIP } from 'node:net';

const connectMs = 5_000;
const connectCount = 3;

/** Round trip to the edge outside the tunnel: the fastest of three TCP handshakes, null without any. */
export const measureUnderlay = async (host: string, port: number): Promise<number | null> => {
  const times: number[] = [];
  for (let i = 0; i < connectCount; i++) {
    const ms = await measureHandshake(host, port);
    if (ms !== null) times.push(ms);
  }
  return times.length === 0 ? null : Math.min(...times);
};

const measureHandshake = (host: string, port: number): Promise<number | null> =>
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
