import { planQueues } from '../build/queues.ts';
import type { Lab } from '../lab.ts';
import { planAddresses } from '../topology/addresses.ts';

/** Everything that faults may change in a network, to be compared with what it was. */
export const snapshot = async (lab: Lab): Promise<Record<string, unknown>> => {
  const { topology } = lab;
  const keys = planQueues(lab.name, topology, planAddresses(topology)).map(({ key }) => key);
  const kernel = topology.nodes.map(async ({ name }) => {
    const { stdout } = await lab.exec(name, 'sh', ['-c', lookAtAll]);
    return [name, stdout.split('\n').map(withoutCounters).sort()];
  });
  const queues = keys.map(async (key) => [key, await lab.shim.get(key)]);
  const services = topology.nodes
    .filter(({ role }) => role === 'server' || role === 'name-server')
    .map(async ({ name }) => [`service ${name}`, await lab.services.get(name)]);
  const entries = await Promise.all([...kernel, ...queues, ...services]);
  return Object.fromEntries(entries as [string, unknown][]);
};

const lookAtAll = [
  'tc qdisc show',
  'nft list tables',
  'ip -o link show',
  'ip -4 route show',
  'ip -6 route show',
  'ip -o address show',
  'ip neighbour show nud permanent',
  'sysctl net.ipv4.icmp_ratelimit net.ipv6.icmp.ratelimit',
].join('; ');

/** Handles and sequence numbers of the kernel change with every new thing of the same kind. */
const withoutCounters = (line: string): string =>
  line
    .replace(/(qdisc \w+) \w+:/, '$1')
    .replace(/ refcnt \d+/, '')
    .trim();
