import { randomBytes } from 'node:crypto';
import { describeErrno, type Libc, systemError } from '#runtime/kernel/libc.ts';
import type { PathAnswer } from '../messages.ts';
import { canonicalAddress, encodeEcho, type Family } from '../packet.ts';
import { decodeAddress, encodeAddress } from './address.ts';
import type { Inbox, Received } from './inbox.ts';
import { type Flow, type FlowRequest, headerBytes, type Network, nameOfFlow } from './network.ts';
import {
  errno,
  family as families,
  ipOption,
  level,
  mtuDiscoverProbe,
  option,
  protocol as protocols,
  readFlags,
  type as types,
} from './numbers.ts';
import { clockNow, furthest, type Pending, type Poller, rttMsOf } from './pending.ts';
import { kindOf } from './quote.ts';
import { encodeStamp, readStamp } from './segments.ts';
import { createSourcePorts, type SourcePorts } from './source-ports.ts';

type Parts = {
  family: Family;
  libc: Libc;
  inbox: Inbox;
  poller: Poller;
  ports: SourcePorts;
};

/**
 * Ordinary sockets: what routers say about a socket's packets waits on its error queue
 * (IP_RECVERR), with the router's address, for whoever owns the socket. No privilege; ICMP only
 * where `net.ipv4.ping_group_range` has the user's group.
 */
export const openErrorQueueNetwork = (given: Omit<Parts, 'ports'>): Network => {
  const parts: Parts = { ...given, ports: createSourcePorts() };
  return {
    family: parts.family,
    openFlow(request) {
      if (request.protocol === 'tcp') return openConnects(parts, request);
      return openDatagrams(parts, request);
    },
    close: () => {},
  };
};

/** ICMP and UDP: one connected socket a flow. */
const openDatagrams = (parts: Parts, request: FlowRequest): Flow => {
  const { protocol, address, port } = request;
  const { family, libc, inbox, poller } = parts;
  const isIcmp = protocol === 'icmp';
  const number = isIcmp ? protocols[family === 4 ? 'icmp' : 'icmp6'] : 0;
  const descriptor = openSocket(parts, types.datagram, number);
  const name = nameOfFlow(request);
  bindAgain(parts, descriptor, isIcmp ? 0 : parts.ports.of(name));
  const refused = libc.connect(descriptor, encodeAddress(address, isIcmp ? 0 : port));
  if (refused !== 0) {
    libc.close(descriptor);
    throw systemError('connect', refused);
  }
  const target = canonicalAddress(address);
  const nonce = randomBytes(8);
  const pending = new Map<number, Pending>();
  let lastProbe = 0;
  let isAnswered = false;

  const nameOf = ({ data }: Received): number | undefined => {
    if (isIcmp) return data.length >= 8 ? data.readUInt16BE(6) : undefined;
    const stamped = readStamp(data, nonce);
    if (stamped !== undefined || pending.size !== 1) return stamped;
    // Some routers quote no more than the header: with one probe on its way it is that one.
    return [...pending.keys()][0];
  };
  const take = (received: Received) => {
    const probe = nameOf(received) ?? (received.error ? undefined : furthest(pending));
    const one = probe === undefined ? undefined : pending.get(probe);
    const answer = one && answerOf(family, target, received, one);
    if (one === undefined || answer === undefined) return;
    pending.delete(probe ?? -1);
    isAnswered ||= answer.kind === 'target';
    one.settle(answer);
  };
  const read = () => {
    inbox.read(descriptor, readFlags.errors, take);
    inbox.read(descriptor, readFlags.data, take);
  };
  const encode = (probe: number, bytes: number): Buffer =>
    isIcmp
      ? encodeEcho(family, { id: 0, sequence: probe, nonce }, bytes - headerBytes[family] + 8)
      : encodeStamp(nonce, probe, bytes - headerBytes[family]);

  return {
    isSerial: false,
    probe(ttl, timeoutMs, bytes = headerBytes[family] + 32) {
      lastProbe = (lastProbe % 0xffff) + 1;
      const probe = lastProbe;
      const packet = encode(probe, bytes);
      const sent = poller.wait(read, timeoutMs, (settle) => {
        setTtl(parts, descriptor, ttl);
        pending.set(probe, { ttl, ...clockNow(libc), settle });
        const problem = sendPastErrors(libc, descriptor, packet);
        if (problem !== 0) settle({ kind: 'unsent', message: describeErrno(problem) });
      });
      return sent.finally(() => pending.delete(probe));
    },
    close() {
      const { port: sourcePort } = decodeAddress(libc.localAddress(descriptor));
      if (!isIcmp) parts.ports.note(name, sourcePort, isAnswered);
      libc.close(descriptor);
    },
  };
};

/** The port of the run before, where it is still free. */
const bindAgain = ({ family, libc }: Parts, descriptor: number, port: number): void => {
  if (port === 0) return;
  try {
    libc.bind(descriptor, encodeAddress(family === 4 ? '0.0.0.0' : '::', port));
  } catch {
    // Another program has it now: any other will do.
  }
};

/** An error about an earlier packet is told once by the next call, which then has sent nothing. */
const sendPastErrors = (libc: Libc, descriptor: number, packet: Buffer): number => {
  let problem = 0;
  for (let attempt = 0; attempt < 16; attempt += 1) {
    problem = libc.send(descriptor, packet, null);
    if (problem !== errno.hostUnreachable && problem !== errno.connectionRefused) break;
  }
  return problem;
};

/**
 * TCP: a connection attempt a probe, all from one source port so that they are one flow. Two of
 * them at once would be one connection to the kernel: they go one after the other.
 */
const openConnects = (parts: Parts, request: FlowRequest): Flow => {
  const { libc, poller } = parts;
  const { address, port } = request;
  const name = nameOfFlow(request);
  let isAnswered = false;
  const target = canonicalAddress(address);
  const destination = encodeAddress(address, port);
  let source: Buffer | undefined;
  let before: Promise<unknown> = Promise.resolve();

  const attempt = (ttl: number, timeoutMs: number): Promise<PathAnswer | null> => {
    const descriptor = openSocket(parts, types.stream, 0);
    const pending: Pending = { ttl, sentNs: 0n, sentMs: 0, settle: () => {} };
    const read = () => {
      const answer = outcomeOf(parts, descriptor, target, pending);
      if (answer === undefined) return;
      isAnswered ||= answer.kind === 'target';
      pending.settle(answer);
    };
    const limitMs = Math.min(timeoutMs, synRepeatMs);
    return poller
      .wait(read, limitMs, (settle) => {
        pending.settle = settle;
        libc.setOption(descriptor, level.socket, option.reuseAddress, 1);
        // Closed with RST: no connection lingers, and the port is free for the next one.
        libc.setOption(descriptor, level.socket, option.linger, lingerZero);
        setTtl(parts, descriptor, ttl);
        if (source === undefined) bindAgain(parts, descriptor, parts.ports.of(name));
        else libc.bind(descriptor, source);
        Object.assign(pending, clockNow(libc));
        const problem = libc.connect(descriptor, destination);
        source ??= libc.localAddress(descriptor);
        if (problem !== 0 && problem !== errno.inProgress) {
          settle({ kind: 'unsent', message: describeErrno(problem) });
        }
      })
      .finally(() => libc.close(descriptor));
  };

  return {
    isSerial: true,
    probe(ttl, timeoutMs) {
      const sent = before.then(() => attempt(ttl, timeoutMs));
      before = sent.catch(() => {});
      return sent;
    },
    close() {
      if (source) parts.ports.note(name, decodeAddress(source).port, isAnswered);
    },
  };
};

/** Linux repeats a SYN after 1 s: a handshake that took so long is a loss, not a round trip. */
const synRepeatMs = 950;
const lingerZero = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

/** Undefined while the attempt is under way. */
const outcomeOf = (
  { family, libc, inbox }: Parts,
  descriptor: number,
  target: string,
  pending: Pending,
): PathAnswer | undefined => {
  let told: PathAnswer | undefined;
  inbox.read(descriptor, readFlags.errors, (received) => {
    told ??= answerOf(family, target, received, pending);
  });
  if (told !== undefined) return told;
  const elapsedMs = performance.now() - pending.sentMs;
  const reached = (rttMs: number): PathAnswer => ({ kind: 'target', address: target, rttMs });
  const problem = libc.getNumber(descriptor, level.socket, option.error);
  if (problem === errno.connectionRefused || problem === errno.connectionReset) {
    return reached(elapsedMs);
  }
  if (problem !== undefined && problem !== 0) return undefined;
  const handshakeUs = handshakeTime(libc, descriptor);
  return handshakeUs === undefined ? undefined : reached(handshakeUs / 1_000);
};

const tcpInfo = 11;
/** TCP_ESTABLISHED, TCP_CLOSE_WAIT: the target may have hung up before anybody looked. */
const connected = new Set([1, 8]);

/** struct tcp_info: the state, and the kernel's own round trip in µs of the handshake. */
const handshakeTime = (libc: Libc, descriptor: number): number | undefined => {
  const info = libc.getBytes(descriptor, protocols.tcp, tcpInfo, 104);
  if (info === undefined || !connected.has(info.readUInt8(0))) return undefined;
  return info.readUInt32LE(68);
};

const openSocket = ({ family, libc }: Parts, type: number, protocol: number): number => {
  const descriptor = libc.socket(families[family], type, protocol);
  const { level: ipLevel, receiveErrors, mtuDiscover } = ipOption[family];
  libc.setOption(descriptor, ipLevel, receiveErrors, 1);
  if (type === types.datagram) libc.setOption(descriptor, ipLevel, mtuDiscover, mtuDiscoverProbe);
  libc.setOption(descriptor, level.socket, option.timestamp, 1);
  return descriptor;
};

const setTtl = ({ family, libc }: Parts, descriptor: number, ttl: number): void =>
  libc.setOption(descriptor, ipOption[family].level, ipOption[family].hopLimit, ttl);

/** Undefined for what ends no probe. */
const answerOf = (
  family: Family,
  target: string,
  { error, from, data, atNs }: Received,
  pending: Pending,
): PathAnswer | undefined => {
  const rttMs = rttMsOf(pending, atNs);
  if (error === undefined) {
    if (data.length === 0 && from === '') return undefined;
    return { kind: 'target', address: canonicalAddress(from || target), rttMs };
  }
  if (error.origin !== 'icmp') return undefined;
  const kind = kindOf(family, error.type, error.code);
  const address = canonicalAddress(error.address);
  if (kind === undefined) return undefined;
  if (kind === 'too-big') return { kind, address, mtu: error.mtu };
  if (kind === 'exceeded') return { kind: 'hop', address, rttMs };
  return { kind: address === target ? 'target' : 'unreachable', address, rttMs };
};
