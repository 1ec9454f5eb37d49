import { request } from 'node:http';
import { connect } from 'node:http2';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';

const mediaType = 'application/dns-message';
/** The longest DNS message there is. */
const bodyLimit = 65_535;

/** Posts a question over HTTP/2 (RFC 8484 section 4.1) on a connection that is ready. */
export const askHttp2 = (
  socket: Socket,
  url: string,
  query: Buffer,
  signal: AbortSignal,
): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const { origin, pathname, search } = new URL(url);
    const session = connect(origin, { createConnection: () => socket });
    session.on('error', reject);
    const stream = session.request(
      { ':method': 'POST', ':path': `${pathname}${search}`, ...headersFor(query) },
      { signal },
    );
    stream.on('error', reject);
    stream.once('response', (headers) => {
      const problem = problemOf(headers[':status'] ?? 0, headers['content-type']);
      if (problem) reject(problem);
      else readBody(stream).then(resolve, reject);
    });
    stream.once('close', () => {
      session.destroy();
      reject(noAnswer);
    });
    stream.end(query);
  });

/** The same over HTTP/1.1. */
export const askHttp1 = (
  socket: Socket,
  url: string,
  query: Buffer,
  signal: AbortSignal,
): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const { host, pathname, search } = new URL(url);
    const post = request({
      method: 'POST',
      path: `${pathname}${search}`,
      headers: { host, ...headersFor(query) },
      createConnection: () => socket,
      signal,
    });
    post.on('error', reject);
    post.once('response', (incoming) => {
      const problem = problemOf(incoming.statusCode ?? 0, incoming.headers['content-type']);
      if (problem) reject(problem);
      else readBody(incoming).then(resolve, reject);
    });
    post.once('close', () => reject(noAnswer));
    post.end(query);
  });

const headersFor = (query: Buffer) => ({
  accept: mediaType,
  'content-type': mediaType,
  'content-length': String(query.length),
});

const problemOf = (status: number, contentType: string | undefined): Error | undefined => {
  if (status !== 200) return refusal(`it answered with HTTP status ${status}`);
  return contentType?.startsWith(mediaType) ? undefined : refusal('its answer is no DNS message');
};

const refusal = (message: string) => Object.assign(new Error(message), { code: 'EREFUSED' });
const noAnswer = refusal('it closed the connection without an answer');

const readBody = async (stream: Readable): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > bodyLimit) throw refusal('its answer is longer than any DNS message');
  }
  return Buffer.concat(chunks);
};
