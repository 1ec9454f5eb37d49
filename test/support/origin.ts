import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { issueWithKey, type KeyedCertificate } from '#runtime/certificates.ts';

/** What the origin does with a request; everything left out is the healthy default. */
export type Behaviour = {
  status?: number;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** Time before the first byte of the answer. */
  thinkMs?: number;
  /** Time over which the body is spread, in ten pieces. */
  bodyMs?: number;
  /**
   * `reset`: RST before any byte; `close`: orderly end before any byte; `reset-in-body`: RST after
   * half of the body; `hang`: never an answer; `hang-in-body`: half of the body, then nothing;
   * `nonsense`: bytes that are not HTTP.
   */
  fault?: 'reset' | 'close' | 'reset-in-body' | 'hang' | 'hang-in-body' | 'nonsense';
};

export type OriginOptions = {
  /** Signs the server's certificate; left out: plain HTTP. */
  authority?: KeyedCertificate;
  /** What is wrong with the certificate. */
  certificate?: 'valid' | 'expired' | 'other-name';
  /** Names beside localhost, 127.0.0.1 and ::1. */
  dnsNames?: readonly string[];
  /** TLS versions offered, to make a mismatch. */
  maxVersion?: 'TLSv1.2' | 'TLSv1.3';
  ciphers?: string;
  host?: string;
  /** What unlisted paths get: `{ status: 404 }` unless given. */
  fallback?: Behaviour;
};

type Seen = { method: string; url: string; headers: IncomingMessage['headers'] };

/**
 * A real HTTP or HTTPS server on a free port whose every path can be told how to behave.
 * `/` answers 200 with a short text until told otherwise.
 */
export const startOrigin = async (options: OriginOptions = {}) => {
  const behaviours = new Map<string, Behaviour>([['/', { body: 'hello from the origin\n' }]]);
  const seen: Seen[] = [];
  const sockets = new Set<Socket>();
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const { method = '', url = '', headers } = request;
    seen.push({ method, url, headers });
    const path = url.split('?')[0] ?? '';
    const behaviour = behaviours.get(path) ?? options.fallback ?? { status: 404 };
    behave(behaviour, request, response, () => reset(request)).catch(() => response.destroy());
  };

  /** Under TLS only the TCP connection beneath can be reset: it has the same remote port. */
  const reset = (request: IncomingMessage): void => {
    for (const socket of sockets) {
      if (socket.remotePort === request.socket.remotePort) socket.resetAndDestroy();
    }
  };

  const host = options.host ?? '127.0.0.1';
  const server = options.authority
    ? createHttpsServer(await tlsOptions(options, options.authority), handle)
    : createHttpServer(handle);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const shownHost = host.includes(':') ? `[${host}]` : host;

  return {
    host,
    port,
    url: `${options.authority ? 'https' : 'http'}://${shownHost}:${port}`,
    /** Every request in order of arrival. */
    seen,
    on(path: string, behaviour: Behaviour): void {
      behaviours.set(path, behaviour);
    },
    async stop(): Promise<void> {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
};

export type Origin = Awaited<ReturnType<typeof startOrigin>>;

const tlsOptions = async (options: OriginOptions, authority: KeyedCertificate) => {
  const isOther = options.certificate === 'other-name';
  const lifeMs = options.certificate === 'expired' ? -60_000 : 7 * 86_400_000;
  const { certificatePem, privateKeyPem } = await issueWithKey(authority, {
    commonName: options.dnsNames?.[0] ?? 'localhost',
    notAfter: Date.now() + lifeMs,
    dnsNames: isOther ? ['elsewhere.test'] : [...(options.dnsNames ?? []), 'localhost'],
    addresses: isOther ? [] : ['127.0.0.1', '::1'],
    usages: ['server'],
  });
  return {
    cert: certificatePem,
    key: privateKeyPem,
    ...(options.maxVersion ? { maxVersion: options.maxVersion } : {}),
    ...(options.ciphers ? { ciphers: options.ciphers } : {}),
  };
};

const behave = async (
  behaviour: Behaviour,
  request: IncomingMessage,
  response: ServerResponse,
  resetConnection: () => void,
): Promise<void> => {
  await wait(behaviour.thinkMs ?? 0);
  switch (behaviour.fault) {
    case 'hang':
      return;
    case 'reset':
      return resetConnection();
    case 'close':
      request.socket.end();
      return;
    case 'nonsense':
      request.socket.end('SSH-2.0-OpenSSH_9.2\r\n');
      return;
    default:
      return answer(behaviour, response, resetConnection);
  }
};

const answer = async (
  behaviour: Behaviour,
  response: ServerResponse,
  resetConnection: () => void,
): Promise<void> => {
  const body = Buffer.from(behaviour.body ?? '');
  response.writeHead(behaviour.status ?? 200, {
    'content-type': 'text/html; charset=utf-8',
    'content-length': body.length,
    ...behaviour.headers,
  });
  response.flushHeaders();
  const pieces = behaviour.bodyMs === undefined && behaviour.fault === undefined ? 1 : 10;
  const size = Math.max(1, Math.ceil(body.length / pieces));
  for (let i = 0; i < pieces; i++) {
    if (i === pieces / 2 && behaviour.fault === 'hang-in-body') return;
    if (i === pieces / 2 && behaviour.fault === 'reset-in-body') return resetConnection();
    // One pause fewer than pieces, so the whole takes bodyMs.
    if (i > 0) await wait((behaviour.bodyMs ?? 100) / (pieces - 1));
    response.write(body.subarray(i * size, (i + 1) * size));
  }
  response.end();
};
