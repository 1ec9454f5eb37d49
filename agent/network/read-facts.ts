import { existsSync, readdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { readTextOrNothing } from '../device/read-text.ts';
import { readDefaultRoute } from '../device/route.ts';
import type { NetworkFacts } from './network-type.ts';

/** What this machine knows of its network, except for what somebody else has to be asked for. */
export type LocalFacts = Omit<NetworkFacts, 'egressAddress' | 'hostAddresses'>;

/** Our own interface, when there is one, is not somebody else's VPN. */
const ownInterfacePrefix = 'whyslow';

/** systemd-resolved puts itself into resolv.conf; the network's own servers stand in its other file. */
const resolvConfs = ['/run/systemd/resolve/resolv.conf', '/etc/resolv.conf'];

export const readLocalFacts = (
  files = { links: '/sys/class/net', resolvConfs },
  route = readDefaultRoute(),
  interfaces = networkInterfaces(),
): LocalFacts => {
  const defaultInterface = route?.interfaceName ?? null;
  return {
    defaultInterface,
    vpnInterfaces: vpnInterfaces(files.links),
    addresses: (defaultInterface === null ? [] : (interfaces[defaultInterface] ?? [])).map(
      ({ address }) => address,
    ),
    gateway: route?.gateway ?? null,
    ...readResolvConf(files.resolvConfs),
  };
};

/** resolv.conf(5): the last `search` (or `domain`) line counts. */
const readResolvConf = (
  paths: readonly string[],
): Pick<LocalFacts, 'dnsServers' | 'searchDomains'> => {
  const path = paths.find((one) => existsSync(one));
  const lines = (path === undefined ? '' : readTextOrNothing(path))
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  const dnsServers = lines.flatMap(([word, server]) =>
    word === 'nameserver' && server !== undefined ? [server] : [],
  );
  const search = lines.findLast(([word]) => word === 'search' || word === 'domain');
  return { dnsServers, searchDomains: search?.slice(1) ?? [] };
};

const vpnInterfaces = (folder: string): string[] => {
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith(ownInterfacePrefix) && isVpn(join(folder, name)))
      .sort();
  } catch {
    // A system that does not tell this way.
    return [];
  }
};

/** linux/if_arp.h: point-to-point without a link layer, as TUN and WireGuard have; PPP. */
const arphrdNone = '65534';
const arphrdPpp = '512';

/**
 * TUN and TAP (`tun_flags`), WireGuard and PPP, when they are up (IFF_UP, and a carrier). One that is
 * a bridge's port belongs to a virtual machine.
 */
const isVpn = (at: string): boolean => {
  if (existsSync(join(at, 'brport'))) return false;
  const type = readTextOrNothing(join(at, 'type')).trim();
  const isTunnel = existsSync(join(at, 'tun_flags')) || type === arphrdNone || type === arphrdPpp;
  const isUp = (Number.parseInt(readTextOrNothing(join(at, 'flags')), 16) & 1) === 1;
  return isTunnel && isUp && readTextOrNothing(join(at, 'carrier')).trim() !== '0';
};
