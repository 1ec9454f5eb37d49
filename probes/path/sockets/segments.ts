import { behindIpv4Header, type Family, internetChecksum } from '../packet.ts';
import { addressBytes } from './address.ts';
import { protocol } from './numbers.ts';

/** Both ends of a flow; with the protocol they are what routers balance by. */
export type Ends = {
  family: Family;
  source: string;
  destination: string;
  sourcePort: number;
  destinationPort: number;
};

/** Names one probe among those of its flow: nonce of the flow, number of the probe. */
export const payloadBytes = 10;

export const encodeStamp = (nonce: Buffer, probe: number, bytes = payloadBytes): Buffer => {
  const payload = Buffer.alloc(Math.max(payloadBytes, bytes));
  nonce.copy(payload, 0, 0, 8);
  payload.writeUInt16BE(probe, 8);
  return payload;
};

/** The probe's number; undefined where there is too little to read, or it is another flow's. */
export const readStamp = (payload: Buffer, nonce: Buffer): number | undefined =>
  payload.length >= payloadBytes && payload.subarray(0, 8).equals(nonce)
    ? payload.readUInt16BE(8)
    : undefined;

/** RFC 768, with its checksum, which is different for each probe: RFC 792 obliges routers to quote it. */
export const encodeUdp = (ends: Ends, payload: Buffer): Buffer => {
  const datagram = Buffer.alloc(8 + payload.length);
  writePorts(datagram, ends);
  datagram.writeUInt16BE(datagram.length, 4);
  payload.copy(datagram, 8);
  // 0 would say that there is none.
  datagram.writeUInt16BE(checksum(ends, protocol.udp, datagram) || 0xffff, 6);
  return datagram;
};

const synFlag = 0x02;
/** What a client of today offers; some firewalls drop a SYN that offers nothing. MSS 1,440. */
const synOptions = Buffer.from('020405a00402010103030701', 'hex');

/** RFC 9293 §3.1. The sequence number names the probe: an answer acknowledges it plus one. */
export const encodeSyn = (ends: Ends, sequence: number): Buffer => {
  const segment = Buffer.alloc(20 + synOptions.length);
  writePorts(segment, ends);
  segment.writeUInt32BE(sequence, 4);
  segment.writeUInt8((segment.length / 4) << 4, 12);
  segment.writeUInt8(synFlag, 13);
  segment.writeUInt16BE(64_240, 14);
  synOptions.copy(segment, 20);
  segment.writeUInt16BE(checksum(ends, protocol.tcp, segment), 16);
  return segment;
};

const writePorts = (segment: Buffer, ends: Ends): void => {
  segment.writeUInt16BE(ends.sourcePort, 0);
  segment.writeUInt16BE(ends.destinationPort, 2);
};

/** Over the pseudo header too: RFC 9293 §3.1, RFC 8200 §8.1. */
const checksum = (ends: Ends, number: number, segment: Buffer): number => {
  const tail = Buffer.alloc(8);
  tail.writeUInt32BE(segment.length, 0);
  tail.writeUInt8(number, 7);
  const padding = Buffer.alloc(segment.length % 2);
  const addresses = [addressBytes(ends.source), addressBytes(ends.destination)];
  return internetChecksum(Buffer.concat([...addresses, tail, segment, padding]));
};

/** The probe it answers by its sequence number. */
export type Segment = {
  sourcePort: number;
  destinationPort: number;
  answersSequence: number;
  /** Neither SYN nor RST: sent only because another SYN of the flow has just come in. */
  isChallenge: boolean;
};

/**
 * What a raw TCP socket received (IPv4 with its IP header): SYN-ACK, RST, or the ACK by which a
 * target that has a SYN of this flow already answers the next one (RFC 5961 §4).
 */
export const decodeSegment = (family: Family, received: Buffer): Segment | undefined => {
  const segment = family === 4 ? behindIpv4Header(received) : received;
  if (segment === undefined || segment.length < 20) return undefined;
  const flags = segment.readUInt8(13);
  if ((flags & 0x10) === 0) return undefined;
  return {
    sourcePort: segment.readUInt16BE(0),
    destinationPort: segment.readUInt16BE(2),
    answersSequence: (segment.readUInt32BE(8) - 1) >>> 0,
    isChallenge: (flags & 0x06) === 0,
  };
};

/** Classic BPF: what a raw socket is to get. */
export type Filter = [code: number, jumpTrue: number, jumpFalse: number, value: number][];

/** Segments to one of these ports, so that a busy machine's other traffic is not copied here. */
export const portFilter = (family: Family, ports: readonly number[]): Filter => [
  // IPv4: X = length of the IP header, A = destination port behind it.
  ...((family === 4
    ? [
        [0xb1, 0, 0, 0],
        [0x48, 0, 0, 2],
      ]
    : [[0x28, 0, 0, 2]]) satisfies Filter),
  ...ports.map((port, index): Filter[number] => [0x15, ports.length - index, 0, port]),
  [0x06, 0, 0, 0],
  [0x06, 0, 0, 0xffff],
];
