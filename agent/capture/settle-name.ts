import type { FlowFacts, RouteDecision } from '../forwarding/route.ts';

/**
 * Which of the names that lead to its address a flow is for that says none itself. It goes direct by a
 * name only where it would by every one of them: a network's resolver may answer the name of an
 * identity provider with the address of another service, whose flows would else leave the tunnel.
 */
export const createSettleName =
  (decide: (flow: FlowFacts) => Promise<RouteDecision>) =>
  async ({ otherNames = [], ...flow }: FlowFacts): Promise<FlowFacts> => {
    if (otherNames.length === 0 || (await decide(flow)).action !== 'direct') return flow;
    for (const host of otherNames) {
      const other = { ...flow, host };
      if ((await decide(other)).action !== 'direct') return other;
    }
    return flow;
  };
