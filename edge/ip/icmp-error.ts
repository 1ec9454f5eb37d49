import { checksum, type PacketFacts, protocols } from '#runtime/ip-packet.ts';

/** Why a packet goes no further, for the one that sent it. */
export type IcmpCause = { kind: 'too-big'; mtuBytes: number } | { kind: 'prohibited' };

/** RFC 4443 section 2.4: an error is no longer than IPv6's least MTU; RFC 1812: 576 bytes in IPv4. */
const maxBytes = { 4: 576, 6: 1_280 } as const;

/**
 * The ICMP error that tells the sender of a packet (RFC 9484 section 6). Undefined where none may be
 * sent: about an error, or about a fragment other than the first (RFC 1122 section 3.2.2).
 */
export const makeIcmpError = (parts: {
  about: Buffer;
  facts: PacketFacts;
  cause: IcmpCause;
  /** Who says so: the edge's own address of that family. */
  from: Buffer;
}): Buffer | undefined => {
  const { about, facts } = parts;
  if (facts.fragment === 'later' || isIcmpError(about, facts)) return undefined;
  return facts.version === 4 ? makeError4(parts) : makeError6(parts);
};

const isIcmpError = (packet: Buffer, { protocol, headerBytes, version }: PacketFacts): boolean => {
  const type = packet[headerBytes];
  if (version === 4) return protocol === protocols.icmp && type !== undefined && errors4.has(type);
  return protocol === protocols.icmp6 && (type === undefined || type < 128);
};

/** Unreachable, source quench, redirect, time exceeded, parameter problem. */
const errors4 = new Set([3, 4, 5, 11, 12]);

const makeError4 = ({ about, cause, from }: Parameters<typeof makeIcmpError>[0]): Buffer => {
  const quoted = about.subarray(0, maxBytes[4] - 28);
  const packet = Buffer.alloc(28 + quoted.length);
  packet.writeUInt16BE(0x4500, 0);
  packet.writeUInt16BE(packet.length, 2);
  packet.writeUInt8(64, 8);
  packet.writeUInt8(protocols.icmp, 9);
  from.copy(packet, 12);
  about.copy(packet, 16, 12, 16);
  packet.writeUInt16BE(checksum(packet.subarray(0, 20)), 10);
  // Unreachable: fragmentation needed (RFC 1191), or prohibited by administration (RFC 1812).
  packet.writeUInt8(3, 20);
  packet.writeUInt8(cause.kind === 'too-big' ? 4 : 13, 21);
  if (cause.kind === 'too-big') packet.writeUInt16BE(cause.mtuBytes, 26);
  quoted.copy(packet, 28);
  packet.writeUInt16BE(checksum(packet.subarray(20)), 22);
  return packet;
};

const makeError6 = ({ about, cause, from }: Parameters<typeof makeIcmpError>[0]): Buffer => {
  const quoted = about.subarray(0, maxBytes[6] - 48);
  const packet = Buffer.alloc(48 + quoted.length);
  packet.writeUInt8(0x60, 0);
  packet.writeUInt16BE(packet.length - 40, 4);
  packet.writeUInt8(protocols.icmp6, 6);
  packet.writeUInt8(64, 7);
  from.copy(packet, 8);
  about.copy(packet, 24, 8, 24);
  // RFC 4443: packet too big, or destination unreachable by administration.
  packet.writeUInt8(cause.kind === 'too-big' ? 2 : 1, 40);
  packet.writeUInt8(cause.kind === 'too-big' ? 0 : 1, 41);
  if (cause.kind === 'too-big') packet.writeUInt32BE(cause.mtuBytes, 44);
  quoted.copy(packet, 48);
  packet.writeUInt16BE(checksum(packet.subarray(40), pseudoHeaderSum(packet)), 42);
  return packet;
};

/** RFC 8200 section 8.1: both addresses, length and protocol are in an upper layer's checksum. */
const pseudoHeaderSum = (packet: Buffer): number => {
  let sum = packet.length - 40 + protocols.icmp6;
  for (let i = 8; i < 40; i += 2) sum += packet.readUInt16BE(i);
  return sum;
};
