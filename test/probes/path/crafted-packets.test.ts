import { randomBytes } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { decodeIcmp, encodeEcho, type Family } from '#probes/path/packet.ts';
import { decodeAddress, encodeAddress } from '#probes/path/sockets/address.ts';
import { openErrorQueueNetwork } from '#probes/path/sockets/error-queue.ts';
import { createInbox, type Received, readControl } from '#probes/path/sockets/inbox.ts';
import { family as families, readFlags, type as types } from '#probes/path/sockets/numbers.ts';
import { createPoller } from '#probes/path/sockets/pending.ts';
import { decodeQuote } from '#probes/path/sockets/quote.ts';
import { openRawNetwork } from '#probes/path/sockets/raw.ts';
import { decodeSegment } from '#probes/path/sockets/segments.ts';
import { type Libc, openLibc } from '#runtime/kernel/libc.ts';

const target = { 4: '192.0.2.9', 6: '2001:db8::9' } as const;
const router = { 4: '198.51.100.1', 6: '2001:db8::1' } as const;
const ports = { udp: 40_001, tcp: 40_001 } as const;
const protocols = { udp: 17, tcp: 6, icmp: { 4: 1, 6: 58 } } as const;

const ipv4 = (payload: Buffer, protocol: number, headerWords = 5): Buffer => {
  const header = Buffer.alloc(20);
  header.writeUInt8(0x40 + headerWords, 0);
  header.writeUInt8(protocol, 9);
  header.set([192, 0, 2, 9], 16);
  return Buffer.concat([header, payload]);
};
const ipv6 = (payload: Buffer, protocol: number): Buffer => {
  const header = Buffer.alloc(40);
  header.writeUInt8(0x60, 0);
  header.writeUInt8(protocol, 6);
  header.write('20010db8', 24, 'hex');
  header.writeUInt8(9, 39);
  return Buffer.concat([header, payload]);
};
/** As a raw socket of the family gets it: IPv4 with the header of the packet that brought it. */
const asReceived = (family: Family, icmp: Buffer): Buffer => (family === 4 ? ipv4(icmp, 1) : icmp);
const exceeded = (family: Family, quoted: Buffer): Buffer =>
  asReceived(
    family,
    Buffer.concat([Buffer.from([family === 4 ? 11 : 3, 0, 0, 0, 0, 0, 0, 0]), quoted]),
  );
const quotedOf = (family: Family, protocol: number, segment: Buffer): Buffer =>
  family === 4 ? ipv4(segment, protocol) : ipv6(segment, protocol);
const segmentFrom = (port: number): Buffer => {
  const segment = randomBytes(30);
  segment.writeUInt16BE(port, 0);
  return segment;
};

/** Errors about a probe of each protocol, answers, and the ones that lie about their lengths. */
const packetsOf = (family: Family): Buffer[] => {
  const echo = encodeEcho(family, { id: 1, sequence: 1, nonce: Buffer.alloc(8) });
  const synAck = segmentFrom(443);
  synAck.writeUInt16BE(ports.tcp, 2);
  synAck.writeUInt8(0x12, 13);
  const reply = Buffer.from(echo);
  reply.writeUInt8(family === 4 ? 0 : 129, 0);
  const lies =
    family === 4
      ? [...Array(16).keys()].map((words) =>
          exceeded(4, ipv4(segmentFrom(ports.udp).subarray(0, 8), 17, words)),
        )
      : [];
  return [
    exceeded(family, quotedOf(family, protocols.udp, segmentFrom(ports.udp))),
    exceeded(family, quotedOf(family, protocols.tcp, segmentFrom(ports.tcp))),
    exceeded(family, quotedOf(family, protocols.icmp[family], echo)),
    asReceived(family, reply),
    family === 4 ? ipv4(synAck, 6) : synAck,
    ...lies,
  ];
};

/** Each cut to every length, each with any header length there may be, and much at random. */
const hostileOf = (family: Family): Buffer[] => {
  const cut = packetsOf(family).flatMap((packet) =>
    [...Array(packet.length + 1).keys()].map((length) => packet.subarray(0, length)),
  );
  const outer = packetsOf(family).flatMap((packet) =>
    [...Array(16).keys()].map((words) => {
      const changed = Buffer.from(packet);
      changed.writeUInt8(0x40 + words, 0);
      return changed;
    }),
  );
  const random = Array.from({ length: 3_000 }, (_, index) => {
    const [packet = Buffer.alloc(0)] = packetsOf(family).slice(index % 5);
    const changed = Buffer.from(packet.subarray(0, randomBytes(1).readUInt8() % packet.length));
    for (const byte of randomBytes(4))
      if (changed.length > 0) changed[byte % changed.length] = byte;
    return index % 2 === 0 ? changed : randomBytes(index % 97);
  });
  return [...cut, ...outer, ...random];
};

const withLibc = async (): Promise<Libc> => {
  const libc = await openLibc();
  if (libc === undefined) throw new Error('no libc');
  return libc;
};
const isLinux = (await openLibc()) !== undefined;

describe.each([4, 6] as const)('packets anybody may send over IPv%d', (family) => {
  it('are read where they are whole', () => {
    const [udp, tcp, icmp, reply, synAck] = packetsOf(family);
    for (const [packet, protocol] of [
      [udp, protocols.udp],
      [tcp, protocols.tcp],
    ] as const) {
      expect(decodeQuote(family, packet ?? Buffer.alloc(0))).toMatchObject({
        kind: 'exceeded',
        protocol,
        destination: target[family],
      });
    }
    expect(decodeIcmp(family, icmp ?? Buffer.alloc(0))).toMatchObject({ kind: 'time-exceeded' });
    expect(decodeIcmp(family, reply ?? Buffer.alloc(0))).toMatchObject({ kind: 'reply' });
    expect(decodeSegment(family, synAck ?? Buffer.alloc(0))).toMatchObject({
      destinationPort: ports.tcp,
    });
  });

  it('never throw however they are cut or lie about their lengths, and quote eight bytes or nothing', () => {
    for (const packet of hostileOf(family)) {
      decodeIcmp(family, packet);
      decodeSegment(family, packet);
      const quote = decodeQuote(family, packet);
      if (quote !== undefined) expect(quote.segment.length).toBeGreaterThanOrEqual(8);
    }
  });

  it('end no raw socket’s reading, and the answer that comes after them is taken', async () => {
    let arrived: Buffer[] = [];
    const bound = await openLibcWithoutSockets(family);
    const network = openRawNetwork({
      family,
      libc: bound,
      poller: createPoller(),
      inbox: {
        read(_descriptor, _flags, take) {
          for (const data of arrived.splice(0)) {
            take({ data, from: router[family], fromPort: 0, atNs: undefined, error: undefined });
          }
        },
      },
    });
    const request = { address: target[family], port: 443, index: 0 };
    const udp = network.openFlow({ ...request, protocol: 'udp' });
    const tcp = network.openFlow({ ...request, protocol: 'tcp' });
    arrived = hostileOf(family);
    const answer = udp.probe(3, 2_000);
    const sent = bound.lastSent();
    arrived.push(exceeded(family, quotedOf(family, protocols.udp, sent)));
    expect(await answer).toMatchObject({ kind: 'hop', address: router[family] });
    udp.close();
    tcp.close();
  });
});

/** Sockets that take everything and bring nothing: what is read comes from the test's own inbox. */
const openLibcWithoutSockets = async (family: Family): Promise<Libc & { lastSent(): Buffer }> => {
  let sent = Buffer.alloc(0);
  let next = 1;
  const source = family === 4 ? '203.0.113.5' : '2001:db8::5';
  return {
    socket: () => next++,
    close: () => {},
    setOption: () => {},
    getNumber: () => undefined,
    getBytes: () => undefined,
    bind: () => {},
    connect: () => 0,
    localAddress: () => encodeAddress(source, ports.udp),
    send: (_descriptor, bytes) => {
      sent = Buffer.from(bytes);
      return 0;
    },
    receive: () => 0,
    realtimeNs: () => BigInt(Date.now()) * 1_000_000n,
    allocate: (size) => ({ address: 0n, bytes: Buffer.alloc(size) }),
    free: () => {},
    lastSent: () => sent,
  };
};

describe('what the kernel says beside a packet', () => {
  const control = (level: number, type: number, value: Buffer): Buffer => {
    const header = Buffer.alloc(16);
    header.writeBigUInt64LE(BigInt(16 + value.length), 0);
    header.writeInt32LE(level, 8);
    header.writeInt32LE(type, 12);
    return Buffer.concat([header, value, Buffer.alloc((8 - (value.length % 8)) % 8)]);
  };
  const errorFrom = (family: Family): Buffer => {
    const value = Buffer.alloc(16);
    value.writeUInt8(2, 4);
    value.writeUInt8(11, 5);
    return Buffer.concat([value, encodeAddress(router[family], 0)]);
  };

  it.each([
    [4, 0, 11],
    [6, 41, 25],
  ] as const)(
    'of IPv%d is read whole, and cut at any length never throws',
    (family, level, type) => {
      const time = Buffer.alloc(16);
      time.writeBigInt64LE(7n, 0);
      const whole = Buffer.concat([control(1, 35, time), control(level, type, errorFrom(family))]);
      expect(readControl(whole)).toMatchObject({
        atNs: 7_000_000_000n,
        error: { origin: 'icmp', type: 11, address: router[family] },
      });
      for (let length = 0; length <= whole.length; length += 1) {
        expect(() => readControl(whole.subarray(0, length))).not.toThrow();
      }
      for (let length = 0; length <= errorFrom(family).length; length += 1) {
        const value = errorFrom(family).subarray(0, length);
        expect(() => readControl(control(level, type, value))).not.toThrow();
        expect(() => readControl(control(1, 35, value))).not.toThrow();
      }
      for (let round = 0; round < 3_000; round += 1) {
        expect(() => readControl(control(level, type, randomBytes(round % 60)))).not.toThrow();
        expect(() => readControl(randomBytes(round % 200))).not.toThrow();
      }
    },
  );

  it.runIf(isLinux)('and a packet that cannot be taken costs no other one its place', async () => {
    const libc = await withLibc();
    const open = () => {
      const descriptor = libc.socket(families[4], types.datagram, 0);
      onTestFinished(() => libc.close(descriptor));
      libc.bind(descriptor, encodeAddress('127.0.0.1', 0));
      return descriptor;
    };
    const [sender, receiver] = [open(), open()];
    const { port } = decodeAddress(libc.localAddress(receiver));
    for (const text of ['one', 'bad', 'two']) {
      expect(libc.send(sender, Buffer.from(text), encodeAddress('127.0.0.1', port))).toBe(0);
    }
    const taken: string[] = [];
    const take = ({ data }: Received) => {
      if (data.toString() === 'bad') throw new RangeError('out of range');
      taken.push(data.toString());
    };
    createInbox(libc).read(receiver, readFlags.data, take);
    expect(taken).toEqual(['one', 'two']);
  });

  it.each([4, 6] as const)(
    'of errors IPv%d’s error queue brings never throws, and the next is taken',
    async (family) => {
      let arrived: Received[] = [];
      const bound = await openLibcWithoutSockets(family);
      const network = openErrorQueueNetwork({
        family,
        libc: bound,
        poller: createPoller(),
        inbox: { read: (_descriptor, _flags, take) => arrived.splice(0).forEach(take) },
      });
      const errorOf = (data: Buffer): Received => ({
        data,
        from: '',
        fromPort: 0,
        atNs: undefined,
        error: {
          origin: 'icmp',
          type: family === 4 ? 11 : 3,
          code: 0,
          errno: 113,
          mtu: 0,
          address: router[family],
        },
      });
      for (const protocol of ['udp', 'icmp'] as const) {
        const flow = network.openFlow({ protocol, address: target[family], port: 443, index: 0 });
        const first = flow.probe(3, 2_000);
        const sent = bound.lastSent();
        const second = flow.probe(4, 2_000);
        // With two on their way nothing but their own quotation names them.
        arrived = hostileOf(family).map(errorOf);
        arrived.push(errorOf(sent), errorOf(bound.lastSent()));
        expect(await first).toMatchObject({ kind: 'hop', address: router[family] });
        expect(await second).toMatchObject({ kind: 'hop', address: router[family] });
        flow.close();
      }
    },
  );
});
