import { BlockList } from 'node:net';
import { networkInterfaces } from 'node:os';
import { addRange, compileHostPatterns, isInList, normalHost } from '#contract/host-pattern.ts';
import type { EdgeConfig } from '#contract/policy.ts';

export type Destination = { host: string; port: number };

/** `rule` names what decided: a rule's id, or a default's name. */
export type AccessDecision = { action: 'allow' | 'block'; rule: string };

/** The edge's policy, ready to be asked for every flow. */
export type Access = {
  decide(deviceId: string, destination: Destination): AccessDecision;
  /** Set when the destination belongs to a declared private application. */
  privateApplication(destination: Destination): PrivateMatch | undefined;
  isRevoked(deviceId: string): boolean;
};

export type PrivateMatch = { appId: string; address: string | undefined };

export const compileAccess = (config: EdgeConfig): Access => {
  const rules = config.access.map((rule) => ({
    ...rule,
    matchHost: compileHostPatterns(rule.hosts),
    portSet: new Set(rule.ports),
    deviceSet: new Set(rule.devices),
  }));
  const applications = config.privateApplications.map((application) => ({
    ...application,
    matchHost: compileHostPatterns(application.hosts),
    portSet: new Set(application.ports),
    addressOf: new Map(
      Object.entries(application.addresses).map(([host, address]) => [normalHost(host), address]),
    ),
  }));
  const revoked = new Set(config.revokedDevices);

  return {
    decide(deviceId, { host, port }) {
      const rule = rules.find(
        ({ portSet, deviceSet, matchHost }) =>
          (portSet.size === 0 || portSet.has(port)) &&
          (deviceSet.size === 0 || deviceSet.has(deviceId)) &&
          matchHost(host) !== undefined,
      );
      if (rule) return { action: rule.action, rule: rule.id };
      // An open way to port 25 makes an edge a spam relay, so mail needs a rule that allows it.
      if (port === 25) return { action: 'block', rule: 'default-smtp' };
      return { action: 'allow', rule: 'default' };
    },
    privateApplication({ host, port }) {
      const found = applications.find(
        ({ portSet, matchHost }) =>
          (portSet.size === 0 || portSet.has(port)) && matchHost(host) !== undefined,
      );
      return found && { appId: found.appId, address: found.addressOf.get(normalHost(host)) };
    },
    isRevoked: (deviceId) => revoked.has(deviceId),
  };
};

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

/** Tells whether an address is special or the edge's own; built once, asked for every address. */
export const createAddressGuard = (): ((address: string) => boolean) => {
  // Two lists: in one, `::ffff:0:0/96` would hold every IPv4 address too.
  const four = new BlockList();
  const six = new BlockList();
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  for (const range of [...specialRanges, ...own.map(({ address }) => address)]) {
    addRange(range.includes(':') ? six : four, range);
  }
  return (address) => isInList(address.includes(':') ? six : four, address);
};
