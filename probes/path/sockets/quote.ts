import { behindIpv4Header, type Family } from '../packet.ts';
import { addressText } from './address.ts';
import { icmpType } from './numbers.ts';

/** An ICMP error as a raw socket gets it, with what it quotes of the packet it is about. */
export type Quote = {
  kind: 'exceeded' | 'unreachable' | 'too-big';
  /** Where the packet was going. */
  destination: string;
  protocol: number;
  /** The packet from its transport header on: RFC 792 promises eight bytes. */
  segment: Buffer;
  /** The next hop's MTU, where the packet was too big; 0 from routers older than RFC 1191. */
  mtu: number;
};

const fragmentationNeeded = 4;
/** What RFC 792 promises of the transport header: ports and sequence number are read from it. */
const leastSegmentBytes = 8;

/**
 * Undefined for all that is no error about a packet sent. Anybody may have written it: each length in
 * it is held against what is there.
 */
export const decodeQuote = (family: Family, received: Buffer): Quote | undefined =>
  family === 4 ? decodeIpv4(received) : decodeIpv6(received);

const decodeIpv4 = (received: Buffer): Quote | undefined => {
  const icmp = behindIpv4Header(received);
  if (icmp === undefined || icmp.length < 8) return undefined;
  const kind = kindOf(4, icmp.readUInt8(0), icmp.readUInt8(1));
  const packet = icmp.subarray(8);
  const segment = behindIpv4Header(packet);
  if (kind === undefined || segment === undefined) return undefined;
  if (segment.length < leastSegmentBytes) return undefined;
  return {
    kind,
    destination: addressText(packet.subarray(16, 20)),
    protocol: packet.readUInt8(9),
    segment,
    mtu: kind === 'too-big' ? icmp.readUInt16BE(6) : 0,
  };
};

const decodeIpv6 = (icmp: Buffer): Quote | undefined => {
  if (icmp.length < 8 + 40 + leastSegmentBytes) return undefined;
  const kind = kindOf(6, icmp.readUInt8(0), icmp.readUInt8(1));
  const packet = icmp.subarray(8);
  if (kind === undefined || packet.readUInt8(0) >> 4 !== 6) return undefined;
  return {
    kind,
    destination: addressText(packet.subarray(24, 40)),
    protocol: packet.readUInt8(6),
    segment: packet.subarray(40),
    mtu: kind === 'too-big' ? icmp.readUInt32BE(4) : 0,
  };
};

/** Also of what an error queue tells: the same types and codes. */
export const kindOf = (family: Family, type: number, code: number): Quote['kind'] | undefined => {
  const types = icmpType[family];
  if (type === types.exceeded) return 'exceeded';
  if (family === 6 && type === icmpType[6].tooBig) return 'too-big';
  if (type !== types.unreachable) return undefined;
  return family === 4 && code === fragmentationNeeded ? 'too-big' : 'unreachable';
};
