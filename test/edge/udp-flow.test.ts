import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import http2, {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { edgeServerName } from '#contract/enrollment.ts';
import { parseEdgeTiming } from '#contract/server-timing.ts';
import type { Admitted } from '#edge/admit.ts';
import { createDatagramLimit, datagramLimit } from '#edge/datagram-limit.ts';
import type { Moved } from '#edge/flow-request.ts';
import { createMeter } from '#edge/meter.ts';
import { createServeUdp } from '#edge/udp-flow.ts';
import { parseUdpPath } from '#edge/udp-target.ts';
import { createCapsuleReader, encodeCapsule, encodeDatagrams } from '#runtime/capsules/capsule.ts';
import { createEdgeLab, type EdgeLab, loopbackApplication } from '#test/support/edge-lab.ts';
import { startNameServer } from '#test/support/name-server.ts';
import { waitUntil } from '#test/support/wait-until.ts';

let lab: EdgeLab;
let edge: Awaited<ReturnType<EdgeLab['edge']>>;
let session: ClientHttp2Session;

beforeAll(async () => {
  lab = await createEdgeLab();
  edge = await lab.edge('e1', {
    privateApplications: [
      ...loopbackApplication.privateApplications,
      { appId: 'six', hosts: ['six.test', '::1'], ports: [], addresses: { 'six.test': '::1' } },
    ],
    access: [{ id: 'no-quic', action: 'block', hosts: ['.game.test'], ports: [443], devices: [] }],
  });
  session = await openSession();
});
afterAll(() => lab.stop());

const openSession = async (): Promise<ClientHttp2Session> => {
  const identity = await lab.device();
  const opened = http2.connect(`https://127.0.0.1:${edge.server.address.port}`, {
    servername: edgeServerName('e1'),
    ca: identity.caCertificatePem,
    cert: identity.certificatePem,
    key: identity.privateKeyPem,
  });
  opened.on('error', () => {});
  lab.onStop(() => opened.destroy());
  await once(opened, 'remoteSettings');
  return opened;
};

/** The frames of RFC 9298 section 3.4, by nothing but node:http2. */
const request = (path: string, protocol = 'connect-udp'): ClientHttp2Stream => {
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': protocol,
    ':scheme': 'https',
    ':authority': edgeServerName('e1'),
    ':path': path,
    'capsule-protocol': '?1',
  });
  return stream.on('error', () => {});
};

const open = async (path: string, protocol?: string) => {
  const stream = request(path, protocol);
  const received: string[] = [];
  const reader = createCapsuleReader({
    onDatagram: (context, payload) => received.push(`${context}:${payload}`),
    maxCapsuleBytes: 65_536,
  });
  stream.on('data', (chunk: Buffer) => reader.push(chunk));
  const [headers] = (await once(stream, 'response')) as [
    IncomingHttpHeaders & IncomingHttpStatusHeader,
  ];
  return { stream, headers, received };
};

/** Not `once`, which throws where the stream was reset. */
const closed = (stream: ClientHttp2Stream) =>
  new Promise<void>((resolve) => void stream.on('close', () => resolve()));

const udpPath = (host: string, port: number) =>
  `/.well-known/masque/udp/${encodeURIComponent(host)}/${port}/`;

const admittedTo = (address: string, done: (moved: Moved) => void): Admitted => ({
  admitted: true,
  addresses: [address],
  timing: { edgeId: 'e1', queueMs: 0, dnsMs: null, connectMs: null, address: null },
  fail: () => {
    throw new Error('nothing fails here');
  },
  begin: () => {},
  done,
});

const startEcho = async (
  onMessage = (socket: Socket, bytes: Buffer, from: RemoteInfo) =>
    socket.send(bytes, from.port, from.address),
  address = '127.0.0.1',
) => {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (bytes, from) => onMessage(socket, bytes, from));
  socket.bind(0, address);
  await once(socket, 'listening');
  lab.onStop(() => socket.close());
  return socket.address().port;
};

const datagrams = (...texts: string[]) =>
  encodeDatagrams(
    0,
    texts.map((text) => Buffer.from(text)),
  );

describe('the path of a request', () => {
  it.each([
    ['/.well-known/masque/udp/192.0.2.6/443/', { host: '192.0.2.6', port: 443 }],
    ['/.well-known/masque/udp/2001%3Adb8%3A%3A42/443/', { host: '2001:db8::42', port: 443 }],
    ['/.well-known/masque/udp/target.example.com/53/', { host: 'target.example.com', port: 53 }],
    ['/.well-known/masque/udp/a.test/0/', undefined],
    ['/.well-known/masque/udp/a.test/65536/', undefined],
    ['/.well-known/masque/udp/a.test/443', undefined],
    ['/.well-known/masque/udp/a.test/+443/', undefined],
    ['/.well-known/masque/udp//443/', undefined],
    ['/.well-known/masque/udp/a%2Fb/443/', undefined],
    ['/.well-known/masque/udp/%ff/443/', undefined],
    ['/.well-known/masque/udp/%5B%3A%3A1%5D/443/', undefined],
    ['/.well-known/masque/udp/fe80%3A%3A1%25eth0/443/', undefined],
    ['/.well-known/masque/udp/a%20b/443/', undefined],
    ['/.well-known/masque/udp/a.test/443/?x', undefined],
    ['/masque?h=a.test&p=443', undefined],
    [undefined, undefined],
  ])('%s', (path, destination) => {
    expect(parseUdpPath(path)).toEqual(destination);
  });
});

describe('what is refused', () => {
  it.each([
    ['/no/template', 400, 'http_request_error'],
    [udpPath('www.game.test', 443), 403, 'http_request_denied'],
    [udpPath('127.0.0.1', 53), 403, 'destination_ip_prohibited'],
    [udpPath('10.1.2.3', 53), 403, 'destination_ip_prohibited'],
    [udpPath('ff02::fb', 5353), 403, 'destination_ip_prohibited'],
  ])('%s: %i %s', async (path, status, error) => {
    const { stream, headers } = await open(path);
    expect(headers[':status']).toBe(status);
    expect(headers['proxy-status']).toMatch(new RegExp(`^e1; error=${error}; details="`));
    stream.end();
    await once(stream, 'close');
    expect(stream.rstCode).toBe(0);
  });

  it('a protocol nobody here speaks, with 501', async () => {
    const { stream, headers } = await open('/chat', 'websocket');
    expect(headers[':status']).toBe(501);
    stream.end();
  });
});

describe('datagrams', () => {
  it('go there and come back, with the capsule protocol and the timing said', async () => {
    const port = await startEcho();
    const { stream, headers, received } = await open(udpPath('app.test', port));
    expect(headers).toMatchObject({ ':status': 200, 'capsule-protocol': '?1' });
    expect(parseEdgeTiming(String(headers['server-timing']))).toMatchObject({
      edgeId: 'e1',
      connectMs: null,
      address: '127.0.0.1',
    });
    stream.write(datagrams('one', '', 'three'));
    await waitUntil(() => received.length === 3);
    expect(received).toEqual(['0:one', '0:', '0:three']);
    stream.end();
    await once(stream, 'close');
    expect(stream.rstCode).toBe(0);
  });

  it('sent with the request, before its answer, are not lost', async () => {
    const port = await startEcho();
    const stream = request(udpPath('app.test', port));
    const received: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => received.push(chunk));
    stream.write(datagrams('early'));
    await waitUntil(() => Buffer.concat(received).equals(datagrams('early')));
    stream.end();
  });

  it('go to IPv6 addresses', async () => {
    const port = await startEcho(undefined, '::1');
    for (const host of ['six.test', '::1']) {
      const { stream, received } = await open(udpPath(host, port));
      stream.write(datagrams('six'));
      await waitUntil(() => received.length === 1);
      stream.end();
    }
  });

  it('of 60,000 bytes pass; unknown contexts and capsules are passed over', async () => {
    const port = await startEcho();
    const { stream, received } = await open(udpPath('app.test', port));
    const large = 'x'.repeat(60_000);
    stream.write(encodeDatagrams(2, [Buffer.from('other context')]));
    stream.write(encodeCapsule(0x1f, Buffer.alloc(100_000)));
    stream.write(datagrams(large));
    await waitUntil(() => received.length === 1);
    expect(received[0] === `0:${large}`).toBe(true);
    stream.end();
  });

  it('of others than the destination do not come in', async () => {
    const stranger = createSocket('udp4');
    lab.onStop(() => stranger.close());
    const port = await startEcho((socket, bytes, from) => {
      stranger.send('forged', from.port, from.address, () =>
        socket.send(bytes, from.port, from.address),
      );
    });
    const { stream, received } = await open(udpPath('app.test', port));
    stream.write(datagrams('real'));
    await waitUntil(() => received.length > 0);
    expect(received).toEqual(['0:real']);
    stream.end();
  });

  it('are dropped, not queued, when the client does not read', async () => {
    const answers = 2_000;
    const port = await startEcho((socket, _bytes, from) => {
      let left = answers;
      const burst = () => {
        for (let i = 0; i < 50 && left > 0; i++, left--) {
          socket.send(Buffer.alloc(1_200, 1), from.port, from.address);
        }
        if (left > 0) setImmediate(burst);
      };
      burst();
    });
    const stream = request(udpPath('app.test', port));
    await once(stream, 'response');
    edge.server.takeSample();
    stream.write(datagrams('go'));
    let downBytes = 0;
    let quietRounds = 0;
    // Until nothing more comes: what got past is the stream's window and what may wait behind it.
    while (quietRounds < 5) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const more = edge.server.takeSample().downBytes;
      downBytes += more;
      quietRounds = more === 0 && downBytes > 0 ? quietRounds + 1 : 0;
    }
    expect(downBytes).toBeLessThan(1_200_000);
    stream.destroy();
  });

  it('are counted in the edge sample, by their payload', async () => {
    const port = await startEcho();
    edge.server.takeSample();
    const { stream, received } = await open(udpPath('app.test', port));
    stream.write(datagrams('12345', '678'));
    await waitUntil(() => received.length === 2);
    expect(edge.server.takeSample()).toMatchObject({ upBytes: 8, downBytes: 8, flowCount: 1 });
    stream.end();
  });

  it('answer DNS questions', async () => {
    const names = await startNameServer({ 'www.test': { A: { data: ['192.0.2.80'] } } });
    lab.onStop(() => names.stop());
    const port = Number(names.address.split(':')[1]);
    const { stream, received } = await open(udpPath('app.test', port));
    // RFC 1035 section 4: id, recursion desired, one question; www.test, A, IN.
    const question = Buffer.from(
      'abcd0100000100000000000003777777047465737400' + '00010001',
      'hex',
    );
    stream.write(encodeDatagrams(0, [question]));
    await waitUntil(() => received.length === 1);
    expect(names.questions.at(-1)).toEqual({ name: 'www.test', type: 'A' });
    stream.end();
  });
});

it('a device has 100,000 datagrams a second, and takes none from others', () => {
  let nowMs = 0;
  const limit = createDatagramLimit({ monotonicMs: () => nowMs });
  expect(limit.take('d', datagramLimit.burst - 1)).toBe(datagramLimit.burst - 1);
  expect(limit.take('d', 64)).toBe(1);
  expect(limit.take('d', 64)).toBe(0);
  expect(limit.take('another', 64)).toBe(64);
  nowMs += 1;
  expect(limit.take('d', 200)).toBe(100);
});

describe('the end of a flow', () => {
  it('comes when nobody listens there: the ICMP error ends the stream', async () => {
    const probe = createSocket('udp4').bind(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address();
    probe.close();
    const { stream } = await open(udpPath('app.test', port));
    stream.write(datagrams('anyone?'));
    stream.resume();
    await closed(stream);
    expect(stream.rstCode).toBe(http2.constants.NGHTTP2_CONNECT_ERROR);
    expect(session.destroyed).toBe(false);
  });

  it.each([
    ['within a capsule', Buffer.from('0005006869', 'hex'), true],
    ['after a datagram that is longer than any can be', Buffer.from('0080020000', 'hex'), false],
  ])('%s resets that stream alone', async (_how, bytes, ends) => {
    const { stream } = await open(udpPath('app.test', await startEcho()));
    stream.write(bytes);
    if (ends) stream.end();
    await closed(stream);
    expect(stream.rstCode).toBe(http2.constants.NGHTTP2_INTERNAL_ERROR);
    expect(session.destroyed).toBe(false);
  });

  it('comes after a time in which nothing moves, in order and with the socket', async () => {
    const seen: number[] = [];
    const port = await startEcho((socket, bytes, from) => {
      seen.push(from.port);
      socket.send(bytes, from.port, from.address);
    });
    const done: unknown[] = [];
    const serve = createServeUdp({
      edgeId: 'e1',
      admit: async () => admittedTo('127.0.0.1', (moved) => done.push(moved)),
      datagrams: createDatagramLimit({ monotonicMs: () => performance.now() }),
      meter: createMeter(),
      idleMs: 300,
    });
    const server = http2.createServer({ settings: { enableConnectProtocol: true } });
    server.on('stream', (stream, headers) => void serve({ stream, headers, deviceId: 'd' }));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const plain = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    lab.onStop(() => {
      plain.destroy();
      server.close();
    });
    await once(plain, 'remoteSettings');
    const stream = plain.request({
      ':method': 'CONNECT',
      ':protocol': 'connect-udp',
      ':path': udpPath('app.test', port),
    });
    stream.write(datagrams('12345'));
    stream.resume();
    await once(stream, 'end');
    stream.end();
    await closed(stream);
    expect(stream.rstCode).toBe(0);
    await waitUntil(() => done.length === 1);
    expect(done[0]).toMatchObject({ upBytes: 5, downBytes: 5 });
    // Its port is free again.
    const again = createSocket('udp4').bind(seen[0] ?? 0, '127.0.0.1');
    await once(again, 'listening');
    again.close();
  });

  it('leaves nothing open at the edge', async () => {
    await waitUntil(() => edge.server.takeSample().streamCount === 0);
  });
});
