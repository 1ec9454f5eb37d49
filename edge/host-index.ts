import { isIP } from 'node:net';
import { normalHost } from '#contract/host-pattern.ts';

/** Lists of numbers by what a host matches; each list is in ascending order. */
export type HostIndex = {
  /** `name`: as `normalHost` gives it. */
  find(name: string): readonly (readonly number[])[];
};

/**
 * Compiles many lists of HostPatterns (see contract/policy.ts) into one index: a look-up costs one
 * step per label of the name, or per prefix length of an address, however many patterns there are.
 * Values are to be added in ascending order.
 */
export const compileHostIndex = (
  entries: readonly { patterns: readonly string[]; value: number }[],
): HostIndex => {
  const exact = new Map<string, number[]>();
  const under = new Map<string, number[]>();
  const ranges = createRangeIndex();
  const everything: number[] = [];
  for (const { patterns, value } of entries) {
    for (const pattern of patterns) {
      if (pattern === '*') add(everything, value);
      else if (ranges.add(pattern, value)) continue;
      else if (pattern.startsWith('*.')) addTo(under, pattern.slice(2), value);
      else if (pattern.startsWith('.')) {
        addTo(exact, pattern.slice(1), value);
        addTo(under, pattern.slice(1), value);
      } else addTo(exact, pattern, value);
    }
  }

  return {
    find(name) {
      const found: number[][] = everything.length === 0 ? [] : [everything];
      const address = addressNumber(name);
      if (address !== undefined) return [...found, ...ranges.find(address)];
      const whole = exact.get(name);
      if (whole) found.push(whole);
      for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
        const suffix = under.get(name.slice(dot + 1));
        if (suffix) found.push(suffix);
      }
      return found;
    },
  };
};

const add = (list: number[], value: number): void => {
  if (list.at(-1) !== value) list.push(value);
};

const addTo = (map: Map<string, number[]>, name: string, value: number): void => {
  const key = normalHost(name);
  const list = map.get(key);
  if (list) add(list, value);
  else map.set(key, [value]);
};

/** By prefix length, so that thousands of ranges cost as many steps as there are lengths. */
const createRangeIndex = () => {
  const byLength = new Map<number, Map<bigint, number[]>>();
  return {
    /** False: the text is neither an address nor a range. */
    add(text: string, value: number): boolean {
      const [host = '', bits, ...rest] = text.replace(/^\[(.*)\]$/, '$1').split('/');
      const address = addressNumber(host);
      if (address === undefined || rest.length > 0) return false;
      const most = host.includes(':') ? 128 : 32;
      const length = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
      if (length < 0 || length > most) return false;
      const prefix = length + 128 - most;
      const map = byLength.get(prefix) ?? new Map<bigint, number[]>();
      byLength.set(prefix, map);
      const key = address >> BigInt(128 - prefix);
      const list = map.get(key);
      if (list) add(list, value);
      else map.set(key, [value]);
      return true;
    },
    find(address: bigint): number[][] {
      const found: number[][] = [];
      for (const [length, map] of byLength) {
        const list = map.get(address >> BigInt(128 - length));
        if (list) found.push(list);
      }
      return found;
    },
  };
};

/** IPv4-mapped, so that both forms of an IPv4 address are one number. */
const mappedPrefix = 0xffffn << 32n;

const addressNumber = (text: string): bigint | undefined => {
  // Nearly all are names: no address ends in a letter but for the hexadecimal ones, which have colons.
  if (!text.includes(':') && !/\d$/.test(text)) return undefined;
  const family = isIP(text);
  if (family === 0) return undefined;
  if (family === 4) return mappedPrefix | BigInt(ipv4Number(text));
  const [head = '', tail] = withoutDots(text).split('::');
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const middle = new Array<string>(8 - left.length - right.length).fill('0');
  const all = [...left, ...middle, ...right];
  return all.reduce((sum, group) => (sum << 16n) | BigInt(Number.parseInt(group, 16)), 0n);
};

const ipv4Number = (text: string): number =>
  text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));

/** `::ffff:192.0.2.1` in hexadecimal. */
const withoutDots = (text: string): string =>
  text.replace(/\d+\.\d+\.\d+\.\d+$/, (four) => {
    const number = ipv4Number(four);
    return `${Math.floor(number / 65_536).toString(16)}:${(number % 65_536).toString(16)}`;
  });
