/** What of an IP packet decides about it. The packet itself was checked against these. */
export type PacketFacts = {
  version: 4 | 6;
  /** Above IP, past the extension headers: 1 ICMP, 6 TCP, 17 UDP, 58 ICMPv6. */
  protocol: number;
  /** Bytes before it. */
  headerBytes: number;
  /** Bytes of an address, for use as a key; `addressText` writes it out. */
  source: string;
  destination: string;
  /** A fragment other than the first has no header of the protocol above. */
  fragment: 'no' | 'first' | 'later';
  /** TTL, or hop limit. */
  hopsLeft: number;
};

export const protocols = { icmp: 1, tcp: 6, udp: 17, icmp6: 58 } as const;

/**
 * Reads one whole packet; undefined where it is none. Also for packets that let their sender choose
 * another way than the destination's (source routes): what was checked would not be where they go.
 */
export const readPacket = (packet: Buffer): PacketFacts | undefined => {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4) return readPacket4(packet);
  return version === 6 ? readPacket6(packet) : undefined;
};

const readPacket4 = (packet: Buffer): PacketFacts | undefined => {
  if (packet.length < 20) return undefined;
  const headerBytes = 4 * (packet.readUInt8(0) & 0x0f);
  if (headerBytes < 20 || packet.readUInt16BE(2) !== packet.length || headerBytes > packet.length) {
    return undefined;
  }
  if (headerBytes > 20 && !areOptionsHarmless(packet.subarray(20, headerBytes))) return undefined;
  const placed = packet.readUInt16BE(6);
  const isLater = (placed & 0x1fff) !== 0;
  return {
    version: 4,
    protocol: packet.readUInt8(9),
    headerBytes,
    source: packet.toString('latin1', 12, 16),
    destination: packet.toString('latin1', 16, 20),
    fragment: isLater ? 'later' : (placed & 0x2000) === 0 ? 'no' : 'first',
    hopsLeft: packet.readUInt8(8),
  };
};

/** Loose and strict source routes (RFC 791 section 3.1). */
const sourceRoutes = [131, 137];

const areOptionsHarmless = (options: Buffer): boolean => {
  for (let offset = 0; offset < options.length; ) {
    const type = options.readUInt8(offset);
    if (type === 0) return true;
    if (sourceRoutes.includes(type)) return false;
    const length = type === 1 ? 1 : (options[offset + 1] ?? 0);
    if (length < 1 || (type !== 1 && length < 2)) return false;
    offset += length;
  }
  return true;
};

const hopByHop = 0;
const routing = 43;
const fragmentHeader = 44;
const authentication = 51;
/** Those of IANA's list that have a length of their own in units of 8 bytes. */
const extensions = new Set([hopByHop, routing, 60, 135, 139, 140]);
/** RFC 8504 section 5.3 lets a host stop at eight. */
const maxExtensions = 8;

const readPacket6 = (packet: Buffer): PacketFacts | undefined => {
  if (packet.length < 40 || packet.readUInt16BE(4) + 40 !== packet.length) return undefined;
  let fragment: PacketFacts['fragment'] = 'no';
  let protocol = packet.readUInt8(6);
  let offset = 40;
  for (let count = 0; fragment !== 'later'; count += 1) {
    const isExtension = extensions.has(protocol) || protocol === authentication;
    if (!isExtension && protocol !== fragmentHeader) break;
    if (count === maxExtensions || offset + 8 > packet.length) return undefined;
    // Segments left: it goes to other places than its destination (RFC 8200 section 4.4).
    if (protocol === routing && packet[offset + 3] !== 0) return undefined;
    if (protocol === hopByHop && count > 0) return undefined;
    const length = packet.readUInt8(offset + 1);
    if (protocol === fragmentHeader) {
      const placed = packet.readUInt16BE(offset + 2);
      if ((placed & 0xfff8) !== 0) fragment = 'later';
      // An atomic fragment (RFC 6946) is a whole packet.
      else if ((placed & 1) !== 0) fragment = 'first';
    }
    const bytes =
      protocol === fragmentHeader
        ? 8
        : protocol === authentication
          ? 4 * (length + 2)
          : 8 * (length + 1);
    protocol = packet.readUInt8(offset);
    offset += bytes;
    if (offset > packet.length) return undefined;
  }
  return {
    version: 6,
    protocol,
    headerBytes: offset,
    source: packet.toString('latin1', 8, 24),
    destination: packet.toString('latin1', 24, 40),
    fragment,
    hopsLeft: packet.readUInt8(7),
  };
};

/** `source` or `destination` of a packet as people write it. */
export const addressText = (address: string | Buffer): string => {
  const bytes = typeof address === 'string' ? Buffer.from(address, 'latin1') : address;
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  // WHATWG URL writes it as RFC 5952 asks for.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
};

/** The reverse, for an address that is known to be one. */
export const addressBytes = (text: string): Buffer => {
  if (!text.includes(':')) return Buffer.from(text.split('.').map(Number));
  const plain = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const groupsOf = (part: string) => (part === '' ? [] : part.split(':'));
  const after = groupsOf(tail ?? '');
  const before = groupsOf(head);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return Buffer.from(
    [...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join(''),
    'hex',
  );
};

/** The Internet checksum (RFC 1071) of bytes, on top of a sum made before. */
export const checksum = (bytes: Buffer, before = 0): number => {
  let sum = before;
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  if (bytes.length % 2 === 1) sum += bytes.readUInt8(bytes.length - 1) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
  return ~sum & 0xffff;
};
