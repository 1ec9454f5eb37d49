import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type Family, familyOf } from './packet.ts';
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
  const ranges: Record<Family, Range[]> = { 4: [], 6: [] };
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const parsed = parseRange(line);
    if (typeof parsed === 'string') throw new Error(`line ${index + 1}: ${parsed}`);
    ranges[parsed.family].push(parsed.range);
  }
  for (const family of [4, 6] as const) {
    ranges[family].sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  }
  return { of: (address) => find(ranges[familyOf(address)], numberOf(address)) };
};

/** A text says what is wrong with the line. */
const parseRange = (line: string): { family: Family; range: Range } | string => {
  const [start = '', end = '', asn = '', country = '', name = ''] = line.trimEnd().split('\t');
  const family = isIP(start);
  if (family === 0 || !/^\d+$/.test(asn) || Number(asn) > highestAsn) {
    return 'expected start, end, asn, country and name between tabs';
  }
  if (isIP(end) !== family || numberOf(start) > numberOf(end)) {
    return `no range goes from ${start} to ${end}`;
  }
  const origin = {
    asn: asn === '0' ? null : Number(asn),
    asName: asn === '0' || name === '' ? null : name.slice(0, 100),
    country: /^[A-Z]{2}$/.test(country) ? country : null,
  };
  return {
    family: family === 4 ? 4 : 6,
    range: { start: numberOf(start), end: numberOf(end), origin },
  };
};

/** RFC 6793. */
const highestAsn = 4_294_967_295;

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
