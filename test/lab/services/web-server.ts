import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as wait } from 'node:timers/promises';
import type { ServerCertificates } from './authority.ts';
import { piecesOf } from './body.ts';
import { healthyWeb, type WebBehaviour } from './control.ts';
import { listenInside } from './namespace-sockets.ts';
import type { ServedNode, Service } from './service.ts';
import type { Find } from './site.ts';
import { createTally, type Tally } from './tally.ts';

const port = 443;

type WebServerParts = { node: ServedNode; certificates: ServerCertificates; find: Find };

/**
 * HTTPS over HTTP/2 and HTTP/1.1. TCP is accepted by a server of its own in front of TLS, so that a
 * late handshake leaves the connect time as it is.
 */
export const startWebServer = async (parts: WebServerParts): Promise<Service> => {
  const { node, certificates, find } = parts;
  let behaviour = healthyWeb;
  const tally = createTally();
  const credentials = ({ certificate }: WebBehaviour) => ({
    cert: certificates[certificate].certificatePem,
    key: certificates[certificate].privateKeyPem,
  });
  const secure = createSecureServer(
    { allowHTTP1: true, ...credentials(behaviour) },
    (request, response) => {
      // Clients that leave in the middle are no news here.
      handle({ request, response, behaviour, find, tally }).catch(() => response.destroy());
    },
  );
  const door = createDoor(secure, () => behaviour.tlsDelayMs, tally);

  const become = async (next: WebBehaviour): Promise<void> => {
    const before = behaviour;
    behaviour = next;
    if (next.certificate !== before.certificate) {
      // Also forgets session tickets: a resumed session would show no certificate.
      secure.setSecureContext(credentials(next));
      door.endConnections();
    }
    if (next.refuses && !before.refuses) await door.close();
    if (!next.refuses && before.refuses) await listenInside(node.namespace, door.server, port);
  };

  await listenInside(node.namespace, door.server, port);
  return {
    behaviour: () => behaviour,
    change: (change) => become({ ...behaviour, ...change }),
    reset: () => become(healthyWeb),
    requests: tally.counts,
    stop: () => door.close(),
  };
};

const createDoor = (secure: Http2SecureServer, delayMs: () => number, tally: Tally) => {
  const connections = new Set<Socket>();
  const server: Server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    tally.connection();
    connections.add(socket);
    socket.on('error', () => {}).once('close', () => connections.delete(socket));
    void wait(delayMs(), undefined, { ref: false }).then(() => {
      if (!socket.destroyed) secure.emit('connection', socket);
    });
  });
  secure.on('tlsClientError', () => {}).on('sessionError', () => {});
  const endConnections = () => {
    for (const socket of connections) socket.destroy();
  };
  return {
    server,
    endConnections,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        endConnections();
      }),
  };
};

type Exchange = {
  request: Http2ServerRequest | IncomingMessage;
  response: Http2ServerResponse | ServerResponse;
  behaviour: WebBehaviour;
  find: Find;
  tally: Tally;
};

const handle = async ({ request, response, behaviour, find, tally }: Exchange): Promise<void> => {
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  const protocol = request.httpVersionMajor === 2 ? 'h2' : 'http/1.1';
  tally.request({ target: path, source: request.socket.remoteAddress, protocol });
  request.resume();
  if (behaviour.hangs) return;
  if (behaviour.thinkMs > 0) await wait(behaviour.thinkMs);
  const body = find(path, behaviour);
  const isError = Math.random() < behaviour.errorRatio;
  const status = isError ? behaviour.errorStatus : body === undefined ? 404 : 200;
  tally.answer(status);
  if (body === undefined || isError) {
    response.writeHead(status, { 'content-type': 'text/plain' });
    response.end(`error ${status}\n`);
    return;
  }
  // Nothing is kept by a browser, so that each load asks for the same; phases are shown to pages.
  response.writeHead(status, {
    'content-type': body.type,
    'content-length': body.size,
    'cache-control': 'no-store',
    'timing-allow-origin': '*',
  });
  if (request.method === 'HEAD' || body.size === 0) return void response.end();
  await pipeline(Readable.from(piecesOf(body, behaviour.bytesPerSecond)), response);
};
