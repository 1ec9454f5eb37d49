import { isIPv4, isIPv6 } from 'node:net';

/** The name under which an address is looked up (RFC 1035 §3.5, RFC 3596 §2.5); names pass through. */
export const reverseName = (name: string): string => {
  if (isIPv4(name)) return `${name.split('.').reverse().join('.')}.in-addr.arpa`;
  if (isIPv6(name)) return `${[...expand(name)].reverse().join('.')}.ip6.arpa`;
  return name;
};

/** All 32 hexadecimal digits. */
const expand = (address: string): string => {
  const [left = '', right = ''] = address.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const gap = address.includes('::') ? 8 - groups(left).length - groups(right).length : 0;
  return [...groups(left), ...Array<string>(gap).fill('0'), ...groups(right)]
    .map((group) => group.padStart(4, '0'))
    .join('')
    .toLowerCase();
};
