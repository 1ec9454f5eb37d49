import { readFile, writeFile } from 'node:fs/promises';
import { addressText } from '#runtime/ip-packet.ts';
import { configureLink } from '#runtime/kernel/configure-link.ts';
import { holdTable, type OwnedTable } from '#runtime/kernel/owned-table.ts';
import { openTun, type Tun } from '#runtime/kernel/tun.ts';
import type { Log } from '#runtime/log.ts';
import { createStopper, type Running } from '#runtime/service.ts';
import type { DirectRanges } from './direct-ranges.ts';
import { ipCapture, offLine, onLines, tableLines } from './ip-rules.ts';
import type { OwnTraffic } from './own-traffic.ts';

/** The kernel's side of the capture: a TUN device, and the rules that lead packets to it. */
export type IpKernel = Running & {
  /** Programs' packets come to `onPackets`; without addresses, of both families, to be dropped there. */
  carry(addresses: readonly Buffer[] | undefined, direct: DirectRanges): Promise<void>;
  /** They go their own way. */
  letGo(): Promise<void>;
  write(packets: readonly Buffer[]): number;
};

/** What an edge of ours has too; IPv6 asks for 1,280 at least. */
const mtuBytes = 1_400;
/** Of connection tracking: see `onLines`. */
const zones = { first: 7_719, count: 1_000 } as const;

export const openIpKernel = async (parts: {
  onPackets: (packets: Buffer[]) => void;
  onLost: (reason: string) => void;
  /** Whose packets are never carried. */
  own: OwnTraffic;
  log: Log;
}): Promise<IpKernel> => {
  const stopper = createStopper(parts.log);
  try {
    await removeRules();
    const tun = await openTun({ ...parts, prefix: 'whyslow', mtuBytes });
    stopper.add('tun', () => tun.close());
    const hasSix = await hasIpv6();
    await configureLink(linkLines(tun.name, hasSix));
    await loosenSourceCheck(tun.name, parts.log);
    const table = await holdTable({
      family: 'inet',
      name: `whyslow_ip_${process.pid}`,
      onLost: parts.onLost,
    });
    stopper.add('rules', () => table.stop());
    await table.run(tableLines(table.name, tun.name).join('\n'));
    stopper.add('routing rules', removeRules);
    await configureLink([`rule add ${rule}`]);
    if (hasSix) await configureLink([`rule add ${rule}`], { family: 6 });
    return { ...steer(tun, table, { hasSix, own: parts.own }), stop: stopper.stop };
  } catch (error) {
    await stopper.stop();
    throw error;
  }
};

const steer = (tun: Tun, table: OwnedTable, options: { hasSix: boolean; own: OwnTraffic }) => {
  let zone = 0;
  const has = ({ length }: Buffer) => length === 4 || options.hasSix;
  const carry: IpKernel['carry'] = async (given, direct) => {
    zone = (zone + 1) % zones.count;
    const addresses = given?.filter(has) ?? [];
    if (given) await configureLink(addressLines(tun.name, addresses));
    const lines = onLines({
      table: table.name,
      link: tun.name,
      addresses,
      families: given ? addresses.map(({ length }) => length) : options.hasSix ? [4, 16] : [4],
      direct,
      own: options.own,
      zone: zones.first + zone,
    });
    await table.run(lines.join('\n'));
  };
  return { carry, letGo: () => table.run(offLine(table.name)), write: tun.write };
};

const linkLines = (link: string, hasSix: boolean): string[] => [
  // No link-local address, and so no router solicitations of the kernel's own.
  `link set dev ${link} addrgenmode none`,
  `link set dev ${link} mtu ${mtuBytes} up`,
  `route replace 0.0.0.0/0 dev ${link} table ${ipCapture.table}`,
  ...(hasSix ? [`route replace ::/0 dev ${link} table ${ipCapture.table}`] : []),
];

const rule = `fwmark ${ipCapture.mark} lookup ${ipCapture.table} priority ${ipCapture.priority}`;

/** Also of a process that was killed; without its device it leads nowhere. */
const removeRules = async (): Promise<void> => {
  for (const family of [4, 6] as const) {
    await configureLink([`rule del ${rule}`, `rule del ${rule}`], { family, mayFail: true });
  }
};

const addressLines = (link: string, addresses: readonly Buffer[]): string[] => [
  `addr flush dev ${link}`,
  ...addresses.map(
    (address) =>
      `addr add ${addressText(address)}/${8 * address.length} dev ${link}${address.length === 16 ? ' nodad' : ''}`,
  ),
  // Gone with the last address of their family.
  ...linkLines(
    link,
    addresses.some(({ length }) => length === 16),
  ).slice(2),
];

const hasIpv6 = async (): Promise<boolean> => {
  const off = await readFile('/proc/sys/net/ipv6/conf/all/disable_ipv6', 'utf8').catch(() => '1');
  return off.trim() === '0';
};

/**
 * Answers come from addresses that the main table routes elsewhere: a strict check (RFC 3704, the
 * default of some systems) would drop them. Of this device alone, and gone with it.
 */
const loosenSourceCheck = (link: string, log: Log): Promise<void> =>
  writeFile(`/proc/sys/net/ipv4/conf/${link}/rp_filter`, '2').catch((error: unknown) =>
    log.warn({ err: error }, 'rp_filter cannot be set: answers may be dropped where it is strict'),
  );
