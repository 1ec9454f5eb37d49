import { isIPv6 } from 'node:net';
import { plainAddress } from '../reflector.ts';

/** What is counted as one source: an IPv4 address, or an IPv6 /64, all of which one host has. */
export const networkOf = (address: string): string => {
  const plain = plainAddress(address);
  if (!isIPv6(plain)) return plain;
  const [bare = ''] = plain.split('%');
  const [head = [], tail = []] = bare
    .split('::')
    .map((part) => (part === '' ? [] : part.split(':')));
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0');
  const groups = [...head, ...zeros, ...tail].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
};
