import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Timed } from './strict-table.ts';

/** As long as a name's address stays allowed after the last answer that had it. */
const rememberedMs = 3_600_000;

/**
 * Addresses of names, remembered past their last answer: name servers of large sites answer with
 * another few each time, and a browser may hold any of them.
 */
export const createAddressBook = (
  options: { now?: () => number; resolve?: (host: string) => Promise<readonly string[]> } = {},
) => {
  const now = options.now ?? (() => performance.now());
  const resolve = options.resolve ?? resolveHost;
  const book = new Map<string, Map<string, number>>();

  const lookUp = async (host: string): Promise<void> => {
    const addresses = await resolve(host).catch(() => []);
    const known = book.get(host) ?? new Map<string, number>();
    for (const address of addresses) known.set(address, now() + rememberedMs);
    for (const [address, endMs] of known) if (endMs <= now()) known.delete(address);
    book.set(host, known);
  };

  return {
    /** Asks for all; forgets names that are not among them. */
    async refresh(hosts: readonly string[]): Promise<void> {
      const names = new Set(hosts.filter((host) => isIP(host) === 0));
      for (const host of book.keys()) if (!names.has(host)) book.delete(host);
      await Promise.all([...names].map(lookUp));
    },
    isKnown: (host: string): boolean => isIP(host) !== 0 || book.has(host),
    /** An address is its own. */
    addressesOf(host: string): Timed<{ address: string }>[] {
      if (isIP(host) !== 0) return [{ address: host, leftSeconds: rememberedMs / 1_000 }];
      return [...(book.get(host) ?? [])].map(([address, endMs]) => ({
        address,
        leftSeconds: (endMs - now()) / 1_000,
      }));
    },
  };
};

export type AddressBook = ReturnType<typeof createAddressBook>;

const resolveHost = async (host: string): Promise<string[]> =>
  (await lookup(host, { all: true })).map(({ address }) => address);
