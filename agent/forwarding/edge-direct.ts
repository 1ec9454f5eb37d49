import { directRuleIn } from '#contract/edge-direct.ts';
import { normalHost } from '#contract/host-pattern.ts';
import type { FlowRefused } from '../tunnel/refused.ts';
import { type Around, enforceRoute } from './around.ts';
import type { FlowFacts, RoutePolicy } from './route.ts';

/**
 * The rule by which an edge that refused a flow sent it past the tunnel, where that may be done: the
 * device's own policy, which the edge cannot write, names the host too. Undefined: the refusal stands.
 * What goes direct is not asked about again, so there is no way round.
 */
export const directByEdge = (
  refusal: FlowRefused,
  flow: FlowFacts,
  policy: RoutePolicy,
  around: Around | undefined,
): string | undefined => {
  const rule = directRuleIn(refusal.proxyStatus);
  if (rule === undefined) return undefined;
  const host = normalHost(flow.host);
  if (policy.matchDirectByEdge(host) === undefined) return undefined;
  if (policy.matchPrivateHost(host) !== undefined) return undefined;
  const route = { action: 'direct' as const, rule: `edge rule ${rule}` };
  const left = around === undefined ? route : enforceRoute(route, flow, around);
  return left.action === 'direct' ? left.rule : undefined;
};
