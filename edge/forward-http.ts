import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { pipeline, type Readable, Transform } from 'node:stream';
import { endToEnd } from '#contract/end-to-end.ts';
import { formatEdgeTiming, parseEdgeTiming } from '#contract/server-timing.ts';
import type { OpenedFlow } from './flow.ts';
import type { Moved } from './flow-request.ts';
import type { Pace } from './limits.ts';
import type { Meter } from './meter.ts';

export type PlainRequest = {
  method: string;
  host: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: Readable;
  /** False when the request ended with its header section. */
  hasBody: boolean;
};

/**
 * Sends a plain http:// request on an opened connection and gives the origin's answer. Browsers
 * that use an HTTP/2 proxy ask for http:// pages this way instead of by CONNECT.
 */
export const forwardHttp = (options: {
  request: PlainRequest;
  flow: OpenedFlow;
  meter: Meter;
  signal: AbortSignal;
}): Promise<{
  status: number;
  headers: Record<string, string | string[]>;
  body: Readable;
}> =>
  new Promise((resolve, reject) => {
    const { request, flow, meter } = options;
    const outgoing = httpRequest({
      method: request.method,
      path: request.path,
      headers: { ...requestHeaders(request), host: request.host, connection: 'close' },
      createConnection: () => flow.socket,
      signal: options.signal,
    });
    const moved: Moved = { upBytes: 0, downBytes: 0, firstUpMs: performance.now() };
    flow.socket.once('close', () => flow.done(moved));
    outgoing.on('error', reject);
    // Without a listener Node drops the connection and tells nobody.
    outgoing.on('upgrade', () => reject(new Error('the origin changed protocols unasked')));
    outgoing.on('close', () => reject(new Error('closed without an answer')));
    outgoing.on('response', (answer) => {
      moved.firstDownMs = performance.now();
      const status = answer.statusCode ?? 0;
      // HTTP/2 has no words for a status below 100; one below 200 is no answer.
      if (status < 200) return reject(new Error(`the origin answered with status ${status}`));
      answer.on('data', (chunk: Buffer) => {
        moved.downBytes += chunk.length;
        meter.down(chunk.length);
      });
      answer.pause();
      return resolve({
        status,
        headers: answerHeaders(answer, formatEdgeTiming(flow.timing)),
        body: paced(answer, flow.pace),
      });
    });
    request.body.on('data', (chunk: Buffer) => {
      moved.upBytes += chunk.length;
      meter.up(chunk.length);
    });
    paced(request.body, flow.pace).pipe(outgoing);
  });

/** Where the device's bytes a second are limited, a chunk waits until what went before is earned. */
const paced = (body: Readable, pace: Pace | undefined): Readable => {
  if (pace === undefined) return body;
  const gate = new Transform({
    transform(chunk: Buffer, _encoding, pass) {
      if (pace.spend(chunk.length)) pass(null, chunk);
      else pace.whenFree(() => pass(null, chunk));
    },
  });
  // A body that breaks off breaks off the gate; who reads it hears of it there.
  gate.on('error', () => {});
  pipeline(body, gate, () => {});
  return gate;
};

/** Without a length, Node frames the body of a GET or DELETE only when told to. */
const requestHeaders = (request: PlainRequest): Record<string, string | string[]> => ({
  ...endToEnd(request.headers),
  ...(request.hasBody && request.headers['content-length'] === undefined
    ? { 'transfer-encoding': 'chunked' }
    : {}),
});

/** What only edges say (Proxy-Status, an edge's timing) no origin says for them. */
const answerHeaders = (
  answer: IncomingMessage,
  edgeTiming: string,
): Record<string, string | string[]> => {
  const { 'proxy-status': _ours, 'server-timing': timing, ...rest } = endToEnd(answer.headers);
  const isEdges = timing === undefined || parseEdgeTiming(String(timing)) !== null;
  return { ...rest, 'server-timing': isEdges ? edgeTiming : `${timing}, ${edgeTiming}` };
};
