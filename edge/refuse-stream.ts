import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { type Refusal, refusalHeaders } from './refusal.ts';

/** Said on a stream's session, to `endRefused` there. */
const refused = Symbol('refused');

/** Answers an HTTP/2 request that is not carried out, and lets its stream end in order. */
export const refuseStream = (
  stream: ServerHttp2Stream,
  edgeId: string,
  refusal: Refusal,
  timing?: string,
): void => {
  if (stream.destroyed || stream.closed) return;
  stream.respond({
    ':status': refusal.status,
    ...refusalHeaders(edgeId, refusal),
    ...(timing === undefined ? {} : { 'server-timing': timing }),
  });
  stream.end(`${refusal.error}: ${refusal.details}\n`);
  // Reading what the client still sends lets the stream end by itself, without a reset.
  stream.resume();
  stream.session?.emit(refused, stream);
};

/** How long a client may take to end a stream that was refused. */
export const refusedLingerMs = 10_000;
/** On one session. Clients that end theirs have fewer, save while much comes at once. */
export const maxRefusedOpen = 64;

/**
 * A refused stream stays half-open until the client ends its side, and no limit of flows holds it any
 * more: those whose client does not are ended by the edge, at once while there are too many. By
 * RST_STREAM(NO_ERROR), after the whole answer (RFC 9113 section 8.1), which no client counts as an error.
 */
export const endRefused = (session: ServerHttp2Session, lingerMs = refusedLingerMs): void => {
  let openCount = 0;
  session.on(refused, (stream: ServerHttp2Stream) => {
    // Not `close()`, which waits for a client that does not take the answer's body.
    const end = () => stream.destroy();
    openCount += 1;
    const timer = setTimeout(end, lingerMs).unref();
    stream.once('close', () => {
      openCount -= 1;
      clearTimeout(timer);
    });
    // A turn later, so that what was written is on its way.
    if (openCount > maxRefusedOpen) setImmediate(end);
  });
};
