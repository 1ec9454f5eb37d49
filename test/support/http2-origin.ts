import {
  constants,
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { issueWithKey, type KeyedCertificate } from '#runtime/certificates.ts';

/** What the server does with a request; everything left out is the healthy default. */
export type Http2Behaviour = {
  status?: number;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** Time before the first byte of the answer. */
  thinkMs?: number;
  /** Time between the two halves of the body. */
  bodyMs?: number;
  /** Which frame, if any, ends the stream or the connection in place of an answer. */
  fault?: 'refuse' | 'calm' | 'reset' | 'reset-in-body' | 'goaway' | 'cut' | 'hang';
};

/** A real HTTP/2 server on a free port: with TLS and ALPN, or by prior knowledge without. */
export const startHttp2Origin = async (options: { authority?: KeyedCertificate } = {}) => {
  const behaviours = new Map<string, Http2Behaviour>([['/', { body: 'hello by HTTP/2\n' }]]);
  const seen: { headers: IncomingHttpHeaders; body: string; connection: number }[] = [];
  const sockets: Socket[] = [];
  const server = options.authority
    ? createSecureServer(await tlsOptions(options.authority))
    : createServer();
  server.on('connection', (socket: Socket) => sockets.push(socket.on('error', () => {})));
  server.on('session', (session) => session.on('error', () => {}));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    const request = { headers, body: '', connection: sockets.length };
    seen.push(request);
    stream.on('data', (chunk: Buffer) => {
      request.body += chunk.toString();
    });
    const behaviour = behaviours.get(String(headers[':path'])) ?? { status: 404 };
    void behave(behaviour, stream).catch(() => stream.destroy());
  });
  await new Promise<void>((resolve) => {
    (server as Http2Server).listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    host: '127.0.0.1',
    port,
    url: `${options.authority ? 'https' : 'http'}://127.0.0.1:${port}`,
    /** Every request in order of arrival; `connection` counts from 1. */
    seen,
    on(path: string, behaviour: Http2Behaviour): string {
      behaviours.set(path, behaviour);
      return `${options.authority ? 'https' : 'http'}://127.0.0.1:${port}${path}`;
    },
    async stop(): Promise<void> {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
};

const tlsOptions = async (authority: KeyedCertificate) => {
  const { certificatePem, privateKeyPem } = await issueWithKey(authority, {
    commonName: 'localhost',
    notAfter: Date.now() + 7 * 86_400_000,
    dnsNames: ['localhost'],
    addresses: ['127.0.0.1', '::1'],
    usages: ['server'],
  });
  return { cert: certificatePem, key: privateKeyPem };
};

const behave = async (behaviour: Http2Behaviour, stream: ServerHttp2Stream): Promise<void> => {
  await wait(behaviour.thinkMs ?? 0);
  switch (behaviour.fault) {
    case 'hang':
      return;
    case 'refuse':
      return stream.close(constants.NGHTTP2_REFUSED_STREAM);
    case 'calm':
      return goAway(stream, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    case 'goaway':
      return goAway(stream, constants.NGHTTP2_PROTOCOL_ERROR);
    case 'reset':
      return stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    case 'cut':
      stream.session?.socket.destroy();
      return;
    default:
      return answer(behaviour, stream);
  }
};

const goAway = (stream: ServerHttp2Stream, code: number): void => {
  stream.session?.goaway(code);
  stream.session?.close();
};

const answer = async (behaviour: Http2Behaviour, stream: ServerHttp2Stream): Promise<void> => {
  const body = Buffer.from(behaviour.body ?? '');
  const half = Math.floor(body.length / 2);
  stream.respond({ ':status': behaviour.status ?? 200, ...behaviour.headers });
  stream.write(body.subarray(0, half));
  await wait(behaviour.bodyMs ?? 0);
  if (behaviour.fault === 'reset-in-body') {
    stream.destroy(new Error('reset in the body'));
    return;
  }
  stream.end(body.subarray(half));
};
