import { BlockList } from 'node:net';
import type { ForwardingAction, NetworkType, TrafficProtocol } from '#contract/forwarding.ts';
import {
  addRange,
  compileHostPatterns,
  type HostMatcher,
  isInList,
  normalHost,
} from '#contract/host-pattern.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';
import { compileTrafficSelection, type SelectTraffic } from './traffic-selection.ts';

export type Destination = { host: string; port: number };

/** What is known of a flow before it is opened. */
export type FlowFacts = Destination & {
  /** Left out: TCP. */
  protocol?: TrafficProtocol;
  /** Path of the executable; left out: not known. */
  process?: string;
  /** Of a captured flow: what the program connected to; `host` is its name where that is known. */
  address?: string;
  /** The name is what the flow says of itself (SNI, Host), and no DNS answer confirms it. */
  isNameClaimed?: boolean;
  /** Of one that says no name: what else is known to lead to its address; left out: nothing. */
  otherNames?: readonly string[];
};

/** `rule` says what decided: a pattern of the policy, or one of our own rules by name. */
export type RouteDecision = {
  action: 'tunnel' | 'direct' | 'block';
  rule: string;
  /** To prefer, where the organisation's PAC file names some; left out: the one in use. */
  edges?: readonly string[];
};

/** A ForwardingPolicy made ready to be asked for every flow. */
export type RoutePolicy = {
  mode: ForwardingPolicy['mode'];
  whenTunnelDown: ForwardingPolicy['whenTunnelDown'];
  matchBypass: HostMatcher;
  matchIdentityProvider: HostMatcher;
  matchVpnGateway: HostMatcher;
  /** Of strict enforcement: reachable whatever happens. */
  matchAllowed: HostMatcher;
  matchPrivateHost: HostMatcher;
  /** Where an edge may send a flow past the tunnel. */
  matchDirectByEdge: HostMatcher;
  isBypassedProcess: (path: string) => boolean;
  select: SelectTraffic;
  onNetwork: (type: NetworkType) => ForwardingAction;
  /** Collector and edges, `host:port`: they carry the tunnel, so they cannot go through it. */
  ownServices: ReadonlySet<string>;
  /** The agent's own listeners, `host:port`: going there would be a loop. */
  ownListeners: ReadonlySet<string>;
};

/** True for one of the agent's own ports, by whatever this machine calls itself. */
export const isOwnListener = (destination: Destination, policy: RoutePolicy): boolean =>
  policy.ownListeners.has(key(destination));

export const compileRoutePolicy = (
  policy: ForwardingPolicy,
  own: { services: readonly Destination[]; listeners: readonly Destination[] },
): RoutePolicy => {
  const processes = new Set(policy.bypassProcesses ?? []);
  return {
    mode: policy.mode,
    whenTunnelDown: policy.whenTunnelDown,
    matchBypass: compileHostPatterns(policy.bypass),
    matchIdentityProvider: compileHostPatterns(policy.identityProviders ?? []),
    matchVpnGateway: compileHostPatterns(policy.vpnGateways ?? []),
    matchAllowed: compileHostPatterns(policy.enforcement?.allow ?? []),
    matchPrivateHost: compileHostPatterns(policy.privateHosts ?? []),
    matchDirectByEdge: compileHostPatterns(policy.directByEdge ?? []),
    isBypassedProcess: (path) =>
      processes.has(path) || processes.has(path.slice(path.lastIndexOf('/') + 1)),
    select: compileTrafficSelection(policy.traffic ?? {}),
    onNetwork: (type) => policy.onNetwork?.[type] ?? 'tunnel',
    ownServices: new Set(own.services.map(key)),
    ownListeners: new Set(own.listeners.map(key)),
  };
};

/**
 * Where a flow goes, and by which rule: a pure function of the flow, the policy and the network. What
 * must never be carried comes first, then what the organisation chose, from the specific to the
 * general.
 */
export const decideRoute = (
  flow: FlowFacts,
  policy: RoutePolicy,
  network: NetworkType = 'off-trusted',
  pac?: RouteDecision,
): RouteDecision => {
  const decision = decideEarly(flow, policy, network) ?? pac ?? decideLate(flow, policy);
  // Whoever may write any name into a ClientHello could else choose to go past the tunnel.
  const isDoubtful = flow.isNameClaimed === true && decision.action === 'direct';
  if (!isDoubtful || flow.address === undefined) return decision;
  const wanted = { ...flow, host: flow.address };
  return decideEarly(wanted, policy, network) ?? decideLate(wanted, policy);
};

/** Whether the organisation's PAC file, where it has one, decides: no rule before it does. */
export const isForPac = (
  flow: FlowFacts,
  policy: RoutePolicy,
  network: NetworkType = 'off-trusted',
): boolean => decideEarly(flow, policy, network) === undefined;

/** What stands above a PAC file. */
const decideEarly = (
  flow: FlowFacts,
  policy: RoutePolicy,
  network: NetworkType,
): RouteDecision | undefined => {
  const host = normalHost(flow.host);
  const direct = (rule: string): RouteDecision => ({ action: 'direct', rule });
  if (isOwnListener(flow, policy)) return { action: 'block', rule: 'own-listener' };
  if (policy.ownServices.has(key(flow))) return direct('own-service');
  const provider = policy.matchIdentityProvider(host);
  if (provider !== undefined) return direct(`identity-provider ${provider}`);
  const gateway = policy.matchVpnGateway(host) ?? byAddress(policy.matchVpnGateway, flow);
  if (gateway !== undefined) return direct(`vpn-gateway ${gateway}`);
  const allowed = policy.matchAllowed(host) ?? byAddress(policy.matchAllowed, flow);
  if (allowed !== undefined) return direct(`allowed ${allowed}`);
  if (policy.mode === 'off') return direct('forwarding-off');
  const action = policy.onNetwork(network);
  if (action === 'none' || action === 'enforce-proxy')
    return direct(`network ${network}: ${action}`);
  if (flow.process !== undefined && policy.isBypassedProcess(flow.process)) {
    return direct(`process ${flow.process}`);
  }
  const bypass = policy.matchBypass(host) ?? byAddress(policy.matchBypass, flow);
  if (bypass !== undefined) return direct(`bypass ${bypass}`);
  const privateHost = policy.matchPrivateHost(host);
  return privateHost === undefined
    ? undefined
    : { action: 'tunnel', rule: `private ${privateHost}` };
};

const decideLate = (flow: FlowFacts, policy: RoutePolicy): RouteDecision => {
  const host = normalHost(flow.host);
  const select = (of: string) =>
    policy.select({ host: of, port: flow.port, protocol: flow.protocol ?? 'tcp' });
  const selected = select(host) ?? (flow.address === undefined ? undefined : select(flow.address));
  if (selected === undefined) return { action: 'tunnel', rule: 'default' };
  return { action: selected.carried ? 'tunnel' : 'direct', rule: selected.rule };
};

/** Of a captured flow both are known: a range meant for its address holds although it has a name. */
const byAddress = (match: HostMatcher, { address }: FlowFacts): string | undefined =>
  address === undefined ? undefined : match(address);

const key = ({ host, port }: Destination): string => {
  const name = normalHost(host);
  return `${isThisMachine(name) ? '127.0.0.1' : name}:${port}`;
};

/** RFC 6761 section 6.3: names of loopback; and unspecified addresses, which connect to it. */
const isThisMachine = (name: string): boolean =>
  name === 'localhost' || name.endsWith('.localhost') || isInList(thisMachine, name);

const thisMachine = new BlockList();
for (const range of ['127.0.0.0/8', '0.0.0.0', '::1', '::']) addRange(thisMachine, range);
