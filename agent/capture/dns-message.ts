import { type Answer, type DecodedPacket, decode, encode } from 'dns-packet';

/** A query as far as it is looked at; the rest of it is passed on as it came. */
export type Query = {
  bytes: Buffer;
  id: number;
  /** Lower case, without the root dot. */
  name: string;
  type: string;
  /** The largest answer the program takes over UDP; 512 without EDNS (RFC 6891 section 6.2.3). */
  maxBytes: number;
};

/** Undefined for what is no query of one question: it cannot be answered either. */
export const readQuery = (bytes: Buffer): Query | undefined => {
  const packet = decoded(bytes);
  const [question, ...others] = packet?.questions ?? [];
  if (packet === undefined || question === undefined) return undefined;
  if (packet.type !== 'query' || others.length > 0) return undefined;
  const options = optOf(packet);
  return {
    bytes,
    id: bytes.readUInt16BE(0),
    name: question.name.toLowerCase(),
    type: question.type,
    maxBytes: Math.max(512, options?.udpPayloadSize ?? 0),
  };
};

/** The same bytes under another id. */
export const withId = (bytes: Buffer, id: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy.writeUInt16BE(id, 0);
  return copy;
};

/** Whether these bytes answer that question: a datagram of somebody else's does not (RFC 5452). */
export const isAnswerTo = (bytes: Buffer, query: Query, id: number): boolean => {
  if (bytes.length < 12 || bytes.readUInt16BE(0) !== id) return false;
  const packet = decoded(bytes);
  if (packet?.type !== 'response') return false;
  const [question] = packet.questions ?? [];
  // Some servers leave the question out of an error.
  if (question === undefined) return ((packet.flags ?? 0) & 0xf) !== 0;
  return question.name.toLowerCase() === query.name && question.type === query.type;
};

export type Told = { address: string; ttlS: number };

/** The addresses in an answer, whatever aliases lead to them. */
export const addressesIn = (bytes: Buffer): Told[] =>
  (decoded(bytes)?.answers ?? []).flatMap((answer) =>
    answer.type === 'A' || answer.type === 'AAAA'
      ? [{ address: answer.data, ttlS: answer.ttl ?? 0 }]
      : [],
  );

/** An answer of our own: one address of ours, nothing, or a failure. */
export const answerTo = (
  query: Query,
  what: { address: string; ttlS: number } | 'nothing' | 'failure',
): Buffer =>
  encode({
    type: 'response',
    id: query.id,
    flags: recursionDesired | recursionAvailable | (what === 'failure' ? serverFailure : 0),
    questions: decoded(query.bytes)?.questions ?? [],
    answers:
      typeof what === 'object'
        ? [{ type: 'A', name: query.name, ttl: what.ttlS, class: 'IN', data: what.address }]
        : [],
    additionals: optionsFor(query),
  });

/** As much of an answer as UDP takes: the header with TC, so that the program asks over TCP. */
export const fitting = (answer: Buffer, query: Query): Buffer => {
  if (answer.length <= query.maxBytes) return answer;
  const packet = decoded(answer);
  return encode({
    type: 'response',
    id: query.id,
    flags: (packet?.flags ?? 0) | truncated,
    questions: packet?.questions ?? [],
    additionals: optionsFor(query),
  });
};

/** RFC 6891 section 6.1.1: who is asked with OPT answers with OPT. */
const optionsFor = (query: Query): Answer[] => {
  const packet = decoded(query.bytes);
  if (packet === undefined || optOf(packet) === undefined) return [];
  return [
    {
      type: 'OPT',
      name: '.',
      udpPayloadSize: 1_232,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [],
    } as Answer,
  ];
};

const recursionDesired = 0x0100;
const recursionAvailable = 0x0080;
const truncated = 0x0200;
const serverFailure = 2;

const optOf = (packet: DecodedPacket) => {
  const found = packet.additionals?.find(({ type }) => type === 'OPT');
  return found as { udpPayloadSize: number } | undefined;
};

/** Undefined for what is no DNS message. */
const decoded = (bytes: Buffer): DecodedPacket | undefined => {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
};
