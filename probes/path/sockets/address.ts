import { networkInterfaces } from 'node:os';
import { canonicalAddress, familyOf } from '../packet.ts';
import { family as families } from './numbers.ts';

/** struct sockaddr_in or sockaddr_in6. Raw sockets of IPv6 want port 0. */
export const encodeAddress = (address: string, port: number): Buffer => {
  const [bare = '', zone] = address.split('%');
  const family = familyOf(address);
  const encoded = Buffer.alloc(family === 4 ? 16 : 28);
  encoded.writeUInt16LE(families[family], 0);
  encoded.writeUInt16BE(port, 2);
  if (family === 4) encoded.set(addressBytes(bare), 4);
  else {
    encoded.set(addressBytes(bare), 8);
    encoded.writeUInt32LE(scopeOf(zone), 24);
  }
  return encoded;
};

export const decodeAddress = (bytes: Buffer): { address: string; port: number } => {
  const isFour = bytes.readUInt16LE(0) === families[4];
  const port = bytes.readUInt16BE(2);
  return { address: addressText(bytes.subarray(isFour ? 4 : 8, isFour ? 8 : 24)), port };
};

/** Four or sixteen bytes as text, in the one spelling used here. */
export const addressText = (bytes: Buffer): string => {
  if (bytes.length === 4) return bytes.join('.');
  return canonicalAddress((bytes.toString('hex').match(/.{4}/g) ?? []).join(':'));
};

export const addressBytes = (address: string): Buffer => {
  const [bare = ''] = address.split('%');
  if (familyOf(bare) === 4) return Buffer.from(bare.split('.').map(Number));
  // The last four bytes may be written as IPv4's are.
  const plain = bare.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...octets: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = octets.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = '', tail] = plain.split('::');
  const groups = (text: string | undefined) => (text ? text.split(':') : []);
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [
    ...groups(head),
    ...Array(tail === undefined ? 0 : missing).fill('0'),
    ...groups(tail),
  ];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
};

/** `%eth0` or `%2`: which link a link-local address is on. */
const scopeOf = (zone: string | undefined): number => {
  if (zone === undefined) return 0;
  if (/^\d+$/.test(zone)) return Number(zone);
  const own = networkInterfaces()[zone]?.find(({ family }) => family === 'IPv6');
  return own !== undefined && 'scopeid' in own ? (own.scopeid ?? 0) : 0;
};
