import { parseTrafficRule } from '#contract/forwarding.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';
import type { FlowFacts, RouteDecision } from '../forwarding/route.ts';
import { type DirectRanges, directRanges } from './direct-ranges.ts';

/** Whether programs are captured at all now, and why. */
export type Scope = { isWanted: boolean; reason: string };

/** What the policy asks for on this network. */
export const decideScope = (
  policy: Pick<ForwardingPolicy, 'mode' | 'onNetwork'> | undefined,
  network: { type: 'trusted' | 'vpn' | 'split-vpn' | 'off-trusted' },
): Scope => {
  if (policy === undefined) return { isWanted: false, reason: 'no policy yet' };
  if (policy.mode === 'off') return { isWanted: false, reason: 'forwarding is off' };
  const action = policy.onNetwork?.[network.type] ?? 'tunnel';
  return { isWanted: action === 'tunnel', reason: `network ${network.type}: ${action}` };
};

/**
 * Addresses that are direct on every port: they need not come to the agent, and so printers stay
 * reachable while it hangs. Asked of the route decision itself, so the kernel cannot disagree with it.
 */
export const pastAgent = (
  policy: ForwardingPolicy,
  route: (flow: FlowFacts) => RouteDecision,
  protocol: 'tcp' | 'udp',
): DirectRanges => {
  const ports = portsOf(policy);
  return directRanges(policy, (host) =>
    ports.every((port) => route({ host, port, protocol }).action === 'direct'),
  );
};

/** One of every stretch of ports that some rule tells apart; 0 is nobody's, not even a service of ours. */
const portsOf = (policy: ForwardingPolicy): number[] => {
  const { include = [], exclude = [] } = policy.traffic?.addresses ?? {};
  const ports = new Set([0]);
  for (const text of [...include, ...exclude]) {
    const rule = parseTrafficRule(text);
    if ('mistake' in rule || rule.ports === undefined) continue;
    ports.add(rule.ports.from);
    if (rule.ports.to < 65_535) ports.add(rule.ports.to + 1);
  }
  return [...ports];
};
