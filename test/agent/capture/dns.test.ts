import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type DecodedPacket, decode, encode, type Packet } from 'dns-packet';
import { afterEach, expect, it } from 'vitest';
import { type DnsCapture, type DnsListener, startDnsCapture } from '#agent/capture/dns.ts';
import { askByUdp, createFrameReader, createStreamAsker, framed } from '#agent/capture/dns-ask.ts';
import { readQuery } from '#agent/capture/dns-message.ts';
import { createNames, type Names } from '#agent/capture/names.ts';
import { notOpened } from '#agent/forwarding/open.ts';
import type { FlowFacts, RouteDecision } from '#agent/forwarding/route.ts';
import { silentLog } from '#runtime/log.ts';
import { startChildScript } from '#test/support/child-script.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

type Answer = (query: DecodedPacket, bytes: Buffer) => Packet | undefined;
const addresses = (query: DecodedPacket, ...all: string[]): Packet => ({
  type: 'response',
  id: query.id ?? 0,
  flags: 0x180,
  questions: query.questions ?? [],
  answers: all.map((data) => ({
    ...{ type: 'A' as const, name: query.questions?.[0]?.name ?? '', ttl: 60, data },
  })),
});

/** A name server over TCP, as the tunnel leads to one. */
const startTcpServer = async (answer: Answer): Promise<{ port: number; ids: number[] }> => {
  const ids: number[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    const read = createFrameReader((bytes) => {
      const query = decode(bytes);
      ids.push(query.id ?? -1);
      const answered = answer(query, bytes);
      if (answered) socket.write(framed(encode(answered)));
    });
    socket.on('data', read);
    ends.push(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => server.close());
  return { port: (server.address() as AddressInfo).port, ids };
};

const start = async (parts: {
  route: (flow: FlowFacts) => RouteDecision;
  tunnelPort?: number;
  /** The status by which it is refused. */
  tunnel?: number;
  askDirect?: Parameters<typeof startDnsCapture>[0]['askDirect'];
}): Promise<{ dns: DnsCapture; names: Names; listener: DnsListener }> => {
  const names = createNames();
  const dns = startDnsCapture({
    route: parts.route,
    names,
    open: async () => {
      if (parts.tunnel !== undefined) return notOpened(parts.tunnel, 'x', 'no tunnel');
      const stream = connect(parts.tunnelPort ?? 1, '127.0.0.1');
      return { ok: true, stream, headers: {}, reset() {}, wasCut: () => false, moved() {} };
    },
    log: silentLog(),
    ...(parts.askDirect === undefined ? {} : { askDirect: parts.askDirect }),
  });
  ends.push(() => dns.stop());
  const [listener] = await dns.listen(['192.0.2.53']);
  if (listener === undefined) throw new Error('no listener');
  return { dns, names, listener };
};

const tunnelled = (): RouteDecision => ({ action: 'tunnel', rule: 'default' });
const queryOf = (name: string, id = 7, type: 'A' | 'AAAA' = 'A', maxBytes?: number): Buffer =>
  encode({
    ...{ type: 'query', id, flags: 0x100, questions: [{ name, type }] },
    additionals:
      maxBytes === undefined
        ? []
        : [{ type: 'OPT', name: '.', udpPayloadSize: maxBytes, flags: 0, options: [] } as never],
  });

const socketOf = async (): Promise<Socket> => {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  ends.push(() => socket.close());
  return socket;
};
const ask = async (query: Buffer, listener: DnsListener) => {
  const socket = await socketOf();
  socket.send(query, listener.udpPort, '127.0.0.1');
  const [bytes] = (await once(socket, 'message')) as [Buffer];
  return { ...decode(bytes), bytes };
};
const dataOf = (packet: DecodedPacket) =>
  (packet.answers ?? []).map((each) => 'data' in each && each.data);

it('queries go through the tunnel to the server that was asked, and what they tell is remembered', async () => {
  const { port } = await startTcpServer((query) => addresses(query, '203.0.113.7'));
  const { listener, names, dns } = await start({ route: tunnelled, tunnelPort: port });
  const answer = await ask(queryOf('App.Example.com'), listener);
  expect(answer.id).toBe(7);
  expect(dataOf(answer)).toEqual(['203.0.113.7']);
  expect(names.nameOf('203.0.113.7')).toBe('app.example.com');
  expect(names.leads('app.example.com', '203.0.113.7')).toBe(true);
  expect(dns.counts()).toEqual({ direct: 0, tunnel: 1, private: 0, failed: 0 });
});

it('programs that use the same id at the same time each get their own answer', async () => {
  const { port, ids } = await startTcpServer((query) => {
    const last = Number(/^n(\d+)/.exec(query.questions?.[0]?.name ?? '')?.[1]);
    return addresses(query, `203.0.113.${last}`);
  });
  const { listener } = await start({ route: tunnelled, tunnelPort: port });
  const all = Array.from({ length: 50 }, (_, index) => index);
  const answers = await Promise.all(
    all.map((index) => ask(queryOf(`n${index}.test`, 99), listener)),
  );
  expect(answers.map(({ id }) => id)).toEqual(all.map(() => 99));
  expect(answers.flatMap(dataOf)).toEqual(all.map((index) => `203.0.113.${index}`));
  expect(new Set(ids).size).toBe(50);
});

it('an answer too large for the program’s UDP is cut, and whole over TCP', async () => {
  const many = Array.from({ length: 60 }, (_, index) => `203.0.113.${index}`);
  const { port } = await startTcpServer((query) => addresses(query, ...many));
  const { listener } = await start({ route: tunnelled, tunnelPort: port });
  const cutShort = await ask(queryOf('many.test'), listener);
  expect(cutShort.flag_tc).toBe(true);
  expect(cutShort.answers).toEqual([]);
  expect(cutShort.bytes.length).toBeLessThanOrEqual(512);
  const roomy = await ask(queryOf('many.test', 8, 'A', 4_096), listener);
  expect(dataOf(roomy)).toEqual(many);

  const client = connect(listener.tcpPort, '127.0.0.1');
  ends.push(() => client.destroy());
  const whole = new Promise<Buffer>((resolve) => {
    client.on('data', createFrameReader(resolve));
  });
  client.write(framed(queryOf('many.test', 9)));
  expect(dataOf(decode(await whole))).toEqual(many);
});

it('private names get an address that stands for them, and nobody outside hears of them', async () => {
  const { port, ids } = await startTcpServer((query) => addresses(query, '203.0.113.7'));
  const route = ({ host }: FlowFacts): RouteDecision =>
    host === 'wiki.corp.test'
      ? { action: 'tunnel', rule: 'private .corp.test' }
      : { action: 'tunnel', rule: 'default' };
  const { listener, names } = await start({ route, tunnelPort: port });
  const [address] = dataOf(await ask(queryOf('wiki.corp.test', 7, 'A', 1_232), listener));
  expect(address).toMatch(/^198\.1[89]\./);
  expect(names.nameOf(String(address))).toBe('wiki.corp.test');
  expect(dataOf(await ask(queryOf('wiki.corp.test', 7, 'AAAA'), listener))).toEqual([]);
  expect(ids).toEqual([]);
});

it('names that are not carried are asked for straight; without an answer in time it is SERVFAIL', async () => {
  const asked: string[] = [];
  const route = (): RouteDecision => ({ action: 'direct', rule: 'bypass .test' });
  const { listener, dns } = await start({
    route,
    askDirect: (server) => async (query) => {
      asked.push(`${query.name}@${server}`);
      return undefined;
    },
  });
  const answer = await ask(queryOf('slow.test', 7, 'A', 1_232), listener);
  expect(asked).toEqual(['slow.test@192.0.2.53']);
  expect((answer.flags ?? 0) & 0xf).toBe(2);
  expect(answer.additionals?.some(({ type }) => type === 'OPT')).toBe(true);
  expect(dns.counts()).toMatchObject({ direct: 1, failed: 1 });
});

it('what is no query is not answered, and breaks nothing', async () => {
  const { port } = await startTcpServer((query) => addresses(query, '203.0.113.7'));
  const { listener } = await start({ route: tunnelled, tunnelPort: port });
  const socket = await socketOf();
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(5, 255), Buffer.alloc(40, 0xc0)]) {
    socket.send(bytes, listener.udpPort, '127.0.0.1');
  }
  expect(dataOf(await ask(queryOf('app.test'), listener))).toEqual(['203.0.113.7']);
});

it('a connection that the server closed meanwhile is opened again for the query', async () => {
  let count = 0;
  const { port } = await startTcpServer((query) => addresses(query, '203.0.113.7'));
  const asker = createStreamAsker(async () => {
    count += 1;
    const stream = connect(port, '127.0.0.1');
    // The first goes as soon as it is asked on.
    if (count === 1) stream.once('connect', () => stream.destroy());
    return stream;
  });
  ends.push(() => asker.stop());
  const query = readQuery(queryOf('app.test'));
  expect(query && (await asker.ask(query))).toBeInstanceOf(Buffer);
  expect(count).toBe(2);
});

it('while the tunnel is down names are asked for straight, and not where a rule refuses the server', async () => {
  const answers: string[] = [];
  const straight = {
    route: tunnelled,
    askDirect: () => async (query: { bytes: Buffer; name: string }) => {
      answers.push(query.name);
      return encode(addresses(decode(query.bytes), '203.0.113.7'));
    },
  };
  const down = await start({ ...straight, tunnel: 503 });
  expect(dataOf(await ask(queryOf('portal.test'), down.listener))).toEqual(['203.0.113.7']);
  const refused = await start({ ...straight, tunnel: 403 });
  expect(((await ask(queryOf('other.test'), refused.listener)).flags ?? 0) & 0xf).toBe(2);
  expect(answers).toEqual(['portal.test']);
});

it('a name server that there is no way to is one that does not answer, at once', async () => {
  const query = readQuery(queryOf('app.test'));
  // Loopback's broadcast address: the kernel lets no socket of ours connect to it.
  expect(query && (await askByUdp('127.255.255.255')(query))).toBeUndefined();
});

it.runIf(process.getuid?.() === 0)(
  'a name server whose listener cannot open leaves the others theirs, and is told',
  async () => {
    const child = startChildScript(
      fileURLToPath(new URL('./dns-without-ipv6.ts', import.meta.url)),
      [],
      [
        'unshare',
        '--net',
        'sh',
        '-c',
        'ip link set lo up; ip -6 addr del ::1/128 dev lo; exec "$@"',
        'sh',
      ],
    );
    const told = JSON.parse(await child.line()) as Record<string, unknown>;
    expect(await child.ended()).toBe(0);
    expect(told).toEqual({
      servers: ['192.0.2.53'],
      problem: expect.stringMatching(/^2001:db8::53 \(.*EADDRNOTAVAIL.*\)$/),
      leakedCount: 0,
    });
  },
);
