import { BlockList, isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { createRangeIndex } from './range-index.ts';

/** Gives the pattern that matched a host, or undefined. */
export type HostMatcher = (host: string) => string | undefined;

/**
 * Compiles a list of HostPatterns (see policy.ts) once, for one look-up per label of the host
 * whatever the length of the list. Names are compared in lower case and punycode, without the root
 * dot. Addresses are compared as numbers: `::1` matches `0:0:0:0:0:0:0:1`, and an IPv4 range also
 * matches the IPv4-mapped IPv6 form of its addresses.
 */
export const compileHostPatterns = (patterns: readonly string[]): HostMatcher => {
  const exact = new Map<string, string>();
  const under = new Map<string, string>();
  const ranges = createRangeIndex<number>();
  let everything: string | undefined;

  for (const [at, pattern] of patterns.entries()) {
    if (pattern === '*') everything ??= pattern;
    else if (ranges.add(pattern, at)) continue;
    else if (pattern.startsWith('*.')) keep(under, pattern.slice(2), pattern);
    else if (pattern.startsWith('.')) {
      keep(exact, pattern.slice(1), pattern);
      keep(under, pattern.slice(1), pattern);
    } else keep(exact, pattern, pattern);
  }

  return (host) => {
    const name = normalHost(host);
    if (isIP(name) === 0) return exact.get(name) ?? matchUnder(under, name) ?? everything;
    const found = ranges.find(name);
    return found.length === 0 ? everything : patterns[Math.min(...found)];
  };
};

/** Lower case, punycode, no brackets, no zone, no root dot. */
export const normalHost = (host: string): string => {
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  const lower = bare.toLowerCase().replace(/%.*$/, '');
  // The dot goes last: in other scripts it is written otherwise.
  return (/^[\x20-\x7e]*$/.test(lower) ? lower : domainToASCII(lower)).replace(/\.$/, '');
};

/**
 * True for an address, or a name as DNS has them (RFC 1035 section 2.3.4). To be asked before any
 * pattern: a resolver may take `a.test..` for `a.test`, which no pattern does.
 */
export const isHost = (host: string): boolean => {
  const name = normalHost(host);
  if (isIP(name) !== 0) return true;
  if (/[\p{Cc}\s%]/u.test(host) || name.length > 253) return false;
  return name.split('.').every((label) => label.length >= 1 && label.length <= 63);
};

/** What is wrong with a HostPattern (see policy.ts), for whoever wrote it; undefined: nothing. */
export const hostPatternMistake = (text: string): string | undefined => {
  if (text === '*' || isAddressOrRange(text)) return undefined;
  const name = text.replace(/^(\*\.|\.)/, '');
  return writtenMistake(text) ?? rangeMistake(text) ?? nameMistake(name);
};

/** The same for one host: a name or an address, as it stands in a URL without its brackets. */
export const hostMistake = (text: string): string | undefined => {
  if (isIP(text) !== 0) return undefined;
  if (/[*/]|^\./.test(text) && hostPatternMistake(text) === undefined) {
    return 'expected one host, not a pattern or a range';
  }
  const [, inBrackets = ''] = /^\[(.*)\]$/.exec(text) ?? [];
  if (isIP(inBrackets) !== 0) return `leave the brackets out: ${inBrackets}`;
  return writtenMistake(text) ?? rangeMistake(text) ?? nameMistake(text);
};

/** More than a host, or less. */
const writtenMistake = (text: string): string | undefined => {
  if (text === '') return 'it is empty';
  if (/\s/.test(text)) return 'a host has no blanks: one host an entry';
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    const host = URL.canParse(text) ? new URL(text).hostname : '';
    return `it is a URL: write its host alone${host === '' ? '' : `, ${host}`}`;
  }
  const [, host] = /^(\[[^\]]*\]|[^:]*):\d*$/.exec(text) ?? [];
  return host === undefined ? undefined : `a port has no place here: write ${host} alone`;
};

const rangeMistake = (text: string): string | undefined => {
  const slash = text.indexOf('/');
  if (slash === -1) return undefined;
  const family = isIP(text.slice(0, slash).replace(/^\[/, ''));
  if (family === 0) return 'a host has no path: write what stands before the “/”';
  return `a range of IPv${family} addresses ends in /0 to /${family === 4 ? 32 : 128}`;
};

const nameMistake = (text: string): string | undefined => {
  if (text.includes('*')) {
    return 'a star stands for whole names at the beginning only: *.example.com, or * for all';
  }
  const name = normalHost(text);
  const stray = /[^a-z0-9_.-]/.exec(name)?.[0];
  if (stray !== undefined) return `“${stray}” has no place in a host’s name`;
  const labels = name.split('.');
  if (/^\d+$/.test(labels.at(-1) ?? '')) return 'it is no complete IPv4 address, and no name';
  const isWell = (label: string) => label.length <= 63 && /^[^-](.*[^-])?$/.test(label);
  return name.length <= 253 && labels.every(isWell)
    ? undefined
    : 'it is no name: labels of 1 to 63 characters with dots between, hyphens only inside';
};

/** True when the address literal is in the list; a malformed one is in no list. */
export const isInList = (list: BlockList, address: string): boolean => {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6');
};

/** Adds an address or a CIDR range; false when the text is neither. */
export const addRange = (list: BlockList, text: string): boolean => {
  const [address = '', prefix, ...rest] = text.replace(/^\[(.*)\]$/, '$1').split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  const bits = family === 4 ? 32 : 128;
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
  if (length < 0 || length > bits) return false;
  list.addSubnet(address, length, family === 4 ? 'ipv4' : 'ipv6');
  return true;
};

/** Whether the text is what `addRange` takes. */
export const isAddressOrRange = (text: string): boolean => addRange(new BlockList(), text);

const keep = (map: Map<string, string>, name: string, pattern: string): void => {
  const key = normalHost(name);
  if (!map.has(key)) map.set(key, pattern);
};

const matchUnder = (under: Map<string, string>, name: string): string | undefined => {
  for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
    const found = under.get(name.slice(dot + 1));
    if (found !== undefined) return found;
  }
  return undefined;
};
