import { readFile } from 'node:fs/promises';
import { addressText } from '#runtime/ip-packet.ts';
import { configureLink } from '#runtime/kernel/configure-link.ts';
import { holdTable } from '#runtime/kernel/owned-table.ts';
import { openTun, TunUnavailable } from '#runtime/kernel/tun.ts';
import type { AddressPool } from './address-pool.ts';

/** Where devices' packets enter the edge's kernel, and their answers leave it. */
export type KernelPath = {
  /** Returns how many the kernel took. */
  forward(packets: readonly Buffer[]): number;
  close(): Promise<void>;
};

/**
 * A TUN device that holds the pools, and rules that let its packets out under the edge's own address
 * and only answers back in. Both are gone with the process. The kernel forwards, counts the hops down,
 * and sends the errors (RFC 9484 section 6). That forwarding is on is the operator's decision: it makes
 * a router of the machine.
 */
export const openKernelPath = async (parts: {
  pools: { four?: AddressPool; six?: AddressPool };
  mtuBytes: number;
  onPackets: (packets: Buffer[]) => void;
  /** Packets go nowhere from now on. */
  onLost: (reason: string) => void;
}): Promise<KernelPath> => {
  const { four, six } = parts.pools;
  if (four) await mustForward('net.ipv4.ip_forward', 'pool4');
  if (six) await mustForward('net.ipv6.conf.all.forwarding', 'pool6');
  const tun = await openTun({ ...parts, prefix: 'whyslowedge' });
  const pools = [four, six].filter((pool) => pool !== undefined);
  try {
    const table = await holdTable({
      family: 'inet',
      name: `whyslow_edge_${tun.name.replace(/\D/g, '')}_${process.pid}`,
      onLost: parts.onLost,
    });
    try {
      // The rules first: nothing is forwarded without them.
      await table.run(rulesOf(table.name, tun.name, pools));
      await configureLink([
        `link set dev ${tun.name} addrgenmode none`,
        `link set dev ${tun.name} mtu ${parts.mtuBytes} up`,
        ...pools.map(
          ({ own, prefixBits }) =>
            `addr add ${addressText(own)}/${prefixBits} dev ${tun.name}${own.length === 16 ? ' nodad' : ''}`,
        ),
      ]);
    } catch (error) {
      await table.stop();
      throw error;
    }
    return {
      forward: tun.write,
      async close() {
        await tun.close();
        await table.stop();
      },
    };
  } catch (error) {
    await tun.close();
    throw error;
  }
};

/**
 * What an address may begin: each takes a place in the kernel's table of connections, which all
 * devices share. Of ICMP for 30 seconds after its last packet, of other protocols for 10 minutes.
 */
const newPerSecond = {
  icmp: { match: 'meta l4proto { icmp, ipv6-icmp }', most: 100 },
  other: { match: 'meta l4proto != { icmp, ipv6-icmp }', most: 10 },
} as const;

/** And may have there at once, however long the kernel keeps a protocol's: SCTP's up to days. */
const mostKept = 4_000;

const familiesOf = (pools: readonly AddressPool[]) =>
  pools.map(({ own }) =>
    own.length === 4
      ? { type: 'ipv4_addr', source: 'ip saddr' }
      : { type: 'ipv6_addr', source: 'ip6 saddr' },
  );

const rulesOf = (table: string, link: string, pools: readonly AddressPool[]): string =>
  [
    ...familiesOf(pools).map(
      ({ type }) => `add set ${table} kept_${type} { type ${type}; size 65535; flags dynamic; }`,
    ),
    ...familiesOf(pools).flatMap(({ type }) =>
      Object.keys(newPerSecond).map(
        (kind) =>
          `add set ${table} ${kind}_${type} { type ${type}; size 65535; flags dynamic,timeout; timeout 10s; }`,
      ),
    ),
    `add chain ${table} forward { type filter hook forward priority filter; policy accept; }`,
    `add rule ${table} forward iifname ${link} oifname ${link} drop`,
    ...familiesOf(pools).flatMap(({ type, source }) =>
      Object.entries(newPerSecond).map(
        ([kind, { match, most }]) =>
          `add rule ${table} forward iifname ${link} ${match} ct state new update @${kind}_${type} { ${source} limit rate over ${most}/second burst ${most} packets } drop`,
      ),
    ),
    ...familiesOf(pools).map(
      ({ type, source }) =>
        `add rule ${table} forward iifname ${link} ct state new add @kept_${type} { ${source} ct count over ${mostKept} } drop`,
    ),
    `add rule ${table} forward oifname ${link} ct state established,related accept`,
    `add rule ${table} forward oifname ${link} drop`,
    // The edge's own services are not for packets out of a tunnel, whatever they are addressed to.
    `add chain ${table} input { type filter hook input priority filter; policy accept; }`,
    `add rule ${table} input iifname ${link} drop`,
    `add chain ${table} leave { type nat hook postrouting priority srcnat; policy accept; }`,
    ...pools.map(
      ({ text, own }) =>
        `add rule ${table} leave oifname != ${link} ${own.length === 4 ? 'ip' : 'ip6'} saddr ${text} masquerade`,
    ),
  ].join('\n');

const mustForward = async (setting: string, pool: string): Promise<void> => {
  const path = `/proc/sys/${setting.replaceAll('.', '/')}`;
  const value = await readFile(path, 'utf8').catch(() => '0');
  if (Number(value) > 0) return;
  throw new TunUnavailable(
    `ipForwarding.${pool}: this machine does not forward packets; set ${setting}=1 (sysctl -w), or leave ${pool} out`,
  );
};
