import { once } from 'node:events';
import http2, { type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { edgeServerName } from '#contract/enrollment.ts';
import { maxSessionsPerDevice } from '#edge/session.ts';
import type { Identity } from '#runtime/identity.ts';
import {
  createEdgeLab,
  type EdgeLab,
  loopbackApplication,
  readAll,
} from '#test/support/edge-lab.ts';
import { startSessions } from '#test/support/session-listener.ts';
import { waitUntil } from '#test/support/wait-until.ts';

/** Plain http:// over an edge, and sessions of clients that do not behave. */
let lab: EdgeLab;
let identity: Identity;
let port: number;

beforeAll(async () => {
  lab = await createEdgeLab();
  identity = await lab.device();
  const access = [
    { id: 'evil', action: 'block' as const, hosts: ['.evil.app.test'], ports: [], devices: [] },
  ];
  const { server } = await lab.edge('e1', { ...loopbackApplication, access });
  port = server.address.port;
});
afterAll(() => lab.stop());

const tlsTo = (toPort: number, who: Identity) => ({
  host: '127.0.0.1',
  port: toPort,
  servername: edgeServerName('e1'),
  ca: who.caCertificatePem,
  cert: who.certificatePem,
  key: who.privateKeyPem,
});

const openH1 = async (toPort = port, who = identity): Promise<TLSSocket> => {
  const socket = connectTls({ ...tlsTo(toPort, who), ALPNProtocols: ['http/1.1'] });
  socket.on('error', () => {});
  lab.onStop(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
};

const sendH1 = async (text: string): Promise<string> => {
  const socket = await openH1();
  socket.write(text);
  return (await readAll(socket)).toString('latin1');
};

const requestH2 = async (authority: string, method = 'GET', body?: string) => {
  const session = http2.connect('https://e1', tlsTo(port, identity));
  session.on('error', () => {});
  lab.onStop(() => session.destroy());
  const stream = session.request(
    { ':method': method, ':scheme': 'http', ':authority': authority, ':path': '/' },
    { endStream: body === undefined },
  );
  if (body !== undefined) stream.end(body);
  const [headers] = (await once(stream, 'response')) as [
    IncomingHttpHeaders & IncomingHttpStatusHeader,
  ];
  stream.resume();
  return headers;
};

describe('an http:// origin behind an edge', () => {
  it.each([
    ['status 000', 'HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n'],
    ['status 099', 'HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n'],
    ['status 101', 'HTTP/1.1 101 X\r\n\r\n'],
    ['an upgrade', 'HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n'],
    ['no answer', ''],
  ])('that gives %s is a 502, over HTTP/2 and HTTP/1.1', async (_what, answer) => {
    const origin = await lab.origin((socket) => socket.once('data', () => socket.end(answer)));
    const authority = `app.test:${origin.port}`;
    const headers = await requestH2(authority);
    expect(headers[':status']).toBe(502);
    expect(headers['proxy-status']).toMatch(/^e1; error=http_protocol_error/);
    const text = await sendH1(
      `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 502 [\s\S]*e1; error=http_protocol_error/);
  });

  it('cannot speak as an edge', async () => {
    const origin = await lab.origin((socket) =>
      socket.once('data', () =>
        socket.end(
          'HTTP/1.1 200 OK\r\nProxy-Status: e1; error=dns_error\r\nServer-Timing: edge;desc="e9", dns;dur=5000\r\nContent-Length: 0\r\n\r\n',
        ),
      ),
    );
    const headers = await requestH2(`app.test:${origin.port}`);
    expect(headers['proxy-status']).toBeUndefined();
    expect(headers['server-timing']).toMatch(/^edge;desc="e1"/);
    expect(headers['server-timing']).not.toContain('dns');
  });

  it('gets every body framed, whatever the method and the version', async () => {
    const smuggled = 'GET /admin HTTP/1.1\r\nHost: x\r\n\r\n';
    const seen: string[] = [];
    const origin = await lab.origin((socket) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        if (!text.endsWith('\r\n0\r\n\r\n')) return;
        seen.push(text);
        socket.end('HTTP/1.1 204 No Content\r\n\r\n');
      });
    });
    const authority = `app.test:${origin.port}`;
    expect((await requestH2(authority, 'DELETE', smuggled))[':status']).toBe(204);
    const size = smuggled.length.toString(16);
    await sendH1(
      `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nTransfer-Encoding: chunked\r\nConnection: close, host\r\n\r\n${size}\r\n${smuggled}\r\n0\r\n\r\n`,
    );
    expect(seen).toHaveLength(2);
    for (const text of seen) {
      expect(text).toMatch(/transfer-encoding: chunked\r\n/i);
      expect(text).toContain(`\r\n\r\n${size}\r\n${smuggled}\r\n0\r\n\r\n`);
    }
  });

  it('is not reached by a name that only looks like another', async () => {
    for (const name of ['x.evil.app.test..', 'x.evil.app.test.', `${'a'.repeat(64)}.test`]) {
      const status = name.endsWith('test.') ? 403 : 400;
      expect((await requestH2(`${name}:80`))[':status']).toBe(status);
      const request = `GET http://${name}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
      expect(await sendH1(request)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    }
  });
});

describe('sessions of one device', () => {
  it(`are ${maxSessionsPerDevice} at most; other devices still come in`, async () => {
    const greedy = await lab.device();
    const all = Array.from({ length: maxSessionsPerDevice }, () => openH1(port, greedy));
    const sockets = await Promise.all(all);
    const extra = await openH1(port, greedy);
    await once(extra.resume(), 'close');
    expect(sockets.some((socket) => socket.closed)).toBe(false);
    expect((await requestH2('x.evil.app.test:80'))[':status']).toBe(403);
    for (const socket of sockets) socket.destroy();
  });

  it('end when a header section takes too long, a byte now and then notwithstanding', async () => {
    const sessions = await startSessions(lab, { headersMs: 500 });
    const socket = await openH1(sessions.port);
    socket.write('GET http://app.test/ HTTP/1.1\r\nX: ');
    const timer = setInterval(() => socket.write('x'), 50);
    try {
      await waitUntil(() => socket.closed);
    } finally {
      clearInterval(timer);
    }
  });
});
