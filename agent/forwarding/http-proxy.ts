import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { parseAuthority } from '#contract/authority.ts';
import type { Log } from '#runtime/log.ts';
import { forwardPlain } from './forward-plain.ts';
import { listenOnLoopback } from './listen.ts';
import { type FactsOf, type NotOpened, notOpened, type Open, type Opened } from './open.ts';
import { relay } from './relay.ts';

export type HttpProxy = { address: { host: string; port: number }; stop(): Promise<void> };

/** The local proxy: CONNECT, absolute-form http://, and `/proxy.pac`. */
export const startHttpProxy = async (options: {
  host: string;
  port: number;
  open: Open;
  /** The PAC text for the address the proxy got. */
  pac: (address: { host: string; port: number }) => string;
  /** What is known of whoever connects; left out: nothing. */
  factsOf?: FactsOf;
  log: Log;
}): Promise<HttpProxy> => {
  const log = options.log.child({ component: 'http-proxy' });
  const sockets = new Set<Socket>();
  const server = createServer({
    maxHeaderSize: 16_384,
    // Bounds how long a client may take over its header section; bodies may take their time.
    headersTimeout: 10_000,
    requestTimeout: 0,
    connectionsCheckingInterval: 2_000,
  });
  server.maxConnections = 10_000;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    serveConnect(options, request, socket, head).catch((error) => {
      log.error({ err: error }, 'flow failed inside the agent');
      socket.destroy();
    });
  });
  server.on('request', (request, response) => {
    serveRequest({ ...options, address }, request, response).catch((error) => {
      log.error({ err: error }, 'request failed inside the agent');
      response.destroy();
    });
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
    log.debug({ status, code: error.code }, 'request not understood');
    if (!socket.writable) return socket.destroy();
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`);
    // Half-open sockets would wait for the client's end.
    return socket.once('finish', () => socket.destroy());
  });
  const address = await listenOnLoopback(server, options);

  return {
    address,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
};

const serveConnect = async (
  { open, factsOf }: { open: Open; factsOf?: FactsOf },
  request: IncomingMessage,
  client: Socket,
  head: Buffer,
): Promise<void> => {
  const abort = new AbortController();
  const onClose = () => abort.abort();
  client.on('error', () => {});
  client.once('close', onClose);
  const destination = parseAuthority(request.url);
  const opened = destination
    ? await open({ ...(await factsOf?.(client)), ...destination }, abort.signal)
    : notOpened(400, 'http_request_error', 'CONNECT host:port');
  client.off('close', onClose);
  if (!opened.ok) {
    if (client.destroyed) return;
    client.end(head1(opened.status, opened) + opened.body);
    client.resume();
    // The client's own end may never come on a half-open socket.
    client.once('finish', () => client.destroySoon());
    return;
  }
  if (!client.destroyed) client.write(head1(200, opened));
  relay(client, opened, head);
};

/** A status line and header section. */
const head1 = (status: number, { headers, ...rest }: Opened | NotOpened): string => {
  const body = 'body' in rest ? rest.body : undefined;
  const all = {
    ...headers,
    ...(body === undefined
      ? {}
      : {
          'content-type': 'text/plain; charset=utf-8',
          'content-length': String(Buffer.byteLength(body)),
          connection: 'close',
        }),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const phrase = status === 200 ? 'Connection Established' : (STATUS_CODES[status] ?? 'Error');
  return `HTTP/1.1 ${status} ${phrase}\r\n${lines.join('')}\r\n`;
};

const serveRequest = async (
  parts: {
    open: Open;
    factsOf?: FactsOf;
    pac: (address: { host: string; port: number }) => string;
    address: { host: string; port: number };
  },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const target = request.url ?? '';
  if (target === '/proxy.pac' && (request.method === 'GET' || request.method === 'HEAD')) {
    return servePac(parts, request, response);
  }
  const url = parseHttpUrl(target);
  if (!url) {
    response.writeHead(404, { 'content-type': 'text/plain' });
    response.end('This is a proxy: send CONNECT, an http:// URL, or GET /proxy.pac.\n');
    return;
  }
  const abort = new AbortController();
  response.once('close', () => abort.abort());
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const known = await parts.factsOf?.(request.socket);
  const opened = await parts.open({ ...known, host, port: Number(url.port) || 80 }, abort.signal);
  if (opened.ok) return forwardPlain(request, response, url, opened);
  response.writeHead(opened.status, { ...opened.headers, 'content-type': 'text/plain' });
  response.end(opened.body);
};

/** Only under the listener's own name: a web page whose name points here is not to read it. */
const servePac = (
  parts: Pick<Parameters<typeof serveRequest>[0], 'pac' | 'address'>,
  request: IncomingMessage,
  response: ServerResponse,
): void => {
  const { host, port } = parts.address;
  const own = [host.includes(':') ? `[${host}]` : host, 'localhost'];
  const asked = (request.headers.host ?? '').toLowerCase();
  if (!own.some((name) => asked === `${name}:${port}` || (port === 80 && asked === name))) {
    response.writeHead(421, { 'content-type': 'text/plain' });
    response.end(`The PAC file is at http://${own[0]}:${port}/proxy.pac only.\n`);
    return;
  }
  const text = Buffer.from(parts.pac(parts.address));
  const etag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
  const isKnown = request.headers['if-none-match'] === etag;
  response.writeHead(isKnown ? 304 : 200, {
    // To be asked for again each time: it changes with the policy and the network.
    'cache-control': 'no-cache',
    etag,
    'x-content-type-options': 'nosniff',
    ...(isKnown
      ? {}
      : {
          'content-type': 'application/x-ns-proxy-autoconfig',
          'content-length': String(text.length),
        }),
  });
  response.end(isKnown ? undefined : text);
};

const parseHttpUrl = (text: string): URL | undefined => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === 'http:' && url.hostname !== '' ? url : undefined;
};
