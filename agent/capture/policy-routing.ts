import { configureLink } from '#runtime/kernel/configure-link.ts';
import { udpCapture } from './rules.ts';

/**
 * Sends marked datagrams to this machine itself, where TPROXY gives them to the agent. Unlike the
 * owned table this outlives a killed agent; without a mark nothing follows it, and the next start
 * begins with taking it away.
 */
export const addPolicyRouting = async (): Promise<void> => {
  await removePolicyRouting();
  await configureLink(lines('add', '0.0.0.0/0'));
  // Where IPv6 is switched off there is nothing to divert.
  await configureLink(lines('add', '::/0'), { family: 6, mayFail: true });
};

export const removePolicyRouting = async (): Promise<void> => {
  await configureLink(lines('del', '0.0.0.0/0'), { mayFail: true });
  await configureLink(lines('del', '::/0'), { family: 6, mayFail: true });
};

const { mark, table, priority } = udpCapture;
const lines = (verb: 'add' | 'del', all: string): string[] => [
  `rule ${verb} fwmark ${mark} lookup ${table} priority ${priority}`,
  `route ${verb} local ${all} dev lo table ${table}`,
];
