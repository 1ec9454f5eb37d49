import type { Resolver } from 'node:dns/promises';
import { isIPv4, isIPv6 } from 'node:net';
import type { DnsProbe } from '#contract/plan.ts';

/** The records of one type as text, in the form a zone file has them. */
export const askFor = async (
  resolver: Resolver,
  { name, recordType }: Pick<DnsProbe, 'name' | 'recordType'>,
): Promise<string[]> => {
  switch (recordType) {
    case 'A':
      return resolver.resolve4(name);
    case 'AAAA':
      return resolver.resolve6(name);
    case 'CNAME':
      return resolver.resolveCname(name);
    case 'NS':
      return resolver.resolveNs(name);
    case 'PTR':
      return resolver.resolvePtr(reverseName(name));
    case 'TXT':
      return (await resolver.resolveTxt(name)).map((strings) => strings.join(''));
    case 'MX':
      return (await resolver.resolveMx(name)).map((mx) => `${mx.priority} ${mx.exchange}`);
    case 'SRV':
      return (await resolver.resolveSrv(name)).map(
        (srv) => `${srv.priority} ${srv.weight} ${srv.port} ${srv.name}`,
      );
  }
};

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
