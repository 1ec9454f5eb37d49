import { isIP } from 'node:net';
import type { DirectRanges } from './direct-ranges.ts';
import type { DnsListener } from './dns.ts';
import type { OwnTraffic } from './own-traffic.ts';

/** What the kernel is to hand to the agent. Ports are those of its listeners on loopback. */
export type CaptureRules = {
  /** `family name`, as commands write it. */
  table: string;
  own: OwnTraffic;
  /** What never comes to the agent: the addresses that go direct on every port. */
  past: { tcp: DirectRanges; udp: DirectRanges };
  tcpPort: number | undefined;
  /** The device's own name servers; each has a listener, which so knows who was asked. */
  dns: readonly DnsListener[];
  /** `reject-quic`: browsers fall back to TCP at once; undefined: UDP goes its own way. */
  udp: { port: number } | 'reject-quic' | undefined;
};

/** Of datagrams on their way back to this machine, of their routing table, and of the rule that joins both. */
export const udpCapture = { mark: 0x77, table: 7_718, priority: 7_718 } as const;

/**
 * The whole rule set on one line of nft, which the kernel takes as one transaction: at no time are
 * there half of the rules. Chains stay when the rules go: without any NAT chain the kernel would
 * forget the translation of connections under way.
 */
export const captureCommands = (rules: CaptureRules): string =>
  [
    `flush table ${rules.table}`,
    ...chains(rules),
    ...natRules(rules).map((rule) => `add rule ${rules.table} to_agent ${rule}`),
    ...udpRules(rules).map((rule) => `add rule ${rules.table} ${rule}`),
  ].join('; ');

/** Everything goes its own way again. */
export const withdrawCommands = (table: string): string => `flush table ${table}`;

const chains = ({ table, udp }: CaptureRules): string[] => {
  const base = (name: string, type: string) =>
    `add chain ${table} ${name} { type ${type}; policy accept; }`;
  const all = [base('to_agent', 'nat hook output priority -100')];
  if (udp === 'reject-quic') all.push(base('no_quic', 'filter hook output priority filter'));
  if (typeof udp === 'object') {
    all.push(base('mark_udp', 'route hook output priority mangle'));
    all.push(base('divert_udp', 'filter hook prerouting priority mangle'));
  }
  return all;
};

/** Only a SYN begins a connection: one that is older than the rules is let alone. */
const tcpBegins = 'tcp flags & (fin | syn | rst | ack) == syn';

const natRules = ({ own, past, tcpPort, dns }: CaptureRules): string[] => {
  const redirect = tcpPort === undefined ? [] : [`${tcpBegins} redirect to :${tcpPort}`];
  return [
    ...untouched(own),
    ...dns.flatMap(({ server, udpPort, tcpPort: port }) => {
      const to = to1(server);
      return [
        `${to} udp dport 53 redirect to :${udpPort}`,
        `${to} tcp dport 53 redirect to :${port}`,
      ];
    }),
    ...among(past.tcp).map((match) => `${match} accept`),
    'fib daddr type != unicast accept',
    ...redirect,
  ];
};

const udpRules = (rules: CaptureRules): string[] => {
  const { udp } = rules;
  if (udp === undefined) return [];
  const isQuic = 'udp dport 443';
  if (udp === 'reject-quic') {
    const reject = `${isQuic} reject with icmpx port-unreachable`;
    return inOrder(rules, reject).map((rule) => `no_quic ${rule}`);
  }
  const set = `meta l4proto udp meta mark set ${udpCapture.mark}`;
  const isMarked = `iifname "lo" meta mark ${udpCapture.mark} meta l4proto udp`;
  return [
    ...inOrder(rules, set).map((rule) => `mark_udp ${rule}`),
    `divert_udp meta nfproto ipv4 ${isMarked} tproxy ip to 127.0.0.1:${udp.port} accept`,
    `divert_udp meta nfproto ipv6 ${isMarked} tproxy ip6 to [::1]:${udp.port} accept`,
  ];
};

/** The order of the exceptions, for a rule that would take every datagram. */
const inOrder = ({ own, past, dns }: CaptureRules, rule: string): string[] => [
  ...untouched(own),
  // What a server of this machine answers belongs to somebody else's flow.
  'ct direction reply accept',
  // Redirected a step later, in the NAT chain.
  ...dns.map(({ server }) => `${to1(server)} udp dport 53 accept`),
  ...among(past.udp).map((match) => `${match} accept`),
  'fib daddr type != unicast accept',
  rule,
];

const untouched = ({ uids, cgroup }: OwnTraffic): string[] => [
  ...uids.map((uid) => `meta skuid ${uid} accept`),
  ...(cgroup === undefined
    ? []
    : [`socket cgroupv2 level ${cgroup.level} "${cgroup.path}" accept`]),
  'oifname "lo" accept',
];

const to1 = (server: string): string => {
  const address = server.replace(/%.*$/, '');
  return `${isIP(address) === 4 ? 'ip' : 'ip6'} daddr ${address}`;
};

/** Elements of one rule: there is a limit to what the kernel takes in one message. */
const perRule = 200;

const among = ({ four, six }: DirectRanges): string[] => [
  ...inPieces(four).map((piece) => `ip daddr { ${piece.join(', ')} }`),
  ...inPieces(six).map((piece) => `ip6 daddr { ${piece.join(', ')} }`),
];

const inPieces = (ranges: readonly string[]): string[][] => {
  const pieces: string[][] = [];
  for (let i = 0; i < ranges.length; i += perRule) pieces.push(ranges.slice(i, i + perRule));
  return pieces;
};
