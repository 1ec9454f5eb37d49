import { isIP } from 'node:net';
import { ConfigError } from '#runtime/config.ts';
import { addressBytes, addressText } from '#runtime/ip-packet.ts';

/** A range whose first address is the edge's own and the others its devices'. */
export type AddressPool = {
  /** The edge's own, with the length of the prefix: what the interface gets. */
  own: Buffer;
  prefixBits: number;
  /** `address/bits` of the whole, as nft writes it. */
  text: string;
  /** Undefined: all are taken or rest. One the same holder had last, where it is free. */
  take(holder: string): Buffer | undefined;
  release(address: Buffer): void;
};

/** More devices than that are not on one edge; the largest range has no end. */
const maxAddresses = 65_533;
/** The kernel still knows the flows of whoever had it: their answers are not for another device. */
export const restMs = 180_000;

/** What is wrong with a pool that stands in a config file; undefined: nothing. */
export const poolMistake = (text: string, family: 4 | 6): string | undefined => {
  const pool = readPool(text);
  const example = family === 4 ? '100.96.0.0/16' : 'fd00:77::/64';
  if (pool.family !== family) return `${text} is no range of IPv${family} addresses: ${example}`;
  const [least, most] = family === 4 ? [8, 29] : [32, 120];
  const isWell = pool.prefixBits >= least && pool.prefixBits <= most;
  return isWell ? undefined : `${text}: a pool is a /${least} to a /${most}, as in ${example}`;
};

/** One of `count` equal parts of the range, the `index`th: each process of an edge has its own. */
export const createAddressPool = (
  text: string,
  parts: { part?: { index: number; count: number } | undefined; monotonicMs: () => number },
): AddressPool => {
  const { index, count } = parts.part ?? { index: 0, count: 1 };
  const { address, prefixBits: wholeBits } = readPool(text);
  const prefixBits = wholeBits + Math.ceil(Math.log2(count));
  const hostBits = 8 * addressBytes(address).length - prefixBits;
  if (hostBits < 3) {
    throw new ConfigError(`ipForwarding: ${text} is too small for ${count} processes`);
  }
  const base = toNumber(addressBytes(address), wholeBits) + (BigInt(index) << BigInt(hostBits));
  const isFour = isIP(address) === 4;
  // IPv4's last one is the broadcast address.
  const last = Math.min(maxAddresses, 2 ** Math.min(hostBits, 32) - (isFour ? 2 : 1));
  const at = (offset: number): Buffer => fromNumber(base + BigInt(offset), isFour ? 4 : 16);
  const taken = new Set<number>();
  /** By address, once it had one: its last holder, and since when it is free. */
  const past = new Map<number, { holder: string; freeSinceMs: number }>();
  /** The same by holder, newest last: whoever comes and goes wears out no more than it had at once. */
  const had = new Map<string, Set<number>>();
  let next = 2;

  const isRested = (offset: number): boolean => {
    const before = past.get(offset);
    return before === undefined || parts.monotonicMs() - before.freeSinceMs >= restMs;
  };
  const findOwn = (holder: string): number | undefined =>
    [...(had.get(holder) ?? [])].findLast((offset) => !taken.has(offset));
  const findFree = (): number | undefined => {
    for (let tried = 2; tried <= last; tried += 1) {
      const offset = next;
      next = next >= last ? 2 : next + 1;
      if (!taken.has(offset) && isRested(offset)) return offset;
    }
    return undefined;
  };
  const passOn = (offset: number, holder: string): void => {
    const before = past.get(offset)?.holder;
    const theirs = before === undefined ? undefined : had.get(before);
    theirs?.delete(offset);
    if (before !== undefined && theirs?.size === 0) had.delete(before);
    past.set(offset, { holder, freeSinceMs: 0 });
    had.set(holder, (had.get(holder) ?? new Set()).add(offset));
  };

  return {
    own: at(1),
    prefixBits,
    text: `${addressText(at(0))}/${prefixBits}`,
    take(holder) {
      const offset = findOwn(holder) ?? findFree();
      if (offset === undefined) return undefined;
      taken.add(offset);
      passOn(offset, holder);
      return at(offset);
    },
    release(address) {
      const offset = Number(toNumber(address, 0) - base);
      taken.delete(offset);
      const before = past.get(offset);
      if (before) before.freeSinceMs = parts.monotonicMs();
    },
  };
};

const readPool = (text: string): { address: string; family: number; prefixBits: number } => {
  const [, address = '', bits] = /^([0-9a-f.:]+)\/(\d{1,3})$/i.exec(text) ?? [];
  return { address, family: isIP(address), prefixBits: Number(bits) };
};

/** With `prefixBits`, the bits after them are 0. */
const toNumber = (address: Buffer, prefixBits: number): bigint => {
  const whole = BigInt(`0x${address.toString('hex')}`);
  const hostBits = prefixBits === 0 ? 0n : BigInt(8 * address.length - prefixBits);
  return (whole >> hostBits) << hostBits;
};

const fromNumber = (value: bigint, length: number): Buffer =>
  Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex');
