import { addressText } from '#runtime/ip-packet.ts';
import type { DirectRanges } from './direct-ranges.ts';
import type { OwnTraffic } from './own-traffic.ts';

/** Of the packets that are to be carried, of the routing table for them, and of the rule that joins both. */
export const ipCapture = { mark: 0x7719, table: 7_719, priority: 7_719 } as const;

/** Chains and sets, without a rule that carries anything yet. */
export const tableLines = (table: string, link: string): string[] => [
  `add set ${table} direct4 { type ipv4_addr; flags interval; }`,
  `add set ${table} direct6 { type ipv6_addr; flags interval; }`,
  // Before connection tracking, so that what is carried can have a zone of its own.
  `add chain ${table} carry { type route hook output priority raw; policy accept; }`,
  `add chain ${table} back { type filter hook prerouting priority raw; policy accept; }`,
  `add chain ${table} source { type nat hook postrouting priority srcnat; policy accept; }`,
  // Only answers come out of a tunnel: this device serves nobody behind it, and routes for nobody.
  `add chain ${table} answers { type filter hook input priority filter; policy accept; }`,
  `add rule ${table} answers iifname ${link} ct state established,related accept`,
  `add rule ${table} answers iifname ${link} drop`,
  `add chain ${table} through { type filter hook forward priority filter; policy accept; }`,
  `add rule ${table} through iifname ${link} drop`,
  `add rule ${table} through oifname ${link} drop`,
];

/** From here on nothing is carried. */
export const offLine = (table: string): string => `flush chain ${table} carry`;

/** Elements of one line: there is a limit to what nft reads at once. */
const perLine = 500;

/**
 * Carries what programs send that is neither TCP nor UDP. Packets without a socket are the kernel's
 * answers (to pings from outside): they have no uid, whatever it is compared with. A zone of its own
 * for each set of addresses keeps a ping that goes on from its old, wrong, translation.
 */
export const onLines = (parts: {
  table: string;
  link: string;
  /** What packets leave with. */
  addresses: readonly Buffer[];
  /** Bytes of an address of each family that is carried. */
  families: readonly number[];
  direct: DirectRanges;
  own: OwnTraffic;
  zone: number;
}): string[] => {
  const { table, link, addresses, direct, zone } = parts;
  const { cgroup } = parts.own;
  const carried = [
    'meta l4proto { tcp, udp } accept',
    ...parts.own.uids.map((uid) => `meta skuid ${uid} accept`),
    ...(cgroup ? [`socket cgroupv2 level ${cgroup.level} "${cgroup.path}" accept`] : []),
    'oifname lo accept',
    'fib daddr type { local, broadcast, multicast, anycast } accept',
    'ip daddr { 127.0.0.0/8, 169.254.0.0/16, 224.0.0.0/4 } accept',
    'ip6 daddr { ::1, fe80::/10, ff00::/8 } accept',
    // Router and neighbour discovery and redirects (RFC 4861): of this link.
    'icmpv6 type 133-137 accept',
    'ip daddr @direct4 accept',
    'ip6 daddr @direct6 accept',
    ...parts.families.map(
      (length) =>
        `meta nfproto ${length === 4 ? 'ipv4' : 'ipv6'} meta skuid 0-4294967294 ct zone set ${zone} meta mark set ${ipCapture.mark}`,
    ),
  ];
  return [
    offLine(table),
    ...setLines(table, 'direct4', direct.four),
    ...setLines(table, 'direct6', direct.six),
    `flush chain ${table} source`,
    ...addresses.map(
      (address) =>
        `add rule ${table} source oifname ${link} snat ${address.length === 4 ? 'ip' : 'ip6'} to ${addressText(address)}`,
    ),
    `flush chain ${table} back; add rule ${table} back iifname ${link} ct zone set ${zone}`,
    carried.map((rule) => `add rule ${table} carry ${rule}`).join('; '),
  ];
};

const setLines = (table: string, set: string, ranges: readonly string[]): string[] => {
  const lines = [`flush set ${table} ${set}`];
  for (let i = 0; i < ranges.length; i += perLine) {
    lines.push(`add element ${table} ${set} { ${ranges.slice(i, i + perLine).join(', ')} }`);
  }
  return lines;
};
