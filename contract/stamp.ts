/**
 * The packets of a Simple Two-Way Active Measurement Protocol session in unauthenticated mode
 * (STAMP, RFC 8762 section 4.2.1 and 4.3.1, with the session id of RFC 8972), which a device sends
 * and an edge sends back. All fields are big-endian.
 */

/** Port that IANA keeps for it. */
export const stampPort = 862;

/** Shorter packets are none; longer ones would be fragmented on a path of 1,500 bytes. */
export const stampBytes = { shortest: 44, longest: 1_452 } as const;

/** Who sent a packet: its place in the session, and which session (0: none). */
export type StampSender = { sequence: number; sessionId: number };

/** A packet of the sender, filled up with zeros to the length a call's would have. */
export const writeStamp = ({ sequence, sessionId }: StampSender, byteCount: number): Buffer => {
  const packet = Buffer.alloc(Math.max(stampBytes.shortest, byteCount));
  packet.writeUInt32BE(sequence, 0);
  packet.writeUInt16BE(errorEstimate, 12);
  packet.writeUInt16BE(sessionId, 14);
  return packet;
};

/** Last thing before it is sent. */
export const stampTime = (packet: Buffer, epochMs: number): void => writeTime(packet, 4, epochMs);

/**
 * The reflector's packet for a sender's, of the same length: its own count, both its times, and what
 * the sender had written. What follows the first 44 bytes is copied as it came: extensions, which we
 * do not know, keep the mark that says so (RFC 8972 section 4).
 */
export const reflectStamp = (received: Buffer, sequence: number, receivedAtMs: number): Buffer => {
  const packet = Buffer.from(received);
  packet.writeUInt32BE(sequence, 0);
  packet.writeUInt16BE(errorEstimate, 12);
  writeTime(packet, 16, receivedAtMs);
  received.copy(packet, 24, 0, 14);
  // MBZ, and the sender's TTL, which no Node socket tells.
  packet.fill(0, 38, 44);
  return packet;
};

export type ReflectedStamp = {
  sender: StampSender;
  /** The reflector's own count of packets. */
  sequence: number;
  /** The sender's time, as it wrote it. */
  sentTime: bigint;
  /** By the reflector's clock. */
  receivedAtMs: number;
  returnedAtMs: number;
};

/** Undefined: it is no reflected packet. */
export const readReflectedStamp = (packet: Buffer): ReflectedStamp | undefined =>
  packet.length < stampBytes.shortest
    ? undefined
    : {
        sequence: packet.readUInt32BE(0),
        returnedAtMs: readTime(packet, 4),
        receivedAtMs: readTime(packet, 16),
        sender: { sequence: packet.readUInt32BE(24), sessionId: packet.readUInt16BE(14) },
        sentTime: packet.readBigUInt64BE(28),
      };

/** What `sentTime` of the reflected packet will be. */
export const sentTimeOf = (packet: Buffer): bigint => packet.readBigUInt64BE(4);

/**
 * RFC 8762 section 4.2.1: not known to be synchronised (S = 0), NTP format (Z = 0), and an error of
 * a second (1 × 2^32 × 2^-32 s), as we know nothing of the clock.
 */
const errorEstimate = (32 << 8) | 1;

/** Seconds between 1900 (NTP, RFC 5905) and 1970. */
const ntpOffsetSeconds = 2_208_988_800;
const fraction = 2 ** 32;

const writeTime = (packet: Buffer, offset: number, epochMs: number): void => {
  const seconds = Math.floor(epochMs / 1_000);
  packet.writeUInt32BE((seconds + ntpOffsetSeconds) % fraction, offset);
  const rest = Math.floor(((epochMs - seconds * 1_000) / 1_000) * fraction);
  packet.writeUInt32BE(Math.min(fraction - 1, rest), offset + 4);
};

const readTime = (packet: Buffer, offset: number): number => {
  const seconds = packet.readUInt32BE(offset) - ntpOffsetSeconds;
  return seconds * 1_000 + (packet.readUInt32BE(offset + 4) / fraction) * 1_000;
};
