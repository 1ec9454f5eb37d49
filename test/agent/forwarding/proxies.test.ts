import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HttpProxy, startHttpProxy } from '#agent/forwarding/http-proxy.ts';
import { createOpen } from '#agent/forwarding/open.ts';
import { makePac } from '#agent/forwarding/pac.ts';
import { compileRoutePolicy } from '#agent/forwarding/route.ts';
import { type Socks, startSocks } from '#agent/forwarding/socks.ts';
import type { Tunnel } from '#agent/tunnel/tunnel.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';
import { parseEdgeTiming } from '#contract/server-timing.ts';
import { silentLog } from '#runtime/log.ts';
import {
  createEdgeLab,
  type EdgeLab,
  loopbackApplication,
  readAll,
  sha256,
} from '#test/support/edge-lab.ts';
import { startNameServer } from '#test/support/name-server.ts';
import { startOrigin } from '#test/support/origin.ts';
import { waitUntil } from '#test/support/wait-until.ts';

let lab: EdgeLab;
let proxy: HttpProxy;
let socks: Socks;
let edge: Awaited<ReturnType<EdgeLab['edge']>>;
const log = silentLog();

const policyOf = (changes: Partial<ForwardingPolicy> = {}) =>
  compileRoutePolicy(
    { mode: 'tunnel', bypass: ['localhost'], whenTunnelDown: 'closed', pinnedEdge: '', ...changes },
    { services: [], listeners: [] },
  );

const startProxies = async (tunnel: Pick<Tunnel, 'connect'>, policy = policyOf()) => {
  const open = createOpen({ tunnel, policy: () => policy, log });
  const pac = (address: { host: string; port: number }) =>
    makePac(address, { mode: 'tunnel', whenTunnelDown: 'closed' });
  const listen = { host: '127.0.0.1', port: 0, open, log };
  const made = { http: await startHttpProxy({ ...listen, pac }), socks: await startSocks(listen) };
  lab.onStop(() => made.http.stop());
  lab.onStop(() => made.socks.stop());
  return made;
};

beforeAll(async () => {
  lab = await createEdgeLab();
  const names = await startNameServer({});
  lab.onStop(() => names.stop());
  const policy = {
    ...loopbackApplication,
    access: [
      { id: 'no-games', action: 'block' as const, hosts: ['game.test'], ports: [], devices: [] },
    ],
  };
  edge = await lab.edge('e1', policy, [names.address]);
  const tunnel = await lab.tunnel([edge.entry]);
  ({ http: proxy, socks } = await startProxies(tunnel));
});
afterAll(() => lab.stop());

const dial = async (port: number): Promise<Socket> => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  lab.onStop(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
};

/** CONNECT through a proxy; the answer, and the socket behind it when it was 200. */
const openConnect = async (target: string, port = proxy.address.port) => {
  const request = httpRequest({ host: '127.0.0.1', port, method: 'CONNECT', path: target });
  request.end();
  const [answer, socket, head] = (await once(request, 'connect')) as [
    IncomingMessage,
    Socket,
    Buffer,
  ];
  if (head.length > 0) socket.unshift(head);
  socket.allowHalfOpen = true;
  socket.on('error', () => {});
  return { status: answer.statusCode, headers: answer.headers, socket };
};

const openSocks = async (
  host: { type: 1 | 3 | 4; bytes: Buffer },
  port: number,
  command = 1,
): Promise<{ socket: Socket; code: number | undefined }> => {
  const socket = await dial(socks.address.port);
  socket.write(Buffer.of(5, 1, 0));
  const [method] = (await once(socket, 'data')) as [Buffer];
  expect([...method]).toEqual([5, 0]);
  const tail = Buffer.of(port >> 8, port & 0xff);
  socket.write(Buffer.concat([Buffer.of(5, command, 0, host.type), host.bytes, tail]));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  if (answer.length > 10) socket.unshift(answer.subarray(10));
  return { socket, code: answer[1] };
};
const domain = (name: string) => ({
  type: 3 as const,
  bytes: Buffer.concat([Buffer.of(name.length), Buffer.from(name)]),
});

describe.each(['HTTP CONNECT', 'SOCKS5'])('through %s', (kind) => {
  const open = async (port: number): Promise<Socket> =>
    kind === 'SOCKS5'
      ? (await openSocks(domain('app.test'), port)).socket
      : (await openConnect(`app.test:${port}`)).socket;

  it('20 MB and many flows side by side come unchanged', async () => {
    const content = randomBytes(20_000_000);
    const big = await lab.origin((socket) => socket.resume().end(content));
    const socket = await open(big.port);
    socket.end();
    expect(sha256(await readAll(socket))).toBe(sha256(content));
    const echo = await lab.origin((server) => server.pipe(server));
    const matches = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const sent = randomBytes(100_000);
        const flow = await open(echo.port);
        flow.end(sent);
        return sha256(await readAll(flow)) === sha256(sent);
      }),
    );
    expect(matches.every(Boolean)).toBe(true);
  });

  it('either side may end first and still receive', async () => {
    const afterEnd = await lab.origin((socket) => {
      socket.resume().once('end', () => socket.end(Buffer.alloc(300_000)));
    });
    const clientFirst = await open(afterEnd.port);
    clientFirst.end('x');
    expect((await readAll(clientFirst)).length).toBe(300_000);
    let received = 0;
    const beforeEnd = await lab.origin((socket) => {
      socket.end();
      socket.on('data', (chunk) => {
        received += chunk.length;
      });
    });
    const originFirst = await open(beforeEnd.port);
    await readAll(originFirst);
    originFirst.end(Buffer.alloc(300_000));
    await waitUntil(() => received === 300_000);
  });

  it('a reset of the origin is a reset to the client, and the other way round', async () => {
    const resetting = await lab.origin((socket) => {
      socket.once('data', () => socket.resetAndDestroy());
    });
    const socket = await open(resetting.port);
    socket.resume().write('x');
    const [error] = await once(socket, 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET' });

    const codes: string[] = [];
    const watching = await lab.origin((server) => {
      server.resume().on('error', (e) => codes.push((e as NodeJS.ErrnoException).code ?? ''));
    });
    (await open(watching.port)).resetAndDestroy();
    await waitUntil(() => codes.length === 1);
    expect(codes).toEqual(['ECONNRESET']);
  });
});

describe('the HTTP proxy', () => {
  it('answers CONNECT with what the edge measured', async () => {
    const origin = await lab.origin((socket) => socket.resume().end());
    const { status, headers, socket } = await openConnect(`app.test:${origin.port}`);
    socket.destroy();
    expect(status).toBe(200);
    const timing = parseEdgeTiming(String(headers['server-timing']));
    expect(timing).toMatchObject({ edgeId: 'e1', address: '127.0.0.1' });
  });

  it.each([
    ['game.test:443', 403, 'e1; error=http_request_denied; details="rule no-games"'],
    ['100.64.0.1:80', 403, 'e1; error=destination_ip_prohibited'],
    ['missing.test:80', 502, 'e1; error=dns_error'],
    ['app.test:1', 502, 'e1; error=connection_refused'],
    ['localhost:1', 502, 'whyslow-agent; error=connection_refused'],
    ['nonsense', 400, 'whyslow-agent; error=http_request_error'],
  ])('passes a refusal on: %s', async (target, status, proxyStatus) => {
    const answer = await openConnect(target);
    expect(answer.status).toBe(status);
    expect(answer.headers['proxy-status']).toContain(proxyStatus);
  });

  it('goes direct for a bypass, and says so', async () => {
    const origin = await lab.origin((socket) => socket.resume().end('direct'));
    const { headers, socket } = await openConnect(`localhost:${origin.port}`);
    socket.end();
    expect((await readAll(socket)).toString()).toBe('direct');
    expect(headers['server-timing']).toBeUndefined();
    expect(headers['proxy-status']).toBe('whyslow-agent; details="direct, bypass localhost"');
  });

  it('without a tunnel refuses when closed and goes direct when open', async () => {
    const down = await lab.tunnel([]);
    const origin = await lab.origin((socket) => socket.resume().end('direct'));
    const closed = await startProxies(down, policyOf({ bypass: [] }));
    const refused = await openConnect(`127.0.0.1:${origin.port}`, closed.http.address.port);
    expect(refused.status).toBe(503);
    expect(refused.headers['proxy-status']).toBe(
      'whyslow-agent; error=destination_unavailable; details="tunnel down"',
    );
    const open = await startProxies(down, policyOf({ bypass: [], whenTunnelDown: 'open' }));
    const direct = await openConnect(`127.0.0.1:${origin.port}`, open.http.address.port);
    expect(direct.headers['proxy-status']).toContain('direct, tunnel-down');
    direct.socket.destroy();
  });

  it('serves curl, by CONNECT and by absolute http:// URL, and a PAC file', async () => {
    const origin = await startOrigin();
    lab.onStop(() => origin.stop());
    const curl = async (...args: string[]) =>
      (await promisify(execFile)('curl', ['-sS', '--max-time', '20', '--noproxy', '', ...args]))
        .stdout;
    const through = ['-x', `http://127.0.0.1:${proxy.address.port}`];
    const url = `http://app.test:${origin.port}/`;
    expect(await curl(...through, '--proxytunnel', url)).toBe('hello from the origin\n');
    expect(await curl(...through, url)).toBe('hello from the origin\n');
    expect(await curl(...through, '-d', 'a=b', url)).toBe('hello from the origin\n');
    const socksUrl = `socks5h://127.0.0.1:${socks.address.port}`;
    expect(await curl('-x', socksUrl, url)).toBe('hello from the origin\n');
    const own = `http://127.0.0.1:${proxy.address.port}`;
    expect(await curl(`${own}/proxy.pac`)).toContain(`PROXY 127.0.0.1:${proxy.address.port}`);
    expect(await curl('-o', '/dev/null', '-w', '%{http_code}', `${own}/else`)).toBe('404');
    const status = await curl(...through, '-w', ' %{http_code}', 'http://game.test/');
    expect(status).toContain('rule no-games');
    expect(status).toMatch(/ 403$/);
  });

  it('listens on loopback only', async () => {
    const open = createOpen({ tunnel: await lab.tunnel([]), policy: policyOf, log });
    const options = { host: '0.0.0.0', port: 0, open, log };
    await expect(startHttpProxy({ ...options, pac: () => '' })).rejects.toThrow(/loopback/);
    await expect(startSocks(options)).rejects.toThrow(/loopback/);
  });
});

describe('the SOCKS5 listener', () => {
  it.each([
    ['an address', { type: 1 as const, bytes: Buffer.of(100, 64, 0, 1) }, 80, 2],
    ['an IPv6 address', { type: 4 as const, bytes: Buffer.alloc(16) }, 80, 2],
    ['a blocked name', domain('game.test'), 443, 2],
    ['a name that does not exist', domain('missing.test'), 80, 4],
    ['a port nothing listens on', domain('app.test'), 1, 5],
    ['an empty name', domain(''), 80, 1],
    ['port 0', domain('app.test'), 0, 1],
  ])('answers %s with the right code', async (_, host, port, code) => {
    expect((await openSocks(host, port)).code).toBe(code);
  });

  it('knows CONNECT only', async () => {
    expect((await openSocks(domain('app.test'), 80, 2)).code).toBe(7);
    expect((await openSocks(domain('app.test'), 80, 3)).code).toBe(7);
  });

  it('takes its handshake byte by byte, and data right behind it', async () => {
    const echo = await lab.origin((server) => server.pipe(server));
    const bytes = Buffer.concat([
      Buffer.of(5, 2, 0, 2, 5, 1, 0, 3, 8),
      Buffer.from('app.test'),
      Buffer.of(echo.port >> 8, echo.port & 0xff),
    ]);
    const slow = await dial(socks.address.port);
    slow.setNoDelay(true);
    for (const byte of bytes) {
      slow.write(Buffer.of(byte));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    slow.end('hello');
    expect((await readAll(slow)).subarray(12).toString()).toBe('hello');
    const fast = await dial(socks.address.port);
    fast.end(Buffer.concat([bytes, Buffer.from('hello')]));
    expect((await readAll(fast)).subarray(12).toString()).toBe('hello');
  });

  it('offers no authentication, and turns away what is not SOCKS5', async () => {
    const needsPassword = await dial(socks.address.port);
    needsPassword.write(Buffer.of(5, 1, 2));
    expect([...(await readAll(needsPassword))]).toEqual([5, 0xff]);
    const four = await dial(socks.address.port);
    four.write(Buffer.of(4, 1, 0, 80, 127, 0, 0, 1, 0));
    expect((await readAll(four)).length).toBe(0);
  });
});

describe('hostile input', () => {
  it.each([
    ['bytes that are not HTTP', Buffer.concat([Buffer.of(0, 255, 13, 10), randomBytes(5_000)])],
    ['a header section without end', Buffer.from(`GET / HTTP/1.1\r\nX: ${'a'.repeat(100_000)}`)],
    [
      'a request split in two',
      Buffer.from('GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'),
    ],
  ])('%s is answered with an error and harms nobody', async (_, bytes) => {
    const socket = await dial(proxy.address.port);
    socket.on('error', () => {});
    const closed = once(socket, 'close');
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('end', () => socket.end());
    socket.write(bytes);
    await closed;
    if (answer !== '') expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    const origin = await lab.origin((server) => server.resume().end('fine'));
    const after = await openConnect(`app.test:${origin.port}`);
    after.socket.end();
    expect((await readAll(after.socket)).toString()).toBe('fine');
  });

  it('a client that never finishes its header section is closed', async () => {
    const socket = await dial(proxy.address.port);
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.resume().write('GET / HTTP/1.1\r\nHost: a\r\n');
    const drip = setInterval(() => socket.write('X-Drip: 1\r\n'), 500);
    const silent = await dial(socks.address.port);
    silent.resume().on('end', () => silent.end());
    silent.on('error', () => {});
    await Promise.all([once(socket, 'close'), once(silent, 'close')]);
    clearInterval(drip);
  });

  it('garbage on a tunnel session ends that session only', async () => {
    const socket = await dial(edge.server.address.port);
    socket.on('error', () => {});
    const closed = once(socket, 'close');
    socket.on('end', () => socket.end());
    socket.resume().write(randomBytes(10_000));
    await closed;
    const origin = await lab.origin((server) => server.resume().end('fine'));
    const after = await openConnect(`app.test:${origin.port}`);
    expect(after.status).toBe(200);
    after.socket.destroy();
  });
});
