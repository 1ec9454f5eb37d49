import { BlockList } from 'node:net';
import type { NetworkType, TrustedNetwork } from '#contract/forwarding.ts';
import { addRange, isInList, normalHost } from '#contract/host-pattern.ts';

/** What a device knows of the network it is on, without opinion. */
export type NetworkFacts = {
  /** Interface of the default route; null: there is none. */
  defaultInterface: string | null;
  /** Interfaces of other tunnels (VPN clients) that are up. */
  vpnInterfaces: readonly string[];
  /** Of the interface of the default route. */
  addresses: readonly string[];
  gateway: string | null;
  dnsServers: readonly string[];
  searchDomains: readonly string[];
  /** The address the device is seen with from outside; null: not known. */
  egressAddress: string | null;
  /** What the names of the criteria resolve to; one that did not resolve is absent. */
  hostAddresses: Readonly<Record<string, readonly string[]>>;
};

export type NetworkVerdict = { type: NetworkType; networkId: string | null; reason: string };

/**
 * A VPN is named before a trusted network: through it the device may look as if it stood inside,
 * while its packets do not.
 */
export const classifyNetwork = (
  facts: NetworkFacts,
  trusted: readonly TrustedNetwork[],
): NetworkVerdict => {
  const [vpn] = facts.vpnInterfaces;
  if (facts.defaultInterface !== null && facts.vpnInterfaces.includes(facts.defaultInterface)) {
    const reason = `the default route goes over the VPN interface ${facts.defaultInterface}`;
    return { type: 'vpn', networkId: null, reason };
  }
  if (vpn !== undefined) {
    const reason = `the VPN interface ${vpn} is up beside the default route`;
    return { type: 'split-vpn', networkId: null, reason };
  }
  for (const network of trusted) {
    const held = criteriaOf(network, facts);
    const isTrusted =
      network.match === 'any'
        ? held.some(({ holds }) => holds)
        : held.length > 0 && held.every(({ holds }) => holds);
    if (!isTrusted) continue;
    const named = held.filter(({ holds }) => holds).map(({ name }) => name);
    return {
      type: 'trusted',
      networkId: network.id,
      reason: `${network.id}: ${named.join(', ')}`,
    };
  }
  return { type: 'off-trusted', networkId: null, reason: 'no trusted network fits' };
};

type Criterion = { name: string; holds: boolean };

const criteriaOf = (network: TrustedNetwork, facts: NetworkFacts): Criterion[] => {
  const criteria: Criterion[] = [];
  const add = (name: string, wanted: unknown, holds: () => boolean) => {
    if (wanted !== undefined) criteria.push({ name, holds: holds() });
  };
  add('DNS server', network.dnsServers, () =>
    facts.dnsServers.some((one) => isAnyOf(one, network.dnsServers)),
  );
  add('search domain', network.searchDomains, () => {
    const own = new Set(facts.searchDomains.map(normalHost));
    return (network.searchDomains ?? []).some((one) => own.has(normalHost(one)));
  });
  add('host name', network.hosts, () =>
    Object.entries(network.hosts ?? {}).every(([host, wanted]) => {
      const found = facts.hostAddresses[host] ?? [];
      return found.length > 0 && found.every((one) => isAnyOf(one, wanted));
    }),
  );
  add('address', network.ranges, () => facts.addresses.some((one) => isAnyOf(one, network.ranges)));
  add('gateway', network.gateways, () => isAnyOf(facts.gateway, network.gateways));
  add('egress address', network.egress, () => isAnyOf(facts.egressAddress, network.egress));
  return criteria;
};

/** Addresses are compared as numbers, a range holds what lies in it. */
const isAnyOf = (address: string | null, wanted: readonly string[] = []): boolean => {
  if (address === null) return false;
  const list = new BlockList();
  for (const one of wanted) addRange(list, one);
  return isInList(list, normalHost(address));
};
