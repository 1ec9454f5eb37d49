import { compileHostPatterns, type HostMatcher, normalHost } from '#contract/host-pattern.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';

export type Destination = { host: string; port: number };

/** `rule` says what decided: a bypass pattern, or one of our own rules by name. */
export type RouteDecision = { action: 'tunnel' | 'direct' | 'block'; rule: string };

/** A ForwardingPolicy made ready to be asked for every flow. */
export type RoutePolicy = {
  mode: ForwardingPolicy['mode'];
  whenTunnelDown: ForwardingPolicy['whenTunnelDown'];
  matchBypass: HostMatcher;
  /** Collector and edges, `host:port`: they carry the tunnel, so they cannot go through it. */
  ownServices: ReadonlySet<string>;
  /** The agent's own listeners, `host:port`: going there would be a loop. */
  ownListeners: ReadonlySet<string>;
};

export const compileRoutePolicy = (
  policy: ForwardingPolicy,
  own: { services: readonly Destination[]; listeners: readonly Destination[] },
): RoutePolicy => ({
  mode: policy.mode,
  whenTunnelDown: policy.whenTunnelDown,
  matchBypass: compileHostPatterns(policy.bypass),
  ownServices: new Set(own.services.map(key)),
  ownListeners: new Set(own.listeners.map(key)),
});

export const decideRoute = (destination: Destination, policy: RoutePolicy): RouteDecision => {
  if (policy.ownListeners.has(key(destination))) return { action: 'block', rule: 'own-listener' };
  if (policy.ownServices.has(key(destination))) return { action: 'direct', rule: 'own-service' };
  if (policy.mode === 'off') return { action: 'direct', rule: 'forwarding-off' };
  const bypass = policy.matchBypass(destination.host);
  if (bypass !== undefined) return { action: 'direct', rule: `bypass ${bypass}` };
  return { action: 'tunnel', rule: 'default' };
};

/** `localhost` is what a browser makes of a listener on 127.0.0.1. */
const key = ({ host, port }: Destination): string => {
  const name = normalHost(host);
  return `${name === 'localhost' || name === '::1' ? '127.0.0.1' : name}:${port}`;
};
