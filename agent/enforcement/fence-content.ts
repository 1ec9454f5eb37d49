import { isAddressOrRange } from '#contract/host-pattern.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';
import type { OwnTraffic } from '../capture/own-traffic.ts';
import { pastAgent } from '../capture/scope.ts';
import { compileRoutePolicy, type Destination, decideRoute } from '../forwarding/route.ts';
import type { AddressBook } from './address-book.ts';
import type { StrictContent } from './strict-table.ts';

/** What the policy, or before it the program's config, and the network say about the fence. */
export type FenceWishes = {
  own: OwnTraffic;
  dnsServers: readonly string[];
  /** Host patterns. */
  identityProviders: readonly string[];
  allow: readonly string[];
  /** While the tunnel is up: what policy sends direct anyway, and capture lets pass by itself. */
  past: readonly string[];
  /** While there is time to log in; empty else. */
  portal: { endpoints: readonly Destination[]; leftMs: number };
};

/** Names whose addresses the fence needs. */
export const namesOf = (wishes: FenceWishes): string[] => [
  ...[...wishes.identityProviders, ...wishes.allow].flatMap(nameOf),
  ...wishes.portal.endpoints.map(({ host }) => host),
];

/** The wishes in addresses, as far as they are known. */
export const fenceContent = (wishes: FenceWishes, book: AddressBook): StrictContent => {
  const at = (patterns: readonly string[]) =>
    patterns.flatMap(nameOf).flatMap((name) => book.addressesOf(name));
  const endpoints = (places: readonly Destination[]) =>
    places.flatMap(({ host, port }) =>
      book.addressesOf(host).map(({ address }) => ({ address, port })),
    );
  return {
    own: wishes.own,
    dnsServers: wishes.dnsServers,
    providers: [
      ...at(wishes.identityProviders),
      ...wishes.identityProviders
        .filter((pattern) => isAddressOrRange(pattern) && !pattern.includes('/'))
        .map((address) => ({ address, leftSeconds: foreverSeconds })),
    ],
    hosts: at(wishes.allow),
    ranges: [...wishes.allow.filter(isAddressOrRange), ...wishes.past],
    portal: endpoints(wishes.portal.endpoints).map((endpoint) => ({
      ...endpoint,
      leftSeconds: wishes.portal.leftMs / 1_000,
    })),
  };
};

/** Ranges that go direct whatever the port, so that a printer works beside a tunnel that is up. */
export const rangesPast = (forwarding: ForwardingPolicy): string[] => {
  const policy = compileRoutePolicy(forwarding, { services: [], listeners: [] });
  return (['tcp', 'udp'] as const).flatMap((protocol) => {
    const { four, six } = pastAgent(forwarding, (flow) => decideRoute(flow, policy), protocol);
    return [...four, ...six];
  });
};

/** What does not run out; an element of a set with timeouts has one all the same. */
const foreverSeconds = 30 * 86_400;

/** The name of a pattern; `*.` and `*` are of no one name, and only the agent's proxies know them. */
const nameOf = (pattern: string): string[] => {
  if (isAddressOrRange(pattern) || pattern.startsWith('*')) return [];
  return [pattern.startsWith('.') ? pattern.slice(1) : pattern];
};
