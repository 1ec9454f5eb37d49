import { readVarint, varintBytes, writeVarint } from './varint.ts';

/** The one type that RFC 9297 itself defines: an HTTP datagram. */
export const datagramCapsule = 0;

/** A capsule (RFC 9297 section 3.2): type, length, value. */
export const encodeCapsule = (type: number, value: Buffer): Buffer => {
  const bytes = Buffer.allocUnsafe(varintBytes(type) + varintBytes(value.length) + value.length);
  value.copy(bytes, writeVarint(bytes, writeVarint(bytes, 0, type), value.length));
  return bytes;
};

/**
 * Datagrams of one context (RFC 9298 section 4, RFC 9484 section 6; 0 carries the payload as it is),
 * each in its capsule, all in one buffer: what a batch costs is its writes.
 */
export const encodeDatagrams = (contextId: number, payloads: readonly Buffer[]): Buffer => {
  const contextBytes = varintBytes(contextId);
  let totalBytes = 0;
  for (const { length } of payloads) {
    totalBytes += 1 + varintBytes(contextBytes + length) + contextBytes + length;
  }
  const bytes = Buffer.allocUnsafe(totalBytes);
  let offset = 0;
  for (const payload of payloads) {
    bytes[offset] = datagramCapsule;
    offset = writeVarint(bytes, offset + 1, contextBytes + payload.length);
    offset = writeVarint(bytes, offset, contextId);
    bytes.set(payload, offset);
    offset += payload.length;
  }
  return bytes;
};

/** Takes a stream's bytes as they come, in chunks of any size, and gives what is in them. */
export type CapsuleReader = {
  push(chunk: Buffer): void;
  /** True between capsules: a stream that ends elsewhere was cut short (RFC 9297 section 3.3). */
  isBetween(): boolean;
};

/** A capsule under way that did not come in one chunk. `bytes` undefined: it is passed over. */
type Partial = { type: number; bytes: Buffer | undefined; missing: number };

const nothing = Buffer.alloc(0);

/**
 * Payloads and values are views of the chunks: copy what is to be kept. The most it holds of a
 * capsule is `maxCapsuleBytes`; a longer one is passed over as it comes, whatever length it claims.
 */
export const createCapsuleReader = (parts: {
  onDatagram(contextId: number, payload: Buffer): void;
  /** Any other type. Unknown ones are to be ignored (RFC 9297 section 3.2). */
  onCapsule?(type: number, value: Buffer): void;
  /** Told before the bytes have come. */
  onOversized?(type: number, length: number): void;
  maxCapsuleBytes: number;
}): CapsuleReader => {
  let head: Buffer = nothing;
  let partial: Partial | undefined;

  const give = (type: number, value: Buffer) => {
    if (type !== datagramCapsule) return parts.onCapsule?.(type, value);
    const context = readVarint(value, 0);
    // Without even a context it belongs to nobody; like one of an unknown context it is dropped.
    if (context) parts.onDatagram(context.value, value.subarray(context.end));
  };
  /** Fills the capsule under way; returns where the next begins. */
  const fill = (current: Partial, chunk: Buffer): number => {
    const taken = Math.min(current.missing, chunk.length);
    const { bytes } = current;
    if (bytes) chunk.copy(bytes, bytes.length - current.missing, 0, taken);
    current.missing -= taken;
    if (current.missing > 0) return taken;
    partial = undefined;
    if (bytes) give(current.type, bytes);
    return taken;
  };
  const begin = (type: number, length: number, rest: Buffer) => {
    const fits = length <= parts.maxCapsuleBytes;
    if (!fits) parts.onOversized?.(type, length);
    partial = { type, bytes: fits ? Buffer.allocUnsafe(length) : undefined, missing: length };
    return fill(partial, rest);
  };

  return {
    push(chunk) {
      let bytes = head.length > 0 ? Buffer.concat([head, chunk]) : chunk;
      head = nothing;
      let offset = partial ? fill(partial, bytes) : 0;
      while (offset < bytes.length) {
        const type = readVarint(bytes, offset);
        const length = type && readVarint(bytes, type.end);
        if (!length) {
          // At most 15 bytes; a copy, so that they do not keep a whole chunk alive.
          head = Buffer.from(bytes.subarray(offset));
          return;
        }
        const end = length.end + length.value;
        if (end <= bytes.length && length.value <= parts.maxCapsuleBytes) {
          give(type.value, bytes.subarray(length.end, end));
          offset = end;
        } else {
          bytes = bytes.subarray(length.end);
          offset = begin(type.value, length.value, bytes);
        }
      }
    },
    isBetween: () => head.length === 0 && partial === undefined,
  };
};
