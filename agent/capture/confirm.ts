import { Resolver } from 'node:dns/promises';
import { normalHost } from '#contract/host-pattern.ts';
import type { FlowFacts, RouteDecision } from '../forwarding/route.ts';
import type { Names } from './names.ts';

/** Asks for the addresses of a name; none where there is no answer. */
export type ResolveName = (name: string) => Promise<readonly string[]>;

/** Takes the doubt from a flow's name where it can. */
export type Confirm = (flow: FlowFacts) => Promise<FlowFacts>;

/** So long a name is not asked for again that did not lead to a flow's address. */
const doubtMs = 60_000;
const maxDoubts = 1_000;
/** As the flow's program would be told; its answer may not come sooner. */
const timeoutMs = 1_500;

/**
 * A program with a resolver of its own (DNS over HTTPS) connects to names that no captured answer
 * knows. Where such a name would send the flow past the tunnel, the device's name server is asked
 * whether it leads to that address: a log-in page goes direct also in a browser like that.
 */
export const createConfirm = (parts: {
  route: (flow: FlowFacts) => RouteDecision;
  names: Names;
  resolve?: ResolveName;
}): Confirm => {
  const resolve = parts.resolve ?? resolveBySystem;
  const doubts = new Map<string, number>();

  return async (flow) => {
    const { isNameClaimed, ...confirmed } = flow;
    if (isNameClaimed !== true || flow.address === undefined) return flow;
    const would = parts.route(confirmed).action;
    if (would !== 'direct' || parts.route(flow).action === 'direct') return flow;
    const key = `${normalHost(flow.host)} ${flow.address}`;
    if ((doubts.get(key) ?? 0) > performance.now()) return flow;
    const addresses = (await resolve(flow.host)).map(normalHost);
    if (addresses.includes(normalHost(flow.address))) {
      parts.names.remember(flow.host, flow.address, 0);
      return confirmed;
    }
    if (doubts.size >= maxDoubts) doubts.clear();
    doubts.set(key, performance.now() + doubtMs);
    return flow;
  };
};

const resolveBySystem: ResolveName = async (name) => {
  const resolver = new Resolver({ timeout: timeoutMs, tries: 1 });
  const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
};
