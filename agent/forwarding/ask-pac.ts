import type { NetworkType } from '#contract/forwarding.ts';
import {
  decideRoute,
  type FlowFacts,
  isForPac,
  type RouteDecision,
  type RoutePolicy,
} from './route.ts';

/** What the organisation's PAC file says of a flow; undefined: nothing. */
export type AskPac = (
  flow: FlowFacts,
) => RouteDecision | undefined | Promise<RouteDecision | undefined>;

/** The route of a flow, with the PAC file asked where no rule before it decides. */
export const decideWithPac = async (parts: {
  flow: FlowFacts;
  policy: RoutePolicy;
  network: NetworkType | undefined;
  askPac: AskPac | undefined;
}): Promise<RouteDecision> => {
  const { flow, policy, network, askPac } = parts;
  if (askPac === undefined || !isForPac(flow, policy, network)) {
    return decideRoute(flow, policy, network);
  }
  const told = askPac(flow);
  // Known answers, which most are, cost no turn of the event loop.
  return decideRoute(flow, policy, network, told instanceof Promise ? await told : told);
};
