import { BlockList } from 'node:net';
import { networkInterfaces } from 'node:os';
import { addRange, isInList } from '#contract/host-pattern.ts';

/**
 * Addresses an edge does not dial for a public name: IANA's special-purpose registries (RFC 6890
 * and its updates), with every form that carries an IPv4 address inside an IPv6 one.
 */
const specialRanges = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10', // carrier-grade NAT
  '127.0.0.0/8',
  '169.254.0.0/16', // link-local; 169.254.169.254 serves cloud machines their credentials
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/96', // unspecified, loopback, IPv4-compatible
  '::ffff:0:0/96', // IPv4-mapped
  '::ffff:0:0:0/96', // IPv4-translated (RFC 2765)
  '64:ff9b::/96', // NAT64
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/23', // Teredo and other protocol assignments
  '2001:db8::/32',
  '2002::/16', // 6to4
  '3fff::/20',
  '5f00::/16',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
];

/** An address that the machine got a moment ago is dialled for so long at most. */
const lookAtInterfacesMs = 5_000;

/** Tells whether an address is special or one of the edge's own, as they are now. */
export const createAddressGuard = (
  parts: { interfaces?: typeof networkInterfaces; monotonicMs?: () => number } = {},
): ((address: string) => boolean) => {
  const { interfaces = networkInterfaces, monotonicMs = () => performance.now() } = parts;
  const special = listsOf(specialRanges);
  let own = listsOf([]);
  let lookedMs = Number.NEGATIVE_INFINITY;

  const isOwn = (address: string): boolean => {
    if (monotonicMs() - lookedMs >= lookAtInterfacesMs) {
      lookedMs = monotonicMs();
      const all = Object.values(interfaces()).flatMap((list) => list ?? []);
      own = listsOf(all.map((entry) => entry.address));
    }
    return own(address);
  };
  return (address) => special(address) || isOwn(address);
};

/** By value: an IPv6 address can be written in many ways. */
const listsOf = (ranges: readonly string[]): ((address: string) => boolean) => {
  // Two lists: in one, `::ffff:0:0/96` would hold every IPv4 address too.
  const four = new BlockList();
  const six = new BlockList();
  for (const range of ranges) addRange(range.includes(':') ? six : four, range);
  return (address) => isInList(address.includes(':') ? six : four, address);
};
