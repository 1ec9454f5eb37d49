import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HttpProxy, startHttpProxy } from '#agent/forwarding/http-proxy.ts';
import { createOpen } from '#agent/forwarding/open.ts';
import { compileRoutePolicy } from '#agent/forwarding/route.ts';
import { silentLog } from '#runtime/log.ts';
import { createEdgeLab, type EdgeLab, readAll } from '#test/support/edge-lab.ts';
import { waitUntil } from '#test/support/wait-until.ts';

/** Plain http:// through the local proxy, against servers and clients that do not behave. */
let lab: EdgeLab;
let proxy: HttpProxy;

beforeAll(async () => {
  lab = await createEdgeLab();
  const log = silentLog();
  const policy = compileRoutePolicy(
    { mode: 'off', bypass: [], whenTunnelDown: 'closed', pinnedEdge: '' },
    { services: [], listeners: [] },
  );
  const open = createOpen({ tunnel: await lab.tunnel([]), policy: () => policy, log });
  const pac = () => 'the PAC text';
  proxy = await startHttpProxy({ host: '127.0.0.1', port: 0, open, pac, log });
  lab.onStop(() => proxy.stop());
});
afterAll(() => lab.stop());

/** Sends bytes to the proxy as they are; all that came back until it closed. */
const send = async (text: string): Promise<string> => {
  const socket = connect(proxy.address.port, '127.0.0.1');
  lab.onStop(() => socket.destroy());
  await once(socket, 'connect');
  socket.write(text);
  return (await readAll(socket)).toString('latin1');
};

const answering = (answer: string) =>
  lab.origin((socket) => socket.once('data', () => socket.end(answer)));

const get = (port: number): Promise<string> =>
  send(
    `GET http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`,
  );

describe('an http:// origin', () => {
  it.each([
    ['status 000', 'HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n'],
    ['status 099', 'HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n'],
    ['status 101', 'HTTP/1.1 101 X\r\n\r\n'],
    ['an upgrade', 'HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n'],
    ['no answer', ''],
    ['what is not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ])('that gives %s is a 502 with its reason', async (_what, answer) => {
    const text = await get((await answering(answer)).port);
    expect(text).toMatch(/^HTTP\/1\.1 502 /);
    expect(text).toMatch(/proxy-status: whyslow-agent; error=http_protocol_error/i);
  });

  it('may answer with a status nobody has registered', async () => {
    const origin = await answering('HTTP/1.1 999 Denied\r\nContent-Length: 2\r\n\r\nno');
    expect(await get(origin.port)).toMatch(/^HTTP\/1\.1 999 [\s\S]*no$/);
  });

  it('cannot speak as the agent or as an edge', async () => {
    const origin = await answering(
      [
        'HTTP/1.1 200 OK',
        'Proxy-Status: whyslow-agent; error=destination_unavailable; details="tunnel down"',
        'Server-Timing: edge;desc="e1", queue;dur=1, connect;dur=5000',
        'Content-Length: 0\r\n\r\n',
      ].join('\r\n'),
    );
    const text = await get(origin.port);
    expect(text.match(/proxy-status:.*/gi)).toEqual([
      'proxy-status: whyslow-agent; details="direct, forwarding-off"',
    ]);
    expect(text).not.toMatch(/server-timing/i);
  });

  it('keeps timings of its own', async () => {
    const origin = await answering(
      'HTTP/1.1 200 OK\r\nServer-Timing: db;dur=5\r\nContent-Length: 0\r\n\r\n',
    );
    expect(await get(origin.port)).toMatch(/server-timing: db;dur=5\r\n/i);
  });
});

describe('a request with a body', () => {
  /** What the origin read, head and body. */
  const readByOrigin = async (request: (host: string) => string, until: string) => {
    let seen = '';
    const origin = await lab.origin((socket) => {
      socket.on('data', (chunk) => {
        seen += chunk.toString('latin1');
        if (seen.endsWith(until)) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      });
    });
    const answered = send(request(`127.0.0.1:${origin.port}`));
    await waitUntil(() => seen.endsWith(until));
    expect(await answered).toMatch(/^HTTP\/1\.1 200 /);
    return seen;
  };
  const smuggled = 'GET /admin HTTP/1.1\r\nHost: x\r\n\r\n';

  it.each(['GET', 'DELETE', 'POST', 'OPTIONS'])('%s stays framed when chunked', async (method) => {
    const size = smuggled.length.toString(16);
    const seen = await readByOrigin(
      (host) =>
        `${method} http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${size}\r\n${smuggled}\r\n0\r\n\r\n`,
      '0\r\n\r\n',
    );
    expect(seen).toMatch(/transfer-encoding: chunked\r\n/i);
    expect(seen).toContain(`\r\n\r\n${size}\r\n${smuggled}\r\n0\r\n\r\n`);
  });

  it('keeps its length and host whatever Connection lists', async () => {
    const seen = await readByOrigin(
      (host) =>
        `DELETE http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nX-Hop: 1\r\nContent-Length: ${smuggled.length}\r\nConnection: close, content-length, host, x-hop\r\n\r\n${smuggled}`,
      smuggled,
    );
    expect(seen).toContain(`content-length: ${smuggled.length}\r\n`);
    expect(seen).toMatch(/host: 127\.0\.0\.1:\d+\r\n/);
    expect(seen).not.toContain('x-hop');
  });
});

describe('the PAC file', () => {
  const askedAs = (host: string) =>
    send(`GET /proxy.pac HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);

  it('comes to whoever asks the listener by its own address', async () => {
    for (const name of ['127.0.0.1', 'localhost', 'LOCALHOST']) {
      const text = await askedAs(`${name}:${proxy.address.port}`);
      expect(text).toMatch(/^HTTP\/1\.1 200 [\s\S]*the PAC text/);
      expect(text).toMatch(/x-content-type-options: nosniff/i);
    }
  });

  it('does not come to a page that points its own name at loopback', async () => {
    const { port } = proxy.address;
    for (const host of [`evil.example:${port}`, 'evil.example', '127.0.0.1:1', '']) {
      expect(await askedAs(host)).toMatch(/^HTTP\/1\.1 421 /);
    }
  });
});

it.each(['x.evil.example..', '.evil.example', 'a..b', `${'a'.repeat(64)}.test`])(
  'the name %s is refused before any rule is asked',
  async (name) => {
    const connected = await send(`CONNECT ${name}:80 HTTP/1.1\r\nHost: ${name}:80\r\n\r\n`);
    expect(connected).toMatch(/^HTTP\/1\.1 400 [\s\S]*error=http_request_error/);
    const plain = await send(
      `GET http://${name}/ HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`,
    );
    expect(plain).toMatch(/^HTTP\/1\.1 400 [\s\S]*error=http_request_error/);
  },
);
