import { parseAuthority } from '#contract/authority.ts';
import type { NetworkType } from '#contract/forwarding.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';
import { placeOf, type WantedProxy } from './platform.ts';

export const systemProxySettings = ['off', 'pac', 'manual'] as const;
export type SystemProxySetting = (typeof systemProxySettings)[number];

/** What the system's proxy is to be on this network; undefined: what it was before us. */
export const wantedProxy = (facts: {
  setting: SystemProxySetting;
  /** Undefined: none is known yet. */
  policy: ForwardingPolicy | undefined;
  network: NetworkType;
  proxy: { host: string; port: number };
  socks: { host: string; port: number };
}): WantedProxy | undefined => {
  const { setting, policy, network, proxy, socks } = facts;
  if (setting === 'off' || policy === undefined || policy.mode === 'off') return undefined;
  const action = policy.onNetwork?.[network] ?? 'tunnel';
  if (action === 'none') return undefined;
  if (action === 'enforce-proxy') return enforced(policy.enforcedProxy);
  // A PAC file lets programs go around an agent that was killed; a proxy by address shuts them in.
  const isPac = setting === 'pac' || policy.whenTunnelDown === 'open';
  return isPac
    ? { kind: 'pac', url: `http://${placeOf(proxy)}/proxy.pac` }
    : { kind: 'manual', http: proxy, socks };
};

const enforced = (text: string | undefined): WantedProxy | undefined => {
  if (text === undefined) return undefined;
  if (/^https?:\/\//.test(text)) return { kind: 'pac', url: text };
  const http = parseAuthority(text);
  return http === undefined ? undefined : { kind: 'manual', http };
};
