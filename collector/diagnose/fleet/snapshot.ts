import { type AnyArray, arrays, type ColumnType, type SavedColumns } from './columns.ts';
import { layout } from './layout.ts';

/** Arrays by table and column, and a header of plain data, as one run of bytes. */
export type Snapshot = { header: unknown; columns: Record<string, Record<string, AnyArray>> };

type Entry = { table: string; column: string; type: ColumnType; length: number };

/** Length of the header (u32, little endian), header as JSON, then all arrays, each from a multiple of 8. */
export const pack = (parts: {
  header: unknown;
  columns: Record<string, SavedColumns>;
}): Uint8Array => {
  const entries: (Entry & { pieces: AnyArray[] })[] = [];
  for (const [table, columns] of Object.entries(parts.columns)) {
    for (const [column, { type, pieces }] of Object.entries(columns)) {
      const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
      entries.push({ table, column, type, length, pieces });
    }
  }
  const listed = entries.map(({ pieces: _, ...entry }) => entry);
  const { header } = parts;
  const text = new TextEncoder().encode(JSON.stringify({ layout, header, entries: listed }));
  const start = padded(4 + text.length);
  const bytes = new Uint8Array(entries.reduce((sum, entry) => sum + sizeOf(entry), start));
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  let offset = start;
  for (const entry of entries) {
    writeAt(bytes, offset, entry.pieces);
    offset += sizeOf(entry);
  }
  return bytes;
};

const writeAt = (bytes: Uint8Array, start: number, pieces: readonly AnyArray[]): void => {
  let offset = start;
  for (const { buffer, byteOffset, byteLength } of pieces) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), offset);
    offset += byteLength;
  }
};

/** Whether `unpack` can read it, told by its beginning. */
export const isSnapshot = (bytes: Uint8Array): boolean => headOf(bytes) !== undefined;

const headOf = (bytes: Uint8Array) => {
  if (bytes.length < 4) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const head = parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  return head?.layout === layout ? { ...head, length } : undefined;
};

/** Undefined: made by another version, or no snapshot. The arrays are views of the bytes. */
export const unpack = (bytes: Uint8Array): Snapshot | undefined => {
  const head = headOf(bytes);
  if (head === undefined) return undefined;
  // A view begins at a multiple of what it holds.
  const whole = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
  const columns: Snapshot['columns'] = {};
  let offset = padded(4 + head.length);
  for (const entry of head.entries) {
    const { table, column, type, length } = entry;
    const parts = columns[table] ?? {};
    const buffer = whole.buffer as ArrayBuffer;
    parts[column] = new arrays[type](buffer, whole.byteOffset + offset, length);
    columns[table] = parts;
    offset += sizeOf(entry);
  }
  return { header: head.header, columns };
};

const parse = (text: string): { layout: string; header: unknown; entries: Entry[] } | undefined => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const sizeOf = ({ type, length }: Entry): number => padded(length * arrays[type].BYTES_PER_ELEMENT);
const padded = (size: number): number => Math.ceil(size / 8) * 8;
