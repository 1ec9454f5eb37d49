/** A variable-length integer (RFC 9000 section 16) read from bytes, and where the next thing begins. */
export type Varint = {
  /** Exact up to 2^53; larger ones, up to 2^62 - 1, are rounded. */
  value: number;
  end: number;
};

const twoTo32 = 4_294_967_296;

/** Undefined where the bytes end before the integer does. Longer forms than needed are valid. */
export const readVarint = (bytes: Buffer, offset: number): Varint | undefined => {
  const first = bytes[offset];
  if (first === undefined) return undefined;
  const end = offset + (1 << (first >> 6));
  if (end > bytes.length) return undefined;
  return { value: valueAt(bytes, offset, first), end };
};

const valueAt = (bytes: Buffer, offset: number, first: number): number => {
  const rest = first & 0x3f;
  if (first < 0x40) return rest;
  if (first < 0x80) return rest * 256 + (bytes[offset + 1] ?? 0);
  if (first < 0xc0) return bytes.readUInt32BE(offset) - 0x8000_0000;
  return (bytes.readUInt32BE(offset) - 0xc000_0000) * twoTo32 + bytes.readUInt32BE(offset + 4);
};

/** Bytes of the shortest form. */
export const varintBytes = (value: number): 1 | 2 | 4 | 8 => {
  if (value < 0x40) return 1;
  if (value < 0x4000) return 2;
  return value < 0x4000_0000 ? 4 : 8;
};

/** Writes the shortest form; returns where the next thing goes. `value` is a safe integer. */
export const writeVarint = (bytes: Buffer, offset: number, value: number): number => {
  if (value < 0x40) return bytes.writeUInt8(value, offset);
  if (value < 0x4000) return bytes.writeUInt16BE(0x4000 + value, offset);
  if (value < 0x4000_0000) return bytes.writeUInt32BE(0x8000_0000 + value, offset);
  bytes.writeUInt32BE(0xc000_0000 + Math.floor(value / twoTo32), offset);
  return bytes.writeUInt32BE(value % twoTo32, offset + 4);
};
