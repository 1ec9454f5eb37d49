import { isIP } from 'node:net';

/** Values of ranges of addresses: a look-up costs a step per prefix length, however many ranges there are. */
export type RangeIndex<Value> = {
  /** An address or a CIDR range; false when the text is neither. */
  add(text: string, value: Value): boolean;
  /** Of all ranges the address is in; of one that is no address, of none. */
  find(address: string): Value[];
};

/** An IPv4 address and its IPv4-mapped IPv6 form are the same. */
export const createRangeIndex = <Value>(): RangeIndex<Value> => {
  const byLength = new Map<number, Map<bigint, Value[]>>();
  return {
    add(text, value) {
      const [host = '', bits, ...rest] = text.replace(/^\[(.*)\]$/, '$1').split('/');
      const address = addressNumber(host);
      if (address === undefined || rest.length > 0) return false;
      const most = host.includes(':') ? 128 : 32;
      const length = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
      if (length < 0 || length > most) return false;
      const prefixBits = length + 128 - most;
      const map = byLength.get(prefixBits) ?? new Map<bigint, Value[]>();
      byLength.set(prefixBits, map);
      const key = address >> BigInt(128 - prefixBits);
      const list = map.get(key);
      if (list) list.push(value);
      else map.set(key, [value]);
      return true;
    },
    find(text) {
      const address = addressNumber(text);
      if (address === undefined) return [];
      const found: Value[] = [];
      for (const [prefixBits, map] of byLength) {
        const list = map.get(address >> BigInt(128 - prefixBits));
        if (list) found.push(...list);
      }
      return found;
    },
  };
};

const mappedPrefix = 0xffffn << 32n;

const addressNumber = (text: string): bigint | undefined => {
  // Most that is asked is a name, and no address ends in a letter but for those with colons.
  if (!text.includes(':') && !/\d$/.test(text)) return undefined;
  const family = isIP(text);
  if (family === 0) return undefined;
  if (family === 4) return mappedPrefix | BigInt(ipv4Number(text));
  const [head = '', tail] = withoutDots(text.replace(/%.*$/, '')).split('::');
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const middle = new Array<string>(8 - left.length - right.length).fill('0');
  const hex = [...left, ...middle, ...right].map((group) => group.padStart(4, '0')).join('');
  return BigInt(`0x${hex}`);
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
