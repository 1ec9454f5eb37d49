import { isIP } from 'node:net';
import { ipCapture } from '../capture/ip-rules.ts';
import type { OwnTraffic } from '../capture/own-traffic.ts';
import { udpCapture } from '../capture/rules.ts';

export const strictTableName = 'whyslow_strict';

export type Endpoint = { address: string; port: number };
export type Timed<T> = T & { leftSeconds: number };

/** What may leave the device past the agent. */
export type StrictContent = {
  /**
   * Whose sockets pass: the agent's, as capture tells them from others'. So it reaches collector and
   * edges wherever their names lead; nobody else does, since it is the network that says where.
   */
  own: OwnTraffic;
  /** The device's name servers. */
  dnsServers: readonly string[];
  /** Where people log in: web ports only. */
  providers: readonly Timed<{ address: string }>[];
  /** Of names that policy allows: any port. */
  hosts: readonly Timed<{ address: string }>[];
  /** Addresses and ranges (`address/bits`, `from-to`) that policy allows. */
  ranges: readonly string[];
  /** The captive portal's, for as long as there is time to log in. */
  portal: readonly Timed<Endpoint>[];
};

/**
 * The strict table as one transaction for `nft -f`: made, emptied and filled anew, or nothing of it.
 * Elements with a timeout go by themselves, also when the agent is killed.
 *
 * Nothing is let out for being part of an established connection: what was opened at a captive portal,
 * or before the tunnel was lost, ends with the permission. Answers to what others opened (an
 * administrator's SSH) pass.
 */
export const describeStrictTable = (content: StrictContent): string => {
  const set = (name: string, type: string, flags: string, elements: readonly string[]) => [
    `  set ${name} {`,
    `    type ${type}`,
    ...(flags === '' ? [] : [`    flags ${flags}`]),
    // Ranges that hold one another are no mistake of whoever wrote the policy.
    ...(flags === 'interval' ? ['    auto-merge'] : []),
    ...(elements.length === 0 ? [] : [`    elements = { ${[...new Set(elements)].join(', ')} }`]),
    '  }',
  ];
  const both = (
    name: string,
    flags: string,
    elements: readonly { family: number; text: string }[],
    isWithPort = false,
  ) =>
    ([4, 6] as const).flatMap((family) =>
      set(
        `${name}${family}`,
        `${family === 4 ? 'ipv4_addr' : 'ipv6_addr'}${isWithPort ? ' . inet_service' : ''}`,
        flags,
        elements.filter((each) => each.family === family).map(({ text }) => text),
      ),
    );
  return [
    // Only a table that is there can be deleted.
    `table inet ${strictTableName} {`,
    '}',
    `delete table inet ${strictTableName}`,
    `table inet ${strictTableName} {`,
    ...both('resolvers', '', content.dnsServers.flatMap(plain)),
    ...both('providers', 'timeout', content.providers.flatMap(timed)),
    ...both('hosts', 'timeout', content.hosts.flatMap(timed)),
    ...both('ranges', 'interval', content.ranges.flatMap(range)),
    ...both('portal', 'timeout', content.portal.flatMap(timedWithPort), true),
    ...chain('output', [...passesAlways(content.own), ...exceptions, ...refusals]),
    // Containers and virtual machines: their packets have no user, so the agent's own is no reason.
    ...chain('forward', [...exceptions, ...refusals]),
    '}',
    '',
  ].join('\n');
};

const chain = (hook: string, rules: readonly string[]): string[] => [
  `  chain ${hook} {`,
  `    type filter hook ${hook} priority filter; policy accept;`,
  ...rules.map((rule) => `    ${rule}`),
  '  }',
];

const passesAlways = ({ uids, cgroup }: OwnTraffic): string[] => [
  'oifname "lo" accept',
  // A packet that was redirected keeps its first interface in this hook, not its first address.
  'ip daddr 127.0.0.0/8 accept',
  'ip6 daddr ::1 accept',
  'oifname "whyslow*" accept',
  // Led to the agent by its own capture; a program may not set marks.
  `meta mark { ${udpCapture.mark}, ${ipCapture.mark} } accept`,
  ...uids.map((uid) => `meta skuid ${uid} accept`),
  ...(cgroup === undefined
    ? []
    : [`socket cgroupv2 level ${cgroup.level} "${cgroup.path}" accept`]),
  'udp sport 68 udp dport 67 accept',
  'udp sport 546 udp dport 547 accept',
  // Neighbours, and what switches need to know to pass neighbours' questions on (RFC 4861, RFC 3810).
  'icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report, mld-listener-done, mld2-listener-report } accept',
];

const exceptions: readonly string[] = [
  'ct state established ct direction reply accept',
  ...(['4', '6'] as const).flatMap((family) => {
    const destination = family === '4' ? 'ip daddr' : 'ip6 daddr';
    return [
      `${destination} @resolvers${family} meta l4proto { tcp, udp } th dport 53 accept`,
      `${destination} @providers${family} tcp dport { 80, 443 } accept`,
      `${destination} @providers${family} udp dport 443 accept`,
      `${destination} @hosts${family} accept`,
      `${destination} @ranges${family} accept`,
      `${destination} . tcp dport @portal${family} accept`,
    ];
  }),
];

/**
 * At once, not after a timeout. TCP by a reset: an ICMPv6 message finds the connecting socket busy and
 * is heard with the first retransmission only, a second later.
 */
const refusals: readonly string[] = [
  'meta l4proto tcp counter reject with tcp reset',
  'counter reject with icmpx admin-prohibited',
];

type Element = { family: number; text: string };

/** Text that is no address never reaches nft: resolv.conf and name servers are others' words. */
const plain = (address: string): Element[] => {
  const text = address.replace(/%.*$/, '');
  const family = isIP(text);
  return family === 0 ? [] : [{ family, text }];
};

const withPort = ({ address, port }: Endpoint): Element[] =>
  plain(address).map(({ family, text }) => ({ family, text: `${text} . ${port}` }));

const until = (leftSeconds: number): string => `timeout ${Math.ceil(leftSeconds)}s`;

const timed = ({ address, leftSeconds }: Timed<{ address: string }>): Element[] =>
  leftSeconds <= 0
    ? []
    : plain(address).map(({ family, text }) => ({
        family,
        text: `${text} ${until(leftSeconds)}`,
      }));

const timedWithPort = (endpoint: Timed<Endpoint>): Element[] =>
  endpoint.leftSeconds <= 0
    ? []
    : withPort(endpoint).map(({ family, text }) => ({
        family,
        text: `${text} ${until(endpoint.leftSeconds)}`,
      }));

/** An address, `address/bits`, or `from-to`. */
const range = (text: string): Element[] => {
  const [address = '', end = address] = text.split(/[/-]/);
  const family = isIP(address);
  if (family === 0 || text.split(/[/-]/).length > 2) return [];
  const isBits = /^\d{1,3}$/.test(end) && Number(end) <= (family === 4 ? 32 : 128);
  return isBits || isIP(end) === family ? [{ family, text }] : [];
};
