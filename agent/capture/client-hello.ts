/**
 * What the first bytes of a connection tell of the name it is for. `more`: not all of it has come;
 * `none`: it is another protocol, or says no name.
 */
export type NameInBytes = { found: 'more' } | { found: 'none' } | { found: 'name'; name: string };

const none: NameInBytes = { found: 'none' };
const more: NameInBytes = { found: 'more' };

/** A ClientHello with post-quantum keys and tickets has some 2 KB; 64 KB is what we read at most. */
export const maxHelloBytes = 65_536;

/** RFC 8446 section 5.1: a record holds at most 2^14 bytes before it is encrypted. */
const maxRecordBytes = 16_384;
const recordHeaderBytes = 5;
const handshakeRecord = 22;
const clientHello = 1;

/**
 * The server name (SNI, RFC 6066 section 3) in a ClientHello, which may come in any number of records
 * and segments. Nothing in it is trusted: every length is checked against what is there.
 */
export const nameInClientHello = (bytes: Buffer): NameInBytes => {
  const fragments: Buffer[] = [];
  let gathered = 0;
  let at = 0;
  while (at < bytes.length) {
    // Major version 3, in every version of TLS.
    if (bytes[at] !== handshakeRecord || (bytes[at + 1] ?? 3) !== 3) return none;
    if (bytes.length < at + recordHeaderBytes) return more;
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > maxRecordBytes) return none;
    const from = at + recordHeaderBytes;
    const fragment = bytes.subarray(from, from + length);
    fragments.push(fragment);
    gathered += fragment.length;
    const wanted = messageBytes(fragments, gathered);
    if (wanted === undefined || wanted > maxHelloBytes) return none;
    if (gathered >= wanted) return readMessage(Buffer.concat(fragments, wanted));
    at = from + length;
  }
  return more;
};

const headerBytes = 4;

/** Of the handshake message and its header, as far as can be told; undefined: it is no ClientHello. */
const messageBytes = (fragments: readonly Buffer[], gathered: number): number | undefined => {
  if (fragments[0]?.[0] !== clientHello && gathered > 0) return undefined;
  if (gathered < headerBytes) return headerBytes;
  const [first] = fragments;
  const isWhole = first !== undefined && first.length >= headerBytes;
  const header = isWhole ? first : Buffer.concat(fragments.slice(0, headerBytes));
  return headerBytes + header.readUIntBE(1, 3);
};

const readMessage = (bytes: Buffer): NameInBytes => {
  const name = readServerName(bytes.subarray(headerBytes));
  return name === undefined ? none : { found: 'name', name };
};

const readServerName = (hello: Buffer): string | undefined => {
  const reader = createReader(hello);
  reader.skip(2 + 32);
  reader.skip(reader.number(1));
  reader.skip(reader.number(2));
  reader.skip(reader.number(1));
  const extensions = createReader(reader.bytes(reader.number(2)));
  while (extensions.left() > 0) {
    const type = extensions.number(2);
    const body = extensions.bytes(extensions.number(2));
    if (extensions.isShort()) return undefined;
    if (type === 0) return readHostName(body);
  }
  return undefined;
};

/** A list of names of which only host names (type 0) were ever defined, one of them at most. */
const readHostName = (body: Buffer): string | undefined => {
  const list = createReader(body);
  const names = createReader(list.bytes(list.number(2)));
  const type = names.number(1);
  const name = names.bytes(names.number(2));
  if (names.isShort() || list.isShort() || type !== 0) return undefined;
  return name.length === 0 ? undefined : name.toString('latin1');
};

/** Never reads beyond the end: from there on it gives zeros and says so. */
const createReader = (from: Buffer) => {
  let at = 0;
  let isShort = false;
  const bytes = (count: number): Buffer => {
    if (at + count > from.length) isShort = true;
    const taken = from.subarray(at, at + count);
    at = Math.min(from.length, at + count);
    return taken;
  };
  return {
    bytes,
    skip: (count: number) => void bytes(count),
    number: (size: 1 | 2): number => {
      const taken = bytes(size);
      return taken.length < size ? 0 : taken.readUIntBE(0, size);
    },
    left: () => from.length - at,
    isShort: () => isShort,
  };
};
