import { randomInt } from 'node:crypto';
import { domainToASCII } from 'node:url';
import { type Answer, type DecodedPacket, decode, encode, type RecordType } from 'dns-packet';
import type { dnsRecordTypes } from '#contract/body/dns.ts';

export type DnsRecordType = (typeof dnsRecordTypes)[number];

/** What is asked, whatever the way it goes. */
export type Question = { name: string; type: DnsRecordType };

/** An answer that fits its question, and its length on the wire. */
export type Message = { packet: DecodedPacket; bytes: number };

/**
 * A query with an id of its own: recursion desired, and by EDNS (RFC 6891) the DO bit, without
 * which a resolver need not say whether it validated, and a payload no path fragments (1,232 bytes).
 */
export const encodeQuery = (question: Question, id: number): Buffer =>
  encode({
    type: 'query',
    id,
    flags: recursionDesired,
    questions: [{ name: question.name, type: wireType(question.type), class: 'IN' }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: 1_232,
        flags: dnssecOk,
        extendedRcode: 0,
        ednsVersion: 0,
        flag_do: true,
        options: [],
      } as Answer,
    ],
  });

/** Hard to guess, as RFC 5452 section 9.2 asks; so is the source port, which the kernel picks. */
export const randomId = (): number => randomInt(0, 65_536);

/**
 * The answer to this question and id; undefined for anything else: what is not DNS, is for another
 * question, or bears another id is somebody else's, and is not looked at further (RFC 5452).
 */
export const readAnswer = (
  bytes: Buffer,
  question: Question,
  ids: { has(id: number): boolean },
): Message | undefined => {
  let packet: DecodedPacket;
  try {
    packet = decode(bytes);
  } catch {
    return undefined;
  }
  const [asked, ...more] = packet.questions ?? [];
  const isOurs =
    packet.type === 'response' &&
    ids.has(packet.id ?? -1) &&
    more.length === 0 &&
    asked?.name.toLowerCase() === plainName(question.name) &&
    asked.type === wireType(question.type) &&
    asked.class === 'IN';
  return isOurs ? { packet, bytes: bytes.length } : undefined;
};

const recursionDesired = 0x0100;
const dnssecOk = 0x8000;

/** dns-packet names types it does not know by their number. */
export const wireType = (type: DnsRecordType): RecordType =>
  (type === 'HTTPS' ? 'UNKNOWN_65' : type === 'SVCB' ? 'UNKNOWN_64' : type) as RecordType;

const plainName = (name: string): string => name.toLowerCase().replace(/(.)\.$/, '$1');

/** In letters that go on the wire, or undefined where it is no name (RFC 1035 section 2.3.4). */
export const wireName = (name: string): string | undefined => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what is asked for.
  const ascii = plainName(/^[\x00-\x7f]*$/.test(name) ? name : domainToASCII(name));
  if (ascii === '.') return ascii;
  const labels = ascii.split('.');
  const isName = ascii.length <= 253 && labels.every(({ length }) => length > 0 && length <= 63);
  return isName ? ascii : undefined;
};
