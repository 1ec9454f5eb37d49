import { once } from 'node:events';
import { createServer as createHttp, type RequestListener, type Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { KeyedCertificate } from '#runtime/certificates.ts';

/** A timer of Node's is up to a millisecond late, which is all that is allowed here: it ends by looking. */
const spinMs = 3;

const exactly = async (ms: number): Promise<void> => {
  const endMs = performance.now() + ms;
  await wait(ms - spinMs);
  while (performance.now() < endMs);
};

/**
 * Servers that wait a while before the TLS handshake, before the answer and within it, always as long:
 * two clients that ask one after the other then differ by nothing but themselves.
 */
export const startPausedServers = async (
  certificate: Pick<KeyedCertificate, 'certificatePem' | 'privateKeyPem'>,
  page: string,
  pauseMs: number,
): Promise<{ plain: string; secure: string }> => {
  const answer: RequestListener = async (_request, response) => {
    await exactly(pauseMs);
    response.writeHead(200, { 'content-length': Buffer.byteLength(page) });
    response.write(page.slice(0, 100));
    await exactly(pauseMs);
    response.end(page.slice(100));
  };
  const tls = { cert: certificate.certificatePem, key: certificate.privateKeyPem };
  const secure = createHttps(tls, answer);
  const gate = createServer({ noDelay: true, pauseOnConnect: true }, async (socket) => {
    socket.on('error', () => {});
    await exactly(pauseMs);
    secure.emit('connection', socket);
  });
  return {
    plain: `http://${await listen(createHttp(answer))}/`,
    secure: `https://${await listen(gate)}/`,
  };
};

const listen = async (server: Server | ReturnType<typeof createServer>): Promise<string> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
};
