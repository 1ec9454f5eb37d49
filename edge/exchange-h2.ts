import http2, { type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { parseAuthority } from '#contract/authority.ts';
import { burstHeader, parseBurstNotice } from '#contract/burst.ts';
import { formatEdgeTiming } from '#contract/server-timing.ts';
import { cut } from './cut.ts';
import type { FlowOutcome, OpenFlow } from './flow.ts';
import { forwardHttp } from './forward-http.ts';
import type { Meter } from './meter.ts';
import { refuse } from './refusal.ts';
import { refuseStream } from './refuse-stream.ts';
import { relay } from './relay.ts';
import type { BurstAsked } from './suspicion/onward-bursts.ts';

/** Serves an extended CONNECT (RFC 8441): one stream of a device that asks for a `:protocol`. */
export type ServeProtocol = (request: {
  stream: ServerHttp2Stream;
  headers: IncomingHttpHeaders;
  deviceId: string;
}) => Promise<void>;

/**
 * One HTTP/2 stream of a device: CONNECT (RFC 9113 section 8.5), its extended form, or a plain http://
 * request.
 */
export const serveStream = async (options: {
  stream: ServerHttp2Stream;
  headers: IncomingHttpHeaders;
  deviceId: string;
  edgeId: string;
  openFlow: OpenFlow;
  protocols: ReadonlyMap<string, ServeProtocol>;
  /** Told of a device's suspicion about where a flow goes. */
  onBurst?: (asked: BurstAsked) => void;
  meter: Meter;
}): Promise<void> => {
  const { stream, headers, edgeId } = options;
  const abort = new AbortController();
  stream.on('error', () => {});
  stream.once('close', () => abort.abort(clientGone));
  // Node never closes a stream that was reset while its writes waited for the client's window.
  stream.once('aborted', () => setImmediate(() => stream.destroy()));

  const protocol = headers[':protocol'];
  if (protocol !== undefined) {
    const serve = options.protocols.get(String(protocol));
    if (serve) return serve(options);
    // RFC 9220 section 3 has the status for it.
    const refusal = refuse('http_request_error', `no such protocol here: ${protocol}`);
    return refuseStream(stream, edgeId, { ...refusal, status: 501 });
  }
  const isConnect = headers[':method'] === 'CONNECT';
  const isPlain = headers[':scheme'] === 'http' && headers[':method'] !== 'CONNECT';
  const authority = headers[':authority'] ?? headers.host;
  const destination = parseAuthority(isPlain ? withPort(authority) : authority);
  if (!destination || !(isConnect || isPlain)) {
    return refuseStream(stream, edgeId, refuse('http_request_error', 'CONNECT host:port, or http'));
  }

  const notice = isConnect ? parseBurstNotice(headers[burstHeader]) : undefined;
  const { deviceId } = options;
  const outcome = await options.openFlow({
    deviceId,
    destination,
    receivedMs: performance.now(),
    // What may not be reached is not measured; what does not answer is.
    onAllowed: notice && (() => options.onBurst?.({ ...notice, deviceId, destination })),
    read: isConnect ? 'tap' : 'stream',
    signal: abort.signal,
  });
  if (stream.destroyed || stream.closed) return giveUp(outcome);
  if (!outcome.opened) {
    return refuseStream(stream, edgeId, outcome.refusal, formatEdgeTiming(outcome.timing));
  }
  const { flow } = outcome;
  if (isPlain) return answerPlain({ ...options, flow, signal: abort.signal });
  stream.respond({ ':status': 200, 'server-timing': formatEdgeTiming(flow.timing) });
  relay({
    carrier: stream,
    // Not `close(CONNECT_ERROR)`: Node would send END_STREAM first, and the client would take what
    // it has for all there was. This sends RST_STREAM(INTERNAL_ERROR) alone.
    resetCarrier: () => stream.destroy(new Error('the origin reset the connection')),
    wasCut: () => stream.aborted || (stream.closed && stream.rstCode !== noError),
    flow,
    meter: options.meter,
  });
};

/** One for all: an error of its own for each flow that ends would cost a stack trace. */
const clientGone = new Error('the client went away');

const noError = http2.constants.NGHTTP2_NO_ERROR;

const withPort = (authority: string | undefined): string | undefined =>
  authority === undefined || /:\d+$/.test(authority) ? authority : `${authority}:80`;

const giveUp = (outcome: FlowOutcome): void => {
  if (!outcome.opened) return;
  outcome.flow.done({ upBytes: 0, downBytes: 0 });
  cut(outcome.flow.socket.on('error', () => {}));
};

const answerPlain = async (options: {
  stream: ServerHttp2Stream;
  headers: IncomingHttpHeaders;
  edgeId: string;
  flow: Extract<FlowOutcome, { opened: true }>['flow'];
  meter: Meter;
  signal: AbortSignal;
}): Promise<void> => {
  const { stream, headers, flow } = options;
  try {
    const answer = await forwardHttp({
      request: {
        method: headers[':method'] ?? 'GET',
        host: String(headers[':authority'] ?? headers.host),
        path: headers[':path'] ?? '/',
        headers,
        body: stream,
        hasBody: !stream.endAfterHeaders,
      },
      flow,
      meter: options.meter,
      signal: options.signal,
    });
    if (stream.destroyed || stream.closed) return;
    stream.respond({ ...answer.headers, ':status': answer.status });
    answer.body.on('error', () => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR));
    answer.body.pipe(stream);
  } catch (error) {
    flow.socket.destroy();
    const { message } = error as Error;
    refuseStream(stream, options.edgeId, refuse('http_protocol_error', message));
  }
};
