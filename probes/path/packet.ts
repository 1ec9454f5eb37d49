import { isIPv6, SocketAddress } from 'node:net';

export type Family = 4 | 6;

export const familyOf = (address: string): Family => (isIPv6(address) ? 6 : 4);

/** What one probe packet carries to be recognised again. */
export type EchoStamp = {
  id: number;
  sequence: number;
  nonce: Buffer;
  /** The checksum to have, where the flow is to be that of earlier runs. */
  checksum?: number;
};

export const nonceBytes = 8;
const icmpHeaderBytes = 8;
/** As `ping` and mtr send: some devices drop much smaller ones. */
const packetBytes = 64;
const ipv6HeaderBytes = 40;

/**
 * An ICMP echo request whose checksum is the same for every sequence number of a run (the payload
 * carries the sequence's complement), so that routers balancing by the first words of the ICMP
 * header keep all of a run on one path (Paris traceroute). ICMPv6 checksums are the kernel's.
 */
export const encodeEcho = (family: Family, stamp: EchoStamp, bytes = packetBytes): Buffer => {
  const packet = Buffer.alloc(bytes);
  packet.writeUInt8(family === 6 ? 128 : 8, 0);
  packet.writeUInt16BE(stamp.id, 4);
  packet.writeUInt16BE(stamp.sequence, 6);
  stamp.nonce.copy(packet, icmpHeaderBytes);
  packet.writeUInt16BE(0xffff - stamp.sequence, icmpHeaderBytes + nonceBytes);
  if (stamp.checksum !== undefined) {
    // One's complement: what is missing between the sum there is and the one there is to be.
    const missing = 0xffff - stamp.checksum + internetChecksum(packet);
    packet.writeUInt16BE((missing & 0xffff) + (missing >>> 16), packetBytes - 2);
  }
  packet.writeUInt16BE(internetChecksum(packet), 2);
  return packet;
};

/** RFC 1071. */
export const internetChecksum = (bytes: Buffer): number => {
  let sum = 0;
  for (let at = 0; at + 1 < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return 0xffff - sum;
};

export type IcmpMessage = {
  kind: 'reply' | 'time-exceeded' | 'unreachable';
  code: number;
  id: number;
  sequence: number;
  /** Undefined where a router quoted too little: RFC 792 obliges it to the header only. */
  nonce: Buffer | undefined;
  /** Where the quoted packet was going; undefined for a reply. */
  quotedDestination: string | undefined;
};

const kinds = {
  4: { 0: 'reply', 11: 'time-exceeded', 3: 'unreachable' },
  6: { 129: 'reply', 3: 'time-exceeded', 1: 'unreachable', 2: 'unreachable' },
} as const satisfies Record<Family, Record<number, IcmpMessage['kind']>>;

/**
 * Reads what a raw ICMP socket received (IPv4 with its IP header, IPv6 without); undefined for
 * anything that cannot answer an echo request.
 */
export const decodeIcmp = (family: Family, received: Buffer): IcmpMessage | undefined => {
  const icmp = family === 6 ? received : stripIpv4(received);
  if (icmp === undefined || icmp.length < icmpHeaderBytes) return undefined;
  const kind = (kinds[family] as Record<number, IcmpMessage['kind']>)[icmp.readUInt8(0)];
  if (kind === undefined) return undefined;
  const code = icmp.readUInt8(1);
  if (kind === 'reply') return { kind, code, ...readEcho(icmp), quotedDestination: undefined };
  const quoted = family === 6 ? quotedIpv6(icmp) : quotedIpv4(icmp);
  if (quoted === undefined) return undefined;
  return { kind, code, ...readEcho(quoted.echo), quotedDestination: quoted.destination };
};

const readEcho = (echo: Buffer): Pick<IcmpMessage, 'id' | 'sequence' | 'nonce'> => ({
  id: echo.readUInt16BE(4),
  sequence: echo.readUInt16BE(6),
  nonce:
    echo.length < icmpHeaderBytes + nonceBytes
      ? undefined
      : echo.subarray(icmpHeaderBytes, icmpHeaderBytes + nonceBytes),
});

type Quoted = { destination: string; echo: Buffer };

const quotedIpv4 = (icmp: Buffer): Quoted | undefined => {
  const packet = icmp.subarray(icmpHeaderBytes);
  const echo = stripIpv4(packet);
  if (echo === undefined || echo.length < icmpHeaderBytes || echo.readUInt8(0) !== 8) {
    return undefined;
  }
  return { destination: [...packet.subarray(16, 20)].join('.'), echo };
};

const quotedIpv6 = (icmp: Buffer): Quoted | undefined => {
  const packet = icmp.subarray(icmpHeaderBytes);
  if (packet.length < ipv6HeaderBytes + icmpHeaderBytes || packet.readUInt8(0) >> 4 !== 6) {
    return undefined;
  }
  const echo = packet.subarray(ipv6HeaderBytes);
  if (packet.readUInt8(6) !== 58 || echo.readUInt8(0) !== 128) return undefined;
  return { destination: ipv6Text(packet.subarray(24, 40)), echo };
};

const stripIpv4 = (packet: Buffer): Buffer | undefined => {
  const payload = behindIpv4Header(packet);
  return payload !== undefined && packet.readUInt8(9) === 1 ? payload : undefined;
};

/** Undefined where the header is not whole, or says that it is shorter than RFC 791 allows. */
export const behindIpv4Header = (packet: Buffer): Buffer | undefined => {
  if (packet.length < 20) return undefined;
  const first = packet.readUInt8(0);
  const headerBytes = (first & 0x0f) * 4;
  if (first >> 4 !== 4 || headerBytes < 20 || headerBytes > packet.length) return undefined;
  return packet.subarray(headerBytes);
};

const ipv6Text = (bytes: Buffer): string => {
  const groups = bytes.toString('hex').match(/.{4}/g) ?? [];
  return canonicalAddress(groups.join(':'));
};

/** One spelling for each address, without a zone (`fe80::1%eth0`): answers do not carry it. */
export const canonicalAddress = (address: string): string => {
  const [bare = ''] = address.split('%');
  if (!bare.includes(':')) return bare;
  return new SocketAddress({ address: bare, family: 'ipv6' }).address;
};
