/**
 * An SVCB or HTTPS record in presentation form (RFC 9460 section 2.1), as in `1 . alpn=h2,h3`;
 * undefined where its bytes are not one. dns-packet leaves these records as bytes.
 */
export const showSvcb = (data: Buffer): string | undefined => {
  try {
    const priority = data.readUInt16BE(0);
    const target = readName(data, 2);
    const parameters = readParameters(data, target.end);
    return [String(priority), target.name, ...parameters].join(' ');
  } catch {
    return undefined;
  }
};

/** Names in it are never compressed (RFC 9460 section 2.2). */
const readName = (data: Buffer, from: number): { name: string; end: number } => {
  const labels: string[] = [];
  let at = from;
  for (let length = data.readUInt8(at); length > 0; length = data.readUInt8(at)) {
    labels.push(sliceOf(data, at + 1, length).toString('latin1'));
    at += length + 1;
  }
  return { name: labels.length === 0 ? '.' : labels.join('.'), end: at + 1 };
};

const readParameters = (data: Buffer, from: number): string[] => {
  const shown: string[] = [];
  for (let at = from; at < data.length; ) {
    const key = data.readUInt16BE(at);
    const length = data.readUInt16BE(at + 2);
    shown.push(showParameter(key, sliceOf(data, at + 4, length)));
    at += 4 + length;
  }
  return shown;
};

const sliceOf = (data: Buffer, from: number, length: number): Buffer => {
  if (from + length > data.length) throw new RangeError('shorter than it says');
  return data.subarray(from, from + length);
};

/** RFC 9460 section 14.3.2. */
const keyNames = ['mandatory', 'alpn', 'no-default-alpn', 'port', 'ipv4hint', 'ech', 'ipv6hint'];

const showParameter = (key: number, value: Buffer): string => {
  const name = keyNames[key] ?? `key${key}`;
  if (value.length === 0) return name;
  return `${name}=${showValue(name, value)}`;
};

const showValue = (name: string, value: Buffer): string => {
  switch (name) {
    case 'mandatory':
      return pieces(value, 2)
        .map((piece) => keyNames[piece.readUInt16BE(0)] ?? `key${piece.readUInt16BE(0)}`)
        .join(',');
    case 'alpn':
      return readStrings(value).join(',');
    case 'port':
      return String(value.readUInt16BE(0));
    case 'ipv4hint':
      return pieces(value, 4)
        .map((piece) => [...piece].join('.'))
        .join(',');
    case 'ipv6hint':
      return pieces(value, 16).map(showIpv6).join(',');
    default:
      return value.toString('base64');
  }
};

const pieces = (value: Buffer, size: number): Buffer[] =>
  Array.from({ length: value.length / size }, (_, i) => sliceOf(value, i * size, size));

const readStrings = (value: Buffer): string[] => {
  const strings: string[] = [];
  for (let at = 0; at < value.length; ) {
    const length = value.readUInt8(at);
    strings.push(sliceOf(value, at + 1, length).toString('latin1'));
    at += length + 1;
  }
  return strings;
};

/** By URL, which knows the shortest form (RFC 5952). */
const showIpv6 = (value: Buffer): string => {
  const groups = pieces(value, 2).map((piece) => piece.readUInt16BE(0).toString(16));
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
};
