import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createOpenUdp, type OpenUdp } from '#agent/forwarding/open-udp.ts';
import { compileRoutePolicy } from '#agent/forwarding/route.ts';
import { type Socks, startSocks } from '#agent/forwarding/socks.ts';
import { createUdpFlows } from '#agent/forwarding/udp-flows.ts';
import type { Tunnel } from '#agent/tunnel/tunnel.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';
import { silentLog } from '#runtime/log.ts';
import { createEdgeLab, type EdgeLab, loopbackApplication } from '#test/support/edge-lab.ts';
import { waitUntil } from '#test/support/wait-until.ts';

let lab: EdgeLab;
let edge: Awaited<ReturnType<EdgeLab['edge']>>;
let tunnel: Tunnel;
let openUdp: OpenUdp;
let socks: Socks;
let echo: { port: number; seen: { text: string; port: number }[] };
const log = silentLog();

const policyOf = (changes: Partial<ForwardingPolicy> = {}) =>
  compileRoutePolicy(
    { mode: 'tunnel', bypass: ['127.0.0.1'], whenTunnelDown: 'closed', pinnedEdge: '', ...changes },
    { services: [], listeners: [{ host: '127.0.0.1', port: 9 }] },
  );

beforeAll(async () => {
  lab = await createEdgeLab();
  edge = await lab.edge('e1', {
    ...loopbackApplication,
    access: [{ id: 'no-games', action: 'block', hosts: ['game.test'], ports: [], devices: [] }],
  });
  tunnel = await lab.tunnel([edge.entry]);
  openUdp = createOpenUdp({ tunnel, policy: policyOf, log });
  socks = await startSocks({
    host: '127.0.0.1',
    port: 0,
    open: () => Promise.reject(new Error('no TCP here')),
    openUdp,
    log,
  });
  lab.onStop(() => socks.stop());
  echo = await startEcho();
});
afterAll(() => lab.stop());

const startEcho = async () => {
  const seen: { text: string; port: number }[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (bytes, from) => {
    seen.push({ text: String(bytes), port: from.port });
    socket.send(`re ${bytes}`, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  lab.onStop(() => socket.close());
  return { port: socket.address().port, seen };
};

const signal = () => AbortSignal.timeout(20_000);

describe('datagrams of the device', () => {
  const exchange = async (host: string, first: Buffer[] = []) => {
    const opened = await openUdp({ host, port: echo.port }, signal(), first);
    if (!opened.ok) return opened;
    const received: string[] = [];
    opened.flow.onDatagrams((datagrams) => received.push(...datagrams.map(String)));
    opened.flow.send([Buffer.from('a'), Buffer.from('b')]);
    await waitUntil(() => received.length === 2 + first.length);
    const ended = new Promise<string>((resolve) => opened.flow.onClose(resolve));
    opened.flow.close();
    return { way: opened.way, received: received.sort(), ended: await ended };
  };

  it('go through the tunnel, or past it where a rule says so', async () => {
    const back = ['re a', 're b'];
    expect(await exchange('app.test')).toEqual({ way: 'tunnel', received: back, ended: 'ended' });
    expect(await exchange('127.0.0.1')).toEqual({
      way: 'bypass 127.0.0.1',
      received: back,
      ended: 'ended',
    });
  });

  it('that are there already go along with the request', async () => {
    expect(await exchange('app.test', [Buffer.from('0')])).toMatchObject({
      received: ['re 0', 're a', 're b'],
    });
  });

  it.each([
    ['game.test', 1, 403, 'e1; error=http_request_denied'],
    ['10.9.9.9', 1, 403, 'e1; error=destination_ip_prohibited'],
    ['127.0.0.1', 9, 403, 'whyslow-agent; error=http_request_denied; details="rule own-listener"'],
  ])('to %s port %i are refused: %i %s', async (host, port, status, proxyStatus) => {
    const policy = policyOf({ traffic: { addresses: { include: ['10.0.0.0/8'] } } });
    const open = createOpenUdp({ tunnel, policy: () => policy, log });
    const opened = await open({ host, port }, signal());
    expect(opened).toMatchObject({ ok: false, status });
    expect(!opened.ok && opened.headers['proxy-status']).toContain(proxyStatus);
  });

  it.each([
    ['closed', { ok: false, status: 503 }],
    ['open', { ok: true, way: 'tunnel-down' }],
  ] as const)('without a tunnel, %s', async (whenTunnelDown, outcome) => {
    const none = await lab.tunnel([]);
    const policy = policyOf({ whenTunnelDown, bypass: [] });
    const open = createOpenUdp({ tunnel: none, policy: () => policy, log });
    const opened = await open({ host: '127.0.0.1', port: echo.port }, signal());
    expect(opened).toMatchObject(outcome);
    if (opened.ok) opened.flow.close();
  });

  it.each(['app.test', '127.0.0.1'])('to a port of %s where nobody listens end', async (host) => {
    const probe = createSocket('udp4').bind(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address();
    probe.close();
    const opened = await openUdp({ host, port }, signal());
    if (!opened.ok) throw new Error('refused');
    const ended = new Promise<string>((resolve) => opened.flow.onClose(resolve));
    opened.flow.send([Buffer.from('anyone?')]);
    expect(await ended).toMatch(/unreachable|ECONNREFUSED/);
  });

  it('are dropped and counted when the tunnel is too far behind, and do not pile up', async () => {
    const opened = await openUdp({ host: 'app.test', port: echo.port }, signal());
    if (!opened.ok) throw new Error('refused');
    const batch = Array.from({ length: 50 }, () => Buffer.alloc(1_200));
    // No turn of the event loop in between: nothing can leave.
    for (let i = 0; i < 100; i++) opened.flow.send(batch);
    expect(opened.flow.droppedCount()).toBeGreaterThan(4_000);
    expect(opened.flow.droppedCount()).toBeLessThan(5_000);
    opened.flow.close();
  });
});

/** A flow as an edge has it: its close ends one direction, and what was on its way still comes. */
const lateFlows = () => {
  const flow = { isGiven: false, isClosed: false };
  let give: (datagrams: Buffer[]) => void = () => {};
  const openLate: OpenUdp = async () => ({
    ok: true,
    way: 'tunnel',
    flow: {
      send: () => {},
      onDatagrams(listener) {
        give = listener;
        flow.isGiven = true;
      },
      onClose: () => {},
      close() {
        flow.isClosed = true;
      },
      droppedCount: () => 0,
    },
  });
  return { openLate, flow, answer: () => give([Buffer.from('late')]) };
};

describe('the flows of a source', () => {
  it('are one for each destination, the one unused for longest makes room', async () => {
    const received: string[] = [];
    const ended: string[] = [];
    const flows = createUdpFlows({
      openUdp,
      maxFlows: 2,
      onDatagrams: (key, datagrams) => received.push(...datagrams.map((one) => `${key} ${one}`)),
      onEnd: (key) => ended.push(key),
      log,
    });
    onTestFinished(() => flows.stop());
    const seen = () => echo.seen.filter(({ text }) => text === 'x');
    for (const key of ['one', 'two', 'one', 'three']) {
      const wanted = received.length + 1;
      flows.send(key, [Buffer.from('x')], () => ({ host: 'app.test', port: echo.port }));
      await waitUntil(() => received.length === wanted);
    }
    expect(received).toEqual(['one re x', 'two re x', 'one re x', 'three re x']);
    expect(ended).toEqual(['two']);
    const ports = seen().map(({ port }) => port);
    expect(ports[0]).toBe(ports[2]);
    expect(new Set(ports).size).toBe(3);
    expect(flows.count()).toBe(2);
  });

  it('give no answer of a flow that has ended, and open none once they are stopped', async () => {
    const { openLate, answer, flow } = lateFlows();
    const events: string[] = [];
    const flows = createUdpFlows({
      openUdp: openLate,
      maxFlows: 10,
      onDatagrams: (key) => events.push(`${key} answered`),
      onEnd: (key) => events.push(`${key} ended`),
      log,
    });
    const send = () =>
      flows.send('one', [Buffer.from('x')], () => ({ host: 'app.test', port: echo.port }));
    send();
    await waitUntil(() => flow.isGiven);
    answer();
    flows.stop();
    answer();
    send();
    expect(events).toEqual(['one answered', 'one ended']);
    expect(flows.count()).toBe(0);
  });

  it('ask a destination that was refused no second time at once', async () => {
    let asked = 0;
    const flows = createUdpFlows({
      openUdp: (...given) => {
        asked += 1;
        return openUdp(...given);
      },
      maxFlows: 10,
      onDatagrams: () => {},
      log,
    });
    onTestFinished(() => flows.stop());
    const send = () =>
      flows.send('game', [Buffer.from('x')], () => ({ host: 'game.test', port: 443 }));
    send();
    await waitUntil(() => flows.droppedCount() === 1);
    send();
    expect(asked).toBe(1);
    expect(flows.droppedCount()).toBe(2);
  });
});

describe('SOCKS5 UDP ASSOCIATE', () => {
  const associate = async (port = 0, { address } = socks) => {
    const control = connect(address.port, '127.0.0.1');
    control.on('error', () => {});
    onTestFinished(() => void control.destroy());
    control.write(Buffer.of(5, 1, 0));
    expect([...(await read(control, 2))]).toEqual([5, 0]);
    control.write(Buffer.of(5, 3, 0, 1, 0, 0, 0, 0, port >> 8, port & 255));
    const reply = await read(control, 10);
    expect([...reply.subarray(0, 8)]).toEqual([5, 0, 0, 1, 127, 0, 0, 1]);
    return { control, relayPort: reply.readUInt16BE(8) };
  };
  const read = async (control: Socket, byteCount: number): Promise<Buffer> => {
    for (;;) {
      const bytes = control.read(byteCount) as Buffer | null;
      if (bytes) return bytes;
      await once(control, 'readable');
    }
  };
  const startClient = async () => {
    const received: Buffer[] = [];
    const socket: UdpSocket = createSocket('udp4').on('message', (bytes) => received.push(bytes));
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    lab.onStop(() => socket.close());
    return { socket, received };
  };
  const portBytes = (port: number) => Buffer.of(port >> 8, port & 255);
  const four = (port: number) =>
    Buffer.concat([Buffer.of(0, 0, 0, 1, 127, 0, 0, 1), portBytes(port)]);
  const name = (host: string, port: number) =>
    Buffer.concat([Buffer.of(0, 0, 0, 3, host.length), Buffer.from(host), portBytes(port)]);
  const six = (port: number) =>
    Buffer.concat([Buffer.of(0, 0, 0, 4), Buffer.alloc(15), Buffer.of(1), portBytes(port)]);

  it('carries datagrams to addresses and names, and answers with the same header', async () => {
    const { relayPort } = await associate();
    const { socket, received } = await startClient();
    const headers = [four(echo.port), name('app.test', echo.port)];
    for (const header of headers) {
      socket.send([header, Buffer.from('hi')], relayPort, '127.0.0.1');
      const wanted = received.length + 1;
      await waitUntil(() => received.length === wanted);
      expect(received.at(-1)).toEqual(Buffer.concat([header, Buffer.from('re hi')]));
    }
  });

  it('carries them to IPv6 addresses', async () => {
    const far = createSocket('udp6').on('message', (bytes, from) =>
      far.send(bytes, from.port, from.address),
    );
    far.bind(0, '::1');
    await once(far, 'listening');
    lab.onStop(() => far.close());
    const direct = createOpenUdp({ tunnel, policy: () => policyOf({ bypass: ['::1'] }), log });
    const own = await startSocks({
      host: '::1',
      port: 0,
      open: () => Promise.reject(new Error('no TCP here')),
      openUdp: direct,
      log,
    });
    lab.onStop(() => own.stop());
    const control = connect(own.address.port, '::1');
    lab.onStop(() => control.destroy());
    control.write(Buffer.of(5, 1, 0));
    await read(control, 2);
    control.write(Buffer.concat([Buffer.of(5, 3, 0, 4), Buffer.alloc(18)]));
    const reply = await read(control, 22);
    const received: Buffer[] = [];
    const socket = createSocket('udp6').on('message', (bytes) => received.push(bytes));
    lab.onStop(() => socket.close());
    const sent = Buffer.concat([six(far.address().port), Buffer.from('six')]);
    socket.send(sent, reply.readUInt16BE(20), '::1');
    await waitUntil(() => received.length === 1);
    expect(received[0]).toEqual(sent);
  });

  it('drops fragments, headers that are none, and what others than its client send', async () => {
    const { relayPort } = await associate();
    const [mine, stranger] = [await startClient(), await startClient()];
    const header = four(echo.port);
    const fragment = Buffer.from(header);
    fragment[2] = 1;
    mine.socket.send([header, Buffer.from('first')], relayPort, '127.0.0.1');
    await waitUntil(() => mine.received.length === 1);
    const before = echo.seen.length;
    mine.socket.send([fragment, Buffer.from('fragment')], relayPort, '127.0.0.1');
    mine.socket.send(Buffer.of(0, 0, 0, 1, 127), relayPort, '127.0.0.1');
    mine.socket.send(Buffer.of(0, 0, 0, 3, 255, 1, 2, 3, 4, 5, 6), relayPort, '127.0.0.1');
    mine.socket.send([four(0), Buffer.from('no port')], relayPort, '127.0.0.1');
    stranger.socket.send([header, Buffer.from('strange')], relayPort, '127.0.0.1');
    mine.socket.send([header, Buffer.from('last')], relayPort, '127.0.0.1');
    await waitUntil(() => mine.received.length === 2);
    expect(echo.seen.slice(before).map(({ text }) => text)).toEqual(['last']);
    expect(stranger.received).toEqual([]);
  });

  it('is for the port the client announced, where it did', async () => {
    const [mine, stranger] = [await startClient(), await startClient()];
    const { relayPort } = await associate(mine.socket.address().port);
    const before = echo.seen.length;
    stranger.socket.send([four(echo.port), Buffer.from('strange')], relayPort, '127.0.0.1');
    mine.socket.send([four(echo.port), Buffer.from('mine')], relayPort, '127.0.0.1');
    await waitUntil(() => mine.received.length === 1);
    expect(echo.seen.slice(before).map(({ text }) => text)).toEqual(['mine']);
  });

  it('ends while answers are on their way, and those are dropped', async () => {
    const { openLate, answer, flow } = lateFlows();
    const own = await startSocks({
      host: '127.0.0.1',
      port: 0,
      open: () => Promise.reject(new Error('no TCP here')),
      openUdp: openLate,
      log,
    });
    onTestFinished(() => own.stop());
    const { control, relayPort } = await associate(0, own);
    const { socket, received } = await startClient();
    socket.send([name('app.test', echo.port), Buffer.from('hi')], relayPort, '127.0.0.1');
    await waitUntil(() => flow.isGiven);
    answer();
    await waitUntil(() => received.length === 1);
    control.destroy();
    await waitUntil(() => flow.isClosed);
    expect(answer).not.toThrow();
  });

  it('ends with its connection, and its flows with it', async () => {
    const { control, relayPort } = await associate();
    const { socket, received } = await startClient();
    socket.send([name('app.test', echo.port), Buffer.from('hi')], relayPort, '127.0.0.1');
    await waitUntil(() => received.length === 1);
    control.end();
    await waitUntil(() => edge.server.takeSample().streamCount === 0);
    const free = createSocket('udp4').bind(relayPort, '127.0.0.1');
    await once(free, 'listening');
    free.close();
  });
});
