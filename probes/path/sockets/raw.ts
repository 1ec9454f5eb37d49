import { randomBytes } from 'node:crypto';
import { describeErrno, type Libc, systemError } from '#runtime/kernel/libc.ts';
import { canonicalAddress, decodeIcmp, encodeEcho, type Family, nonceBytes } from '../packet.ts';
import { decodeAddress, encodeAddress } from './address.ts';
import { createFlowIds } from './flow-ids.ts';
import type { Inbox, Received } from './inbox.ts';
import { type Flow, type FlowRequest, headerBytes, type Network, nameOfFlow } from './network.ts';
import {
  family as families,
  icmpType,
  ipOption,
  level,
  mtuDiscoverProbe,
  option,
  protocol as protocols,
  readFlags,
  type as types,
} from './numbers.ts';
import { clockNow, furthest, newest, type Pending, type Poller, rttMsOf } from './pending.ts';
import { decodeQuote, type Quote } from './quote.ts';
import {
  decodeSegment,
  type Ends,
  encodeStamp,
  encodeSyn,
  encodeUdp,
  type Filter,
  portFilter,
  readStamp,
} from './segments.ts';
import { createSourcePorts } from './source-ports.ts';

/** Probes of one flow that are on their way, by what names them in an answer; `target` with its zone. */
type OpenFlow = {
  target: string;
  address: string;
  nonce: Buffer;
  pending: Map<number, Pending>;
  isAnswered: boolean;
  /** Of the target's answers. */
  leastRttMs?: number;
};
type UdpFlow = OpenFlow & { descriptor: number; checksums: Map<number, number> };

/**
 * Raw sockets: headers are written here, so that all TTLs of a flow are in flight at once whatever
 * the protocol, and answers are recognised by the eight bytes that routers are obliged to quote.
 * Throws the system's error where that is not permitted.
 */
export const openRawNetwork = (parts: {
  family: Family;
  libc: Libc;
  inbox: Inbox;
  poller: Poller;
}): Network => {
  const { family, libc, inbox, poller } = parts;
  const icmp = openIcmp(libc, family);
  const ids = createFlowIds();
  const echoes = new Map<number, OpenFlow>();
  const datagrams = new Map<number, UdpFlow>();
  const handshakes = new Map<number, OpenFlow>();
  const senders = new Map<number, Sender>();
  const ports = createSourcePorts();

  const senderOf = (protocol: 'tcp' | 'udp'): Sender => {
    const known = senders.get(protocols[protocol]);
    if (known !== undefined) return known;
    const descriptor = libc.socket(families[family], types.raw, protocols[protocol]);
    // It gets a copy of all this machine's traffic of that protocol.
    attachFilter(libc, descriptor, dropAll);
    libc.setOption(descriptor, level.socket, option.timestamp, 1);
    const opened = createSender(libc, family, descriptor);
    senders.set(protocols[protocol], opened);
    return opened;
  };

  const filterPorts = () =>
    attachFilter(libc, senderOf('tcp').descriptor, portFilter(family, [...handshakes.keys()]));

  const read = () => {
    inbox.read(icmp.descriptor, readFlags.data, takeIcmp);
    const tcp = handshakes.size > 0 ? senders.get(protocols.tcp) : undefined;
    if (tcp !== undefined) inbox.read(tcp.descriptor, readFlags.data, takeSegment);
    for (const flow of datagrams.values()) {
      inbox.read(flow.descriptor, readFlags.data, (received) => takeDatagram(flow, received));
    }
  };

  const takeIcmp = (received: Received) => {
    const echo = decodeIcmp(family, received.data);
    if (echo !== undefined) {
      const flow = echoes.get(echo.id);
      const isOurs =
        flow !== undefined &&
        (echo.nonce?.equals(flow.nonce) ?? echo.quotedDestination === flow.address);
      if (!isOurs) return;
      if (echo.kind === 'reply') return settle(flow, echo.sequence, received, 'reply');
    }
    const quote = decodeQuote(family, received.data);
    if (quote === undefined) return;
    if (echo !== undefined) {
      const flow = echoes.get(echo.id);
      if (flow !== undefined) settle(flow, echo.sequence, received, quote.kind, quote.mtu);
      return;
    }
    takeQuote(quote, received);
  };

  const takeQuote = (quote: Quote, received: Received) => {
    const port = quote.segment.readUInt16BE(0);
    const udp = quote.protocol === protocols.udp ? datagrams.get(port) : undefined;
    const flow = udp ?? (quote.protocol === protocols.tcp ? handshakes.get(port) : undefined);
    if (flow === undefined || quote.destination !== flow.address) return;
    const probe = udp ? quotedDatagram(udp, quote) : quote.segment.readUInt32BE(4);
    if (probe !== undefined) settle(flow, probe, received, quote.kind, quote.mtu);
  };

  const takeSegment = (received: Received) => {
    const segment = decodeSegment(family, received.data);
    const flow = segment && handshakes.get(segment.destinationPort);
    if (segment === undefined || flow === undefined || received.from !== flow.address) return;
    // What ended an earlier probe was lost: the target still has that one, and acknowledges it, not
    // the one that has just come in.
    const probe = segment.isChallenge
      ? newest(flow.pending, flow.leastRttMs)
      : segment.answersSequence;
    settle(flow, probe, received, 'reply');
  };

  const takeDatagram = (flow: UdpFlow, received: Received) => {
    const echoed = readStamp(received.data, flow.nonce);
    // A service's own answer quotes nothing.
    settle(flow, echoed ?? furthest(flow.pending), received, 'reply');
  };

  const settle = (
    flow: OpenFlow,
    probe: number,
    received: Received,
    said: 'reply' | Quote['kind'],
    mtu = 0,
  ) => {
    const pending = flow.pending.get(probe);
    if (pending === undefined) return;
    flow.pending.delete(probe);
    const address = canonicalAddress(received.from);
    if (said === 'too-big') return pending.settle({ kind: 'too-big', address, mtu });
    const isTarget = said === 'reply' || (said === 'unreachable' && address === flow.address);
    flow.isAnswered ||= isTarget;
    const kind = isTarget ? 'target' : said === 'exceeded' ? 'hop' : 'unreachable';
    const rttMs = rttMsOf(pending, received.atNs);
    if (isTarget) flow.leastRttMs = Math.min(flow.leastRttMs ?? rttMs, rttMs);
    pending.settle({ kind, address, rttMs });
  };

  /** `encode` makes the packet and says under which number its answer will come. */
  const send = (
    flow: OpenFlow,
    sender: Sender,
    encode: (bytes: number | undefined) => { probe: number; packet: Buffer },
  ): Flow['probe'] => {
    const address = encodeAddress(flow.target, 0);
    return (ttl, timeoutMs, bytes) => {
      const { probe, packet } = encode(bytes);
      const sent = poller.wait(read, timeoutMs, (settleOne) => {
        sender.setTtl(ttl);
        const pending: Pending = { ttl, ...clockNow(libc), settle: settleOne };
        flow.pending.set(probe, pending);
        const errno = libc.send(sender.descriptor, packet, address);
        if (errno !== 0) settleOne({ kind: 'unsent', message: describeErrno(errno) });
      });
      return sent.finally(() => flow.pending.delete(probe));
    };
  };

  const openEcho = ({ address, index }: FlowRequest): Flow => {
    const id = ids.take();
    const flow: OpenFlow = {
      target: address,
      address: canonicalAddress(address),
      nonce: randomBytes(nonceBytes),
      pending: new Map(),
      isAnswered: false,
    };
    echoes.set(id, flow);
    const checksum = checksumOf(index);
    let sequence = 0;
    return {
      isSerial: false,
      probe: send(flow, icmp, (bytes) => {
        sequence = (sequence % 0xffff) + 1;
        const icmpBytes = bytes && bytes - headerBytes[family] + 8;
        const stamp = { id, sequence, nonce: flow.nonce, checksum };
        const packet = encodeEcho(family, stamp, icmpBytes);
        return { probe: sequence, packet };
      }),
      close() {
        echoes.delete(id);
        ids.give(id);
      },
    };
  };

  const openDatagrams = (request: FlowRequest): Flow => {
    const { address } = request;
    const name = nameOfFlow(request);
    const { descriptor, ends } = reserveUdp(libc, family, request, ports.of(name));
    const flow: UdpFlow = {
      target: address,
      address: canonicalAddress(address),
      nonce: randomBytes(8),
      pending: new Map(),
      isAnswered: false,
      descriptor,
      checksums: new Map(),
    };
    datagrams.set(ends.sourcePort, flow);
    let number = 0;
    return {
      isSerial: false,
      probe: send(flow, senderOf('udp'), (bytes = 60) => {
        number = (number % 0xffff) + 1;
        const payload = encodeStamp(flow.nonce, number, bytes - headerBytes[family]);
        const packet = encodeUdp(ends, payload);
        flow.checksums.set(packet.readUInt16BE(6), number);
        return { probe: number, packet };
      }),
      close() {
        ports.note(name, ends.sourcePort, flow.isAnswered);
        datagrams.delete(ends.sourcePort);
        libc.close(descriptor);
      },
    };
  };

  const openHandshakes = (request: FlowRequest): Flow => {
    const { address } = request;
    const name = nameOfFlow(request);
    const { descriptor, ends } = reserveTcp(libc, family, request, ports.of(name));
    const flow: OpenFlow = {
      target: address,
      address: canonicalAddress(address),
      nonce: Buffer.alloc(0),
      pending: new Map(),
      isAnswered: false,
    };
    handshakes.set(ends.sourcePort, flow);
    filterPorts();
    let sequence = randomBytes(4).readUInt32BE();
    return {
      isSerial: false,
      probe: send(flow, senderOf('tcp'), () => {
        sequence = (sequence + synStep) >>> 0;
        return { probe: sequence, packet: encodeSyn(ends, sequence) };
      }),
      close() {
        ports.note(name, ends.sourcePort, flow.isAnswered);
        handshakes.delete(ends.sourcePort);
        filterPorts();
        libc.close(descriptor);
      },
    };
  };

  return {
    family,
    openFlow(request) {
      // Before each run: what came while nobody waited would be read first, and late.
      read();
      if (request.protocol === 'icmp') return openEcho(request);
      return request.protocol === 'udp' ? openDatagrams(request) : openHandshakes(request);
    },
    close() {
      libc.close(icmp.descriptor);
      for (const { descriptor } of senders.values()) libc.close(descriptor);
    },
  };
};

/**
 * From one SYN of a flow to the next: within the window of a target that still has the one before,
 * which then forgets it and answers by a RST of this one. To a SYN outside it says an ACK of the one
 * before, twice a second at most (RFC 9293 §3.10.7.4, RFC 5961 §4), which looks like loss.
 */
const synStep = 16;

/** By the payload where it is quoted, else by the checksum, which a translating router may change. */
const quotedDatagram = (flow: UdpFlow, { segment }: Quote): number | undefined =>
  readStamp(segment.subarray(8), flow.nonce) ?? flow.checksums.get(segment.readUInt16BE(6));

type Sender = { descriptor: number; setTtl(ttl: number): void };

const createSender = (libc: Libc, family: Family, descriptor: number): Sender => {
  let lastTtl = 0;
  const { level: ipLevel, mtuDiscover } = ipOption[family];
  libc.setOption(descriptor, ipLevel, mtuDiscover, mtuDiscoverProbe);
  return {
    descriptor,
    setTtl(ttl) {
      if (ttl === lastTtl) return;
      libc.setOption(descriptor, ipOption[family].level, ipOption[family].hopLimit, ttl);
      lastTtl = ttl;
    },
  };
};

/** Room for what a burst to a thousand targets brings back. */
const receiveBufferBytes = 4_000_000;

const openIcmp = (libc: Libc, family: Family): Sender => {
  const protocol = family === 4 ? protocols.icmp : protocols.icmp6;
  const descriptor = libc.socket(families[family], types.raw, protocol);
  libc.setOption(descriptor, level.socket, option.timestamp, 1);
  try {
    libc.setOption(descriptor, level.socket, option.receiveBufferForce, receiveBufferBytes);
  } catch {
    libc.setOption(descriptor, level.socket, option.receiveBuffer, receiveBufferBytes);
  }
  const filter = Buffer.alloc(family === 4 ? 4 : 32, 0xff);
  for (const kind of Object.values(icmpType[family])) {
    if (kind !== icmpType[family].echo) {
      const at = Math.floor(kind / 32) * 4;
      filter.writeUInt32LE((filter.readUInt32LE(at) & ~(1 << (kind % 32))) >>> 0, at);
    }
  }
  libc.setOption(descriptor, family === 4 ? level.raw : level.icmp6, option.icmpFilter, filter);
  return createSender(libc, family, descriptor);
};

const dropAll: Filter = [[0x06, 0, 0, 0]];

/** struct sock_fprog { count, pointer } and its instructions. */
const attachFilter = (libc: Libc, descriptor: number, program: Filter): void => {
  const instructions = libc.allocate(program.length * 8);
  for (const [index, [code, jumpTrue, jumpFalse, value]] of program.entries()) {
    instructions.bytes.writeUInt16LE(code, index * 8);
    instructions.bytes.writeUInt8(jumpTrue, index * 8 + 2);
    instructions.bytes.writeUInt8(jumpFalse, index * 8 + 3);
    instructions.bytes.writeUInt32LE(value, index * 8 + 4);
  }
  const header = Buffer.alloc(16);
  header.writeUInt16LE(program.length, 0);
  header.writeBigUInt64LE(instructions.address, 8);
  // The kernel has copied it.
  libc.setOption(descriptor, level.socket, option.attachFilter, header);
  libc.free(instructions);
};

/** What routers may balance ICMP by: one flow's is the same in every run, another's is another. */
const checksumOf = (index: number): number => (0x5ca1 + 257 * index) & 0xffff;

/** The kernel's own socket on the source port: no other program gets it, and datagrams arrive here. */
const reserveUdp = (
  libc: Libc,
  family: Family,
  { address, port }: FlowRequest,
  sourcePort: number,
) => {
  const descriptor = libc.socket(families[family], types.datagram, 0);
  libc.setOption(descriptor, level.socket, option.timestamp, 1);
  bindIfFree(libc, descriptor, family === 4 ? '0.0.0.0' : '::', sourcePort);
  const errno = libc.connect(descriptor, encodeAddress(address, port));
  if (errno !== 0) {
    libc.close(descriptor);
    throw systemError('connect', errno);
  }
  return { descriptor, ends: endsOf(libc, descriptor, family, address, port) };
};

/** Bound and not listening: the kernel answers a SYN-ACK with the RST that frees the server. */
const reserveTcp = (libc: Libc, family: Family, request: FlowRequest, sourcePort: number) => {
  const { address, port } = request;
  const asker = reserveUdp(libc, family, request, 0);
  libc.close(asker.descriptor);
  const descriptor = libc.socket(families[family], types.stream, 0);
  const zone = address.includes('%') ? `%${address.split('%')[1]}` : '';
  const source = asker.ends.source + zone;
  if (!bindIfFree(libc, descriptor, source, sourcePort)) {
    libc.bind(descriptor, encodeAddress(source, 0));
  }
  return { descriptor, ends: endsOf(libc, descriptor, family, address, port) };
};

/** False where the port is another's by now, or there is none to ask for. */
const bindIfFree = (libc: Libc, descriptor: number, address: string, port: number): boolean => {
  if (port === 0) return false;
  try {
    libc.bind(descriptor, encodeAddress(address, port));
    return true;
  } catch {
    return false;
  }
};

const endsOf = (
  libc: Libc,
  descriptor: number,
  family: Family,
  address: string,
  port: number,
): Ends => {
  const own = decodeAddress(libc.localAddress(descriptor));
  return {
    family,
    source: own.address,
    destination: canonicalAddress(address),
    sourcePort: own.port,
    destinationPort: port,
  };
};
