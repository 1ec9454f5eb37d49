import type { ServerHttp2Stream } from 'node:http2';
import { type Refusal, refusalHeaders } from './refusal.ts';

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
};
