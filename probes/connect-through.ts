import { request } from 'node:http';
import type { Socket } from 'node:net';
import { EdgeTiming } from '#contract/body/connection.ts';
import { check } from '#contract/check.ts';
import type { Failure } from '#contract/failure.ts';
import { parseEdgeTiming } from '#contract/server-timing.ts';
import { classifyError, classifyRefusal, failureOf } from './classify.ts';
import type { Deadline } from './deadline.ts';
import { sinceMs } from './duration.ts';

export type Connected =
  | { ok: true; proxyConnectMs: number; edge: EdgeTiming | null }
  | { ok: false; edge: EdgeTiming | null; failure: Failure };

/**
 * CONNECT over a connection to the proxy (RFC 9110 §9.3.6); afterwards the socket is the
 * application's. What the edge tells of its own work comes back with it.
 */
export const connectThrough = (
  socket: Socket,
  authority: string,
  options: { userAgent: string; deadline: Deadline },
): Promise<Connected> =>
  new Promise((resolve) => {
    let startedMs = 0;
    const connect = request({
      method: 'CONNECT',
      path: authority,
      // Without an agent node:http would ask to close the connection that is to be the tunnel.
      headers: { host: authority, 'user-agent': options.userAgent, connection: 'keep-alive' },
      createConnection: () => socket,
    });
    const { stopSignal } = options.deadline;
    let isOver = false;
    const fail = (error: unknown) => {
      // The request closes after its answer too; the socket is then no longer its own.
      if (isOver) return;
      isOver = true;
      stopSignal.removeEventListener('abort', giveUp);
      socket.destroy();
      const failure = classifyError('proxy-connect', error, options.deadline.cutShort());
      resolve({ ok: false, edge: null, failure });
    };
    const giveUp = () => fail(undefined);
    connect.once('connect', (answer, _socket, head) => {
      const proxyConnectMs = sinceMs(startedMs);
      isOver = true;
      stopSignal.removeEventListener('abort', giveUp);
      const edge = readEdgeTiming(joined(answer.headers['server-timing']));
      const status = answer.statusCode ?? 0;
      if (status >= 200 && status <= 299) {
        if (head.length > 0) socket.unshift(head);
        return resolve({ ok: true, proxyConnectMs, edge });
      }
      socket.destroy();
      const failure = classifyRefusal(status, joined(answer.headers['proxy-status']));
      resolve({ ok: false, edge, failure });
    });
    // Right before node:http writes the request.
    connect.once('socket', () => {
      startedMs = performance.now();
    });
    connect.on('error', fail);
    connect.once('close', () => fail(closedEarly));
    stopSignal.addEventListener('abort', giveUp);
    connect.end();
    if (stopSignal.aborted) giveUp();
  });

const closedEarly = Object.assign(new Error('the proxy closed the connection without an answer'), {
  code: 'ECONNRESET',
});

/** A proxy's failure before CONNECT was sent: the application was never in play. */
export const classifyProxyDial = (failure: Failure): Failure =>
  failure.type === 'abandoned'
    ? { ...failure, phase: 'proxy-connect' }
    : failureOf('proxy.unreachable', 'proxy-connect', `the proxy: ${failure.message}`);

const joined = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.join(', ') : value;

/** Other servers use the header too; what does not pass the contract is not an edge's. */
const readEdgeTiming = (header: string | undefined): EdgeTiming | null => {
  const checked = check(EdgeTiming, parseEdgeTiming(header));
  return checked.ok ? checked.value : null;
};
