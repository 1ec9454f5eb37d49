import http2, {
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
} from 'node:http2';
import type { Duplex } from 'node:stream';
import type { DataSession } from './data-pool.ts';
import { FlowRefused, TunnelDown } from './refused.ts';

/** One connection through the tunnel. Ends like a socket: half-close both ways, or `reset`. */
export type Flow = {
  stream: Duplex;
  edgeId: string;
  /** The edge's own account of what opening the flow took (contract/server-timing.ts). */
  serverTiming: string | undefined;
  /** Gives the flow up; the origin sees a reset. In-order ends need no call. */
  reset(): void;
  /** True when the stream ended otherwise than in order: Node ends a reset one as if all had come. */
  wasCut(): boolean;
  /** To be told of the bytes moved, so that bulk flows are known as such. */
  moved(bytes: number): void;
};

const noError = http2.constants.NGHTTP2_NO_ERROR;
const bulkBytes = 1_048_576;
/** The edge tries an address for 5 s and may have a second one to try. */
const answerMs = 30_000;

/** Asks for one destination on one session. Nothing is sent before the answer but what goes `ahead`. */
export const openFlow = (options: {
  session: DataSession;
  edgeId: string;
  authority: string;
  /** Of an extended CONNECT (RFC 8441): protocol, path and what else it takes. */
  extended?: OutgoingHttpHeaders;
  /** What else the edge is told. */
  headers?: OutgoingHttpHeaders;
  /** Sent with the request. It may come twice: a request that got no answer is made again. */
  ahead?: Buffer;
  signal: AbortSignal;
}): Promise<Flow> =>
  new Promise((resolve, reject) => {
    const { session, edgeId, signal } = options;
    // Throws at once when a GOAWAY has come in between: the caller takes another session.
    const stream = session.h2.request({
      ':method': 'CONNECT',
      ':authority': options.authority,
      ...options.extended,
      ...options.headers,
    });
    session.streams.add(stream);
    if (options.ahead) stream.write(options.ahead);
    let isBulk = false;
    let movedBytes = 0;
    stream.once('close', () => {
      session.streams.delete(stream);
      if (isBulk) session.bulkCount -= 1;
    });
    const reset = () => resetStream(session, stream);

    const timer = setTimeout(() => {
      reset();
      reject(new TunnelDown(`edge ${edgeId} did not answer in 30 s`, true));
    }, answerMs);
    const onAbort = () => {
      reset();
      settle();
      reject(new TunnelDown('given up'));
    };
    const onClose = () => {
      settle();
      reject(new StreamLost(`session to edge ${edgeId} lost`));
    };
    const giveUp = () => {
      reset();
      onClose();
    };
    session.unanswered.add(giveUp);
    const settle = () => {
      clearTimeout(timer);
      session.unanswered.delete(giveUp);
      signal.removeEventListener('abort', onAbort);
      stream.off('close', onClose);
    };
    stream.on('error', () => {});
    stream.once('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
    stream.once('response', (headers) => {
      settle();
      if (headers[':status'] === 200) {
        return resolve({
          stream,
          edgeId,
          serverTiming: text(headers['server-timing']),
          reset,
          wasCut: () => stream.aborted || (stream.closed && stream.rstCode !== noError),
          moved(bytes) {
            movedBytes += bytes;
            if (isBulk || movedBytes < bulkBytes || stream.destroyed) return;
            isBulk = true;
            session.bulkCount += 1;
            session.onBulk();
          },
        });
      }
      // Ended in order rather than reset: resets are counted against the session.
      stream.resume();
      stream.end();
      return reject(refusalOf(edgeId, headers));
    });
  });

/** The stream went before the edge had answered: nothing was exchanged, so it may be asked again. */
export class StreamLost extends Error {
  override name = 'StreamLost';
}

const resetStream = (session: DataSession, stream: ClientHttp2Stream): void => {
  if (stream.closed || stream.destroyed) return;
  session.resets.spend();
  // Not `close(CANCEL)`, which sends END_STREAM first: the origin would see an orderly end.
  stream.destroy();
};

const refusalOf = (edgeId: string, headers: IncomingHttpHeaders & IncomingHttpStatusHeader) =>
  new FlowRefused({
    status: headers[':status'] ?? 502,
    proxyStatus: text(headers['proxy-status']),
    edgeId,
    retryAfter: text(headers['retry-after']),
    serverTiming: text(headers['server-timing']),
  });

const text = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.join(', ') : value;
