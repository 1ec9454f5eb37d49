import { isIP } from 'node:net';
import type { AddressRange } from '#runtime/capsules/ip-capsules.ts';
import { addressBytes, addressText } from '#runtime/ip-packet.ts';

/** What a client asks to be connected to: ranges of addresses, and a protocol or any (0). */
export type IpScope = { ranges: AddressRange[]; protocol: number };

const form = /^\/\.well-known\/masque\/ip\/([^/?#]+)\/([^/?#]+)\/?$/;

/** Reads `…/{target}/{ipproto}/`: `*`, an address or a prefix; `*` or a number. Else what is wrong. */
export const parseIpTarget = (path: string): IpScope | { mistake: string } => {
  const [, target, protocolText] = form.exec(path) ?? [];
  if (target === undefined || protocolText === undefined) {
    return { mistake: 'expected /.well-known/masque/ip/{target}/{ipproto}/' };
  }
  const protocol = parseProtocol(decode(protocolText));
  if (protocol === undefined) return { mistake: 'ipproto is * or a number from 0 to 255' };
  const ranges = parseTarget(decode(target), protocol);
  if (ranges === undefined)
    return { mistake: 'target is *, an IP address or a prefix, not a name' };
  return { ranges, protocol };
};

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
};

const parseProtocol = (text: string): number | undefined => {
  if (text === '*') return 0;
  return /^\d{1,3}$/.test(text) && Number(text) <= 255 ? Number(text) : undefined;
};

const parseTarget = (text: string, protocol: number): AddressRange[] | undefined => {
  if (text === '*') return [...rangeOf('0.0.0.0', 0, protocol), ...rangeOf('::', 0, protocol)];
  const [, address = '', bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  if (family === 0 || address.includes('%')) return undefined;
  const most = family === 4 ? 32 : 128;
  const prefixBits = bits === undefined ? most : Number(bits);
  return prefixBits > most ? undefined : rangeOf(address, prefixBits, protocol);
};

const rangeOf = (text: string, prefixBits: number, protocol: number): AddressRange[] => {
  const address = addressBytes(text);
  const from = Buffer.from(address.map((byte, i) => byte & mask(prefixBits, i)));
  const to = Buffer.from(address.map((byte, i) => byte | (~mask(prefixBits, i) & 0xff)));
  return [{ from, to, protocol }];
};

const mask = (prefixBits: number, byteIndex: number): number =>
  0xff & ~(0xff >> Math.max(0, Math.min(8, prefixBits - 8 * byteIndex)));

/** Whether an address, as a packet has it, is in one of them. */
export const isInScope = ({ ranges }: IpScope, address: string): boolean =>
  ranges.some(
    ({ from, to }) =>
      from.length === address.length &&
      address >= from.toString('latin1') &&
      address <= to.toString('latin1'),
  );

/** For the log. */
export const describeScope = ({ ranges, protocol }: IpScope): string =>
  `${ranges.map(({ from, to }) => `${addressText(from)}-${addressText(to)}`).join(' ')} protocol ${protocol || 'any'}`;
