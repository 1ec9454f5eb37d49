import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import http2, { type ClientHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { edgeServerName } from '#contract/enrollment.ts';
import { startEdgeServer } from '#edge/server.ts';
import type { Identity } from '#runtime/identity.ts';
import { silentLog } from '#runtime/log.ts';
import {
  createEdgeLab,
  type EdgeLab,
  emptyPolicy,
  loopbackApplication,
  readAll,
  sha256,
} from '#test/support/edge-lab.ts';

/** An edge that gives each device 2 MB a second, and as much at once. */
let lab: EdgeLab;
let edgePort: number;
const sent = randomBytes(2_000_000);
/** 4 MB in all: the first two at once, the others in a second. */
const leastMs = 900;

beforeAll(async () => {
  lab = await createEdgeLab();
  const edge = await startEdgeServer({
    edgeId: 'e1',
    listen: { host: '127.0.0.1', port: 0 },
    certificate: await lab.edgeCertificate('e1'),
    limits: { bytesPerSecond: 2_000_000 },
    log: silentLog(),
  });
  lab.onStop(() => edge.stop(0));
  edge.setPolicy({ ...emptyPolicy('e1'), ...loopbackApplication });
  edgePort = edge.address.port;
});
afterAll(() => lab.stop());

const tlsOf = (who: Identity) => ({
  host: '127.0.0.1',
  port: edgePort,
  servername: edgeServerName('e1'),
  ca: who.caCertificatePem,
  cert: who.certificatePem,
  key: who.privateKeyPem,
});

const openH2 = async (): Promise<ClientHttp2Session> => {
  const session = http2.connect('https://e1', tlsOf(await lab.device()));
  lab.onStop(() => session.destroy());
  return session;
};

/** An http:// server that gives back what it gets; returns its authority at the edge. */
const startMirror = async (): Promise<string> => {
  const server = createServer((incoming, answer) => incoming.pipe(answer));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  lab.onStop(() => server.close());
  return `app.test:${(server.address() as AddressInfo).port}`;
};

it('slows a device down to its bytes a second, both ways, and loses none', async () => {
  const origin = await lab.origin((socket) => socket.pipe(socket));
  const session = await openH2();
  const authority = `app.test:${origin.port}`;
  const stream = session.request({ ':method': 'CONNECT', ':authority': authority });
  await once(stream, 'response');
  const beganMs = performance.now();
  stream.end(sent);
  expect(sha256(await readAll(stream))).toBe(sha256(sent));
  expect(performance.now() - beganMs).toBeGreaterThan(leastMs);
});

it('slows plain http:// down as much, over HTTP/2', async () => {
  const authority = await startMirror();
  const session = await openH2();
  const beganMs = performance.now();
  const stream = session.request({
    ':method': 'POST',
    ':scheme': 'http',
    ':authority': authority,
    ':path': '/',
  });
  stream.end(sent);
  expect(sha256(await readAll(stream))).toBe(sha256(sent));
  expect(performance.now() - beganMs).toBeGreaterThan(leastMs);
});

it('slows plain http:// down as much, over HTTP/1.1', async () => {
  const authority = await startMirror();
  const socket = connectTls({ ...tlsOf(await lab.device()), ALPNProtocols: ['http/1.1'] });
  lab.onStop(() => socket.destroy());
  await once(socket, 'secureConnect');
  const beganMs = performance.now();
  const outgoing = request({
    method: 'POST',
    path: `http://${authority}/`,
    headers: { host: authority, 'content-length': sent.length },
    createConnection: () => socket,
  });
  outgoing.end(sent);
  const [answer] = await once(outgoing, 'response');
  expect(sha256(await readAll(answer))).toBe(sha256(sent));
  expect(performance.now() - beganMs).toBeGreaterThan(leastMs);
});

it('breaks an answer off where its origin does, not in order, while it is slowed down', async () => {
  const origin = await lab.origin((socket) =>
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n');
      socket.write(sent, () => socket.resetAndDestroy());
    }),
  );
  const session = await openH2();
  const authority = `app.test:${origin.port}`;
  const stream = session.request({ ':scheme': 'http', ':authority': authority, ':path': '/' });
  stream.on('error', () => {});
  await expect(readAll(stream)).rejects.toThrow();
});
