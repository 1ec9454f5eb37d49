import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { parseAuthority } from '#contract/authority.ts';
import { formatEdgeTiming } from '#contract/server-timing.ts';
import type { Log } from '#runtime/log.ts';
import type { LogIn } from './clientless/log-in.ts';
import { cut } from './cut.ts';
import type { OpenFlow } from './flow.ts';
import { forwardHttp } from './forward-http.ts';
import type { Meter } from './meter.ts';
import { plainAddress } from './reflector.ts';
import { type Refusal, refusalHeaders, refuse } from './refusal.ts';
import { refusedLingerMs } from './refuse-stream.ts';
import { relay } from './relay.ts';

/** How long an HTTP/1.1 client may take from connection or last answer to its next header's end. */
const defaultHeadersMs = 10_000;

/**
 * The HTTP/1.1 side of an edge, for clients such as `curl -x https://` with a certificate:
 * CONNECT, and absolute-form http://. Sockets come in already authenticated, by `serve`.
 */
export const createH1Exchange = (parts: {
  edgeId: string;
  openFlow: OpenFlow;
  meter: Meter;
  headersMs?: number;
  /** Left out: who it is stands with the socket. */
  logIn?: LogIn;
  /** From a refused CONNECT to the client's end of the connection. */
  refusedLingerMs?: number;
  log: Log;
}): {
  serve(socket: TLSSocket, deviceId: string): void;
  /** From now on a connection ends with its answer; one without a request ends now. */
  drain(): void;
} => {
  const headersMs = parts.headersMs ?? defaultHeadersMs;
  const deadlines = createHeaderDeadlines(headersMs);
  const log = parts.log.child({ component: 'session' });
  const devices = new WeakMap<object, string>();
  const identify: Identify = async ({ headers, socket }) =>
    parts.logIn?.(headers['proxy-authorization'], plainAddress(socket.remoteAddress ?? '')) ?? {
      client: devices.get(socket) ?? '',
    };
  const server = createServer({ maxHeaderSize: 16_384, keepAliveTimeout: headersMs });
  server.on('connect', (request: IncomingMessage, socket: TLSSocket, head: Buffer) => {
    deadlines.begin(socket);
    serveConnect({ ...parts, identify, request, socket, head }).catch((error: unknown) => {
      log.error({ err: error }, 'flow failed inside the edge');
      socket.destroy();
    });
  });
  let isDraining = false;
  server.on('request', (request, response) => {
    if (isDraining) response.shouldKeepAlive = false;
    deadlines.begin(request.socket);
    response.once('close', () => deadlines.end(request.socket));
  });
  server.on('request', (request, response) => {
    serveRequest({ ...parts, identify, request, response }).catch((error: unknown) => {
      log.error({ err: error }, 'flow failed inside the edge');
      response.destroy();
    });
  });
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
    else socket.destroy();
  });

  return {
    serve(socket, deviceId) {
      devices.set(socket, deviceId);
      deadlines.watch(socket);
      server.emit('connection', socket);
    },
    drain() {
      isDraining = true;
      server.closeIdleConnections();
    },
  };
};

type Identify = (request: IncomingMessage) => Promise<{ client: string } | Refusal>;

/**
 * The server does not listen, so its own header timer does not run. An idle timeout is not enough:
 * a byte now and then keeps it off for ever. Requests may overlap (pipelining), hence the count.
 */
const createHeaderDeadlines = (headersMs: number) => {
  const watched = new WeakMap<object, { openCount: number; timer: NodeJS.Timeout }>();
  return {
    watch(socket: Socket): void {
      const timer = setTimeout(() => {
        if (watched.get(socket)?.openCount === 0) socket.destroy();
      }, headersMs);
      watched.set(socket, { openCount: 0, timer });
      socket.once('close', () => clearTimeout(timer));
    },
    begin(socket: Socket): void {
      const state = watched.get(socket);
      if (state) state.openCount += 1;
    },
    end(socket: Socket): void {
      const state = watched.get(socket);
      if (!state) return;
      state.openCount -= 1;
      if (state.openCount === 0 && !socket.destroyed) state.timer.refresh();
    },
  };
};

const serveConnect = async (options: {
  edgeId: string;
  openFlow: OpenFlow;
  meter: Meter;
  request: IncomingMessage;
  socket: TLSSocket;
  head: Buffer;
  identify: Identify;
  refusedLingerMs?: number;
}): Promise<void> => {
  const { socket } = options;
  const abort = new AbortController();
  const onClose = () => abort.abort();
  socket.on('error', () => {});
  socket.once('close', onClose);
  const destination = parseAuthority(options.request.url);
  if (!destination) {
    return refuseSocket(options, refuse('http_request_error', 'CONNECT host:port'));
  }
  const who = await options.identify(options.request);
  if ('status' in who) return refuseSocket(options, who);
  const outcome = await options.openFlow({
    deviceId: who.client,
    destination,
    receivedMs: performance.now(),
    read: 'tap',
    signal: abort.signal,
  });
  socket.off('close', onClose);
  if (!outcome.opened) {
    return refuseSocket(options, outcome.refusal, formatEdgeTiming(outcome.timing));
  }
  if (socket.destroyed) {
    outcome.flow.done({ upBytes: 0, downBytes: 0 });
    cut(outcome.flow.socket.on('error', () => {}));
    return;
  }
  socket.write(
    `HTTP/1.1 200 Connection Established\r\nServer-Timing: ${formatEdgeTiming(outcome.flow.timing)}\r\n\r\n`,
  );
  if (options.head.length > 0) socket.unshift(options.head);
  relay({
    carrier: socket,
    resetCarrier: () => socket.destroy(),
    wasCut: () => socket.errored !== null,
    flow: outcome.flow,
    meter: options.meter,
  });
};

const refuseSocket = (
  parts: { socket: TLSSocket; edgeId: string; refusedLingerMs?: number },
  refusal: Refusal,
  timing?: string,
): void => {
  const { socket, edgeId, refusedLingerMs: lingerMs = refusedLingerMs } = parts;
  if (socket.destroyed) return;
  const body = `${refusal.error}: ${refusal.details}\n`;
  const headers = {
    ...refusalHeaders(edgeId, refusal),
    ...(timing === undefined ? {} : { 'server-timing': timing }),
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n${lines.join('')}\r\n${body}`,
  );
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
  socket.once('close', () => clearTimeout(timer));
};

const serveRequest = async (parts: {
  edgeId: string;
  openFlow: OpenFlow;
  meter: Meter;
  identify: Identify;
  request: IncomingMessage;
  response: ServerResponse;
}): Promise<void> => {
  const { request, response } = parts;
  const abort = new AbortController();
  response.once('close', () => abort.abort());
  const answerRefusal = (refusal: Refusal): void => {
    response.writeHead(refusal.status, refusalHeaders(parts.edgeId, refusal));
    response.end(`${refusal.error}: ${refusal.details}\n`);
  };
  const url = parseUrl(request.url ?? '');
  if (url?.protocol !== 'http:' || !url.hostname) {
    return answerRefusal(refuse('http_request_error', 'only CONNECT and http:// URLs'));
  }
  const who = await parts.identify(request);
  if ('status' in who) return answerRefusal(who);
  const outcome = await parts.openFlow({
    deviceId: who.client,
    destination: { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) || 80 },
    receivedMs: performance.now(),
    read: 'stream',
    signal: abort.signal,
  });
  if (!outcome.opened) return answerRefusal(outcome.refusal);
  const { flow } = outcome;
  try {
    const answer = await forwardHttp({
      request: {
        method: request.method ?? 'GET',
        host: url.host,
        path: `${url.pathname}${url.search}`,
        headers: request.headers,
        body: request,
        hasBody: request.headers['transfer-encoding'] !== undefined,
      },
      flow,
      meter: parts.meter,
      signal: abort.signal,
    });
    response.writeHead(answer.status, answer.headers);
    answer.body.on('error', () => response.destroy());
    answer.body.pipe(response);
  } catch (error) {
    flow.socket.destroy();
    if (!response.headersSent) {
      answerRefusal(refuse('http_protocol_error', (error as Error).message));
    }
  }
};

const parseUrl = (text: string): URL | undefined => {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
};
