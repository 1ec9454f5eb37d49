import type { NetworkType } from '#contract/forwarding.ts';
import type { PacValues } from '#contract/pac.ts';
import type { EdgeEntry } from '#contract/policy.ts';
import { tunnelPlace } from './follow.ts';

const trustedWords = {
  trusted: 'ON',
  vpn: 'VPN',
  'split-vpn': 'SPLIT_VPN_TRUSTED',
  'off-trusted': 'OFF',
} as const satisfies Record<NetworkType, string>;

/** Where there is no such edge: a name that is nobody's (RFC 2606). */
const nowhere = 'no-edge.invalid';

/** What the macros of a PAC file stand for, now. */
export const pacValues = (facts: {
  edges: readonly EdgeEntry[];
  /** Edges from the best; what is not in it comes after. */
  ranking: readonly string[];
  network: NetworkType | undefined;
  proxy: { host: string; port: number };
  /** Of the copy that browsers get the tunnel is the agent's proxy. */
  isForBrowsers: boolean;
}): PacValues => {
  const { ranking, network, proxy } = facts;
  const rank = ({ id }: EdgeEntry) => (ranking.includes(id) ? ranking.indexOf(id) : ranking.length);
  const [first, second] = [...facts.edges].sort((one, other) => rank(one) - rank(other));
  const own = `${inBrackets(proxy.host)}:${proxy.port}`;
  return {
    GATEWAY: first === undefined ? nowhere : inBrackets(first.host),
    GATEWAY_HOST: first?.serverName ?? nowhere,
    SECONDARY_GATEWAY: second === undefined ? nowhere : inBrackets(second.host),
    SECONDARY_GATEWAY_HOST: second?.serverName ?? nowhere,
    LOCAL_PROXY: own,
    ZAPP_LOCAL_PROXY: own,
    TUNNEL: facts.isForBrowsers ? own : `${tunnelPlace.host}:${tunnelPlace.port}`,
    TRUSTED_NETWORK: network === undefined ? 'NOT_AVAILABLE' : trustedWords[network],
  };
};

const inBrackets = (host: string): string => (host.includes(':') ? `[${host}]` : host);
