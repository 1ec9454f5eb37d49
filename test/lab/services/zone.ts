import { isIPv6 } from 'node:net';
import type { Answer } from 'dns-packet';
import type { NameBehaviour } from './control.ts';
import { hostName, type ServedNode } from './service.ts';

/** Names in lower case. */
export type Zone = { addresses: Map<string, readonly string[]>; names: Map<string, string> };

/** All the lab's names: `ia1.lab.test` for every node, and those that servers answer to. */
export const makeZone = (nodes: readonly ServedNode[]): Zone => {
  const zone: Zone = { addresses: new Map(), names: new Map() };
  for (const node of nodes) {
    const names = [...node.names, hostName(node.name)];
    for (const name of names) zone.addresses.set(name.toLowerCase(), node.addresses);
    for (const address of [...node.addresses, ...node.allAddresses]) {
      zone.names.set(reverseName(address), names[0] ?? '');
    }
  }
  return zone;
};

export type Resolved = { rcode: 'NOERROR' | 'NXDOMAIN'; records: Answer[] };

/** Short, so that another answer, or a resolver become slow, is soon seen through any cache. */
const lifetimeSeconds = 10;

/** The name as asked is the name answered: resolvers check its case (0x20). */
export const resolve = (
  zone: Zone,
  wrongAnswers: NameBehaviour['wrongAnswers'],
  { name, type }: { name: string; type: string },
): Resolved => {
  const key = name.toLowerCase();
  const pointer = zone.names.get(key);
  const addresses = wrongAnswers[key] ?? zone.addresses.get(key);
  const record = { name, ttl: lifetimeSeconds };
  if (pointer !== undefined) {
    const records: Answer[] = type === 'PTR' ? [{ ...record, type: 'PTR', data: pointer }] : [];
    return { rcode: 'NOERROR', records };
  }
  if (addresses === undefined) return { rcode: 'NXDOMAIN', records: [] };
  if (type !== 'A' && type !== 'AAAA') return { rcode: 'NOERROR', records: [] };
  const fitting = addresses.filter((address) => isIPv6(address) === (type === 'AAAA'));
  return { rcode: 'NOERROR', records: fitting.map((data) => ({ ...record, type, data })) };
};

/** What a negative answer carries, so that resolvers know how long it holds (RFC 2308). */
export const authority: Answer = {
  type: 'SOA',
  name: 'test',
  ttl: lifetimeSeconds,
  data: {
    mname: 'ns.lab.test',
    rname: 'nobody.lab.test',
    serial: 1,
    refresh: 3600,
    retry: 600,
    expire: 86_400,
    minimum: lifetimeSeconds,
  },
};

/** `1.61.0.11.in-addr.arpa`, or the 32 nibbles under ip6.arpa (RFC 3596 §2.5). */
export const reverseName = (address: string): string => {
  if (!isIPv6(address)) return `${address.split('.').reverse().join('.')}.in-addr.arpa`;
  const [left = [], right = []] = address
    .toLowerCase()
    .split('::')
    .map((part) => (part === '' ? [] : part.split(':')));
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  const nibbles = [...left, ...zeros, ...right].map((group) => group.padStart(4, '0')).join('');
  return `${[...nibbles].reverse().join('.')}.ip6.arpa`;
};
