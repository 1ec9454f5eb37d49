import type { Lab } from '../../lab.ts';
import { portalPort } from '../../services/control.ts';
import { interfaceName } from '../../topology/addresses.ts';
import { checkKnown, type Doer } from './doer.ts';
import { putTable, removeTable } from './filter.ts';

const table = 'whyslow_portal';

/**
 * As hotels do it: names are resolved, HTTP is answered by the gateway whoever was asked, and nothing
 * else passes, connections that are open included.
 */
export const captivePortalDoer: Doer<'captive-portal'> = {
  changes: ({ gateway }) => `what passes ${gateway}`,
  check: (lab, { gateway }) =>
    checkKnown(
      'gateway',
      gateway,
      lab.topology.nodes.filter(({ role }) => role === 'gateway').map(({ name }) => name),
    ),
  apply: (lab, { gateway }) => {
    const inside = `"${insideOf(lab, gateway)}"`;
    return putTable(lab, gateway, table, [
      'chain answers { type nat hook prerouting priority dstnat - 5;',
      `iifname ${inside} tcp dport 80 redirect to :${portalPort}`,
      '}',
      'chain passes { type filter hook forward priority filter - 5;',
      'meta l4proto { tcp, udp } th dport 53 accept',
      'meta l4proto { tcp, udp } th sport 53 accept',
      `iifname ${inside} drop`,
      `oifname ${inside} drop`,
      '}',
    ]);
  },
  undo: (lab, { gateway }) => removeTable(lab, gateway, table),
};

/** The gateway's end of the link to its site. */
const insideOf = ({ topology }: Lab, gateway: string): string => {
  const link = topology.links.find(({ b }) => b === gateway);
  if (link === undefined) throw new Error(`${gateway} has no site`);
  return interfaceName(link.a);
};
