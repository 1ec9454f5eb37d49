import type { Lab } from '../../lab.ts';
import { checkNode, type Doer, must } from './doer.ts';

/** No limit: what the lab gives every node, so that honest routers answer every probe. */
const noLimitMs = 0;

/** The kernel's own token bucket for ICMP errors, a bucket to each address they go to. */
export const icmpLimitDoer: Doer<'icmp-limit'> = {
  changes: ({ node }) => `the ICMP limit of ${node}`,
  check: (lab, { node }) => checkNode(lab, node),
  apply: (lab, { node, everyMs }) => setLimits(lab, node, everyMs),
  undo: (lab, { node }) => setLimits(lab, node, noLimitMs),
};

const setLimits = async (lab: Lab, node: string, ms: number): Promise<void> => {
  const settings = [`net/ipv4/icmp_ratelimit=${ms}`, `net/ipv6/icmp/ratelimit=${ms}`];
  await must(lab, node, 'sysctl', ['-q', '-w', ...settings]);
};
