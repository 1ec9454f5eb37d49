import { readFileSync } from 'node:fs';
import { familyOf } from './packet.ts';
import { addressBytes } from './sockets/address.ts';

/** Whose an address is. */
export type Origin = { asn: number | null; asName: string | null; country: string | null };

export type OriginTable = { of(address: string): Origin | null };

type Range = { start: bigint; end: bigint; origin: Origin };

/**
 * Reads a table of address ranges: lines of tab-separated `start end asn country name`, IPv4 and
 * IPv6 in any order, as iptoasn.com's `ip2asn-combined.tsv` (public domain) has them. `#` begins a
 * comment; AS 0 and country `None` mean not routed. Throws, naming the line, at what is neither.
 */
export const readOrigins = (file: string): OriginTable => parseOrigins(readFileSync(file, 'utf8'));

export const parseOrigins = (text: string): OriginTable => {
  const ranges: Record<4 | 6, Range[]> = { 4: [], 6: [] };
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const parsed = parseRange(line);
    if (parsed === undefined) {
      throw new Error(`line ${index + 1}: expected start, end, asn, country and name between tabs`);
    }
    ranges[parsed.family].push(parsed.range);
  }
  for (const family of [4, 6] as const) {
    ranges[family].sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  }
  return { of: (address) => find(ranges[familyOf(address)], numberOf(address)) };
};

const parseRange = (line: string): { family: 4 | 6; range: Range } | undefined => {
  const [start = '', end = '', asn = '', country = '', name = ''] = line.trimEnd().split('\t');
  if (!isAddress(start) || !isAddress(end) || !/^\d+$/.test(asn)) return undefined;
  const origin = {
    asn: asn === '0' ? null : Number(asn),
    asName: asn === '0' || name === '' ? null : name.slice(0, 100),
    country: /^[A-Z]{2}$/.test(country) ? country : null,
  };
  return { family: familyOf(start), range: { start: numberOf(start), end: numberOf(end), origin } };
};

const isAddress = (text: string): boolean =>
  /^\d+\.\d+\.\d+\.\d+$/.test(text) || /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(text);

const numberOf = (address: string): bigint => BigInt(`0x${addressBytes(address).toString('hex')}`);

/** The last range that begins at or before the address, if it ends behind it. */
const find = (ranges: readonly Range[], address: bigint): Origin | null => {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle]?.start ?? 0n) <= address) low = middle + 1;
    else high = middle;
  }
  const range = ranges[low - 1];
  return range !== undefined && range.end >= address ? range.origin : null;
};
