import type { AnyArray } from './columns.ts';

/** Arrays by table and column, and a header of plain data, as one run of bytes. */
export type Snapshot = { header: unknown; columns: Record<string, Record<string, AnyArray>> };

const types = {
  Float64Array,
  Float32Array,
  Uint32Array,
  Uint16Array,
  Uint8Array,
  Int16Array,
} as const;
type TypeName = keyof typeof types;

type Entry = { table: string; column: string; type: TypeName; length: number };

const version = 1;

/** Length of the header (u32, little endian), header as JSON, then all arrays, each from a multiple of 8. */
export const pack = ({ header, columns }: Snapshot): Uint8Array => {
  const entries: (Entry & { array: AnyArray })[] = [];
  for (const [table, parts] of Object.entries(columns)) {
    for (const [column, array] of Object.entries(parts)) {
      const type = array.constructor.name as TypeName;
      entries.push({ table, column, type, length: array.length, array });
    }
  }
  const listed = entries.map(({ array: _, ...entry }) => entry);
  const text = new TextEncoder().encode(JSON.stringify({ version, header, entries: listed }));
  const start = padded(4 + text.length);
  const size = entries.reduce((sum, { array }) => sum + padded(array.byteLength), start);
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  let offset = start;
  for (const { array } of entries) {
    bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), offset);
    offset += padded(array.byteLength);
  }
  return bytes;
};

/** Whether `unpack` can read it, told by its beginning. */
export const isSnapshot = (bytes: Uint8Array): boolean => headOf(bytes) !== undefined;

const headOf = (bytes: Uint8Array) => {
  if (bytes.length < 4) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const head = parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  return head?.version === version ? { ...head, length } : undefined;
};

/** Undefined: made by another version, or no snapshot. */
export const unpack = (bytes: Uint8Array): Snapshot | undefined => {
  const head = headOf(bytes);
  if (head === undefined) return undefined;
  const columns: Snapshot['columns'] = {};
  let offset = padded(4 + head.length);
  for (const { table, column, type, length: count } of head.entries) {
    const size = count * types[type].BYTES_PER_ELEMENT;
    // A copy, because the bytes may begin where no array of this type may.
    const own = bytes.slice(offset, offset + size);
    const parts = columns[table] ?? {};
    parts[column] = new types[type](own.buffer, 0, count);
    columns[table] = parts;
    offset += padded(size);
  }
  return { header: head.header, columns };
};

const parse = (
  text: string,
): { version: number; header: unknown; entries: Entry[] } | undefined => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const padded = (size: number): number => Math.ceil(size / 8) * 8;
