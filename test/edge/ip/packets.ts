import { addressBytes, checksum } from '#runtime/ip-packet.ts';

/** Packets for tests, whole and with right lengths; what is wrong with one is changed afterwards. */
export const packet4 = (parts: {
  from: string;
  to: string;
  protocol?: number;
  payload?: Buffer;
  options?: Buffer;
  ttl?: number;
  /** Flags and offset, as the header has them. */
  placed?: number;
}): Buffer => {
  const { protocol = 1, payload = echo4, options = Buffer.alloc(0), ttl = 64, placed = 0 } = parts;
  const header = Buffer.alloc(20 + options.length);
  header.writeUInt8(0x40 + header.length / 4, 0);
  header.writeUInt16BE(header.length + payload.length, 2);
  header.writeUInt16BE(placed, 6);
  header.writeUInt8(ttl, 8);
  header.writeUInt8(protocol, 9);
  addressBytes(parts.from).copy(header, 12);
  addressBytes(parts.to).copy(header, 16);
  options.copy(header, 20);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, payload]);
};

/** Extension headers with their types; each says what comes after it. */
export const packet6 = (parts: {
  from: string;
  to: string;
  protocol?: number;
  payload?: Buffer;
  extensions?: { type: number; bytes: Buffer }[];
  hopLimit?: number;
}): Buffer => {
  const { protocol = 58, payload = echo6, extensions = [], hopLimit = 64 } = parts;
  const chain = extensions.map(({ bytes }, i) => {
    const next = Buffer.from(bytes);
    next.writeUInt8(extensions[i + 1]?.type ?? protocol, 0);
    return next;
  });
  const body = Buffer.concat([...chain, payload]);
  const header = Buffer.alloc(40);
  header.writeUInt8(0x60, 0);
  header.writeUInt16BE(body.length, 4);
  header.writeUInt8(extensions[0]?.type ?? protocol, 6);
  header.writeUInt8(hopLimit, 7);
  addressBytes(parts.from).copy(header, 8);
  addressBytes(parts.to).copy(header, 24);
  return Buffer.concat([header, body]);
};

export const echo4 = Buffer.from('0800f7fd00010001', 'hex');
export const echo6 = Buffer.from('8000000000010001', 'hex');
export const udpTo = (port: number): Buffer => {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(50_000, 0);
  header.writeUInt16BE(port, 2);
  header.writeUInt16BE(8, 4);
  return header;
};
