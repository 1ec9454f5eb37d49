import { type Impairment, noImpairment, type ShimQueue } from '../shim/control.ts';
import { type AddressPlan, interfaceName } from '../topology/addresses.ts';
import { createGraph } from '../topology/graph.ts';
import type { LabNode, Topology } from '../topology/topology.ts';
import { namespaceName } from './names.ts';

/** A queue and the rules that put packets into it: chain and match by family. */
export type PlacedQueue = ShimQueue & { node: string; rules: readonly QueueRule[] };
export type QueueRule = { family: 4 | 6; chain: string; match: string };

type Unnumbered = Omit<PlacedQueue, 'namespace' | 'queueNumber'>;

/**
 * Where packets are held up. One rule per chain and packet: a verdict of the shim ends the chain.
 * None in a gateway's namespace: packets of one connection that wait in a queue side by side are
 * dropped where the kernel tracks connections.
 */
export const planQueues = (lab: string, topology: Topology, plan: AddressPlan): PlacedQueue[] => {
  const graph = createGraph(topology);
  const directions = topology.links.flatMap((link) => {
    const impairment = { delayMs: link.delayMs, jitterMs: link.jitterMs ?? 0 };
    const [a, b] = [graph.node(link.a), graph.node(link.b)];
    return [queueOfDirection(a, b, impairment), queueOfDirection(b, a, impairment)];
  });
  const others = topology.nodes.flatMap((node) => queuesOfNode(node, plan, topology));
  const used = new Map<string, number>();
  return [...directions, ...others].map((queue) => {
    const queueNumber = used.get(queue.node) ?? 0;
    used.set(queue.node, queueNumber + 1);
    return { ...queue, namespace: namespaceName(lab, queue.node), queueNumber };
  });
};

const queueOfDirection = (
  from: LabNode,
  to: LabNode,
  impairment: Partial<Impairment>,
): Unnumbered => ({
  key: `link:${from.name}>${to.name}`,
  impairment: { ...noImpairment, ...impairment },
  ...placeOfDirection(from, to),
});

/** At the sending end where that may be, after routing and before the interface's own queue. */
const placeOfDirection = (from: LabNode, to: LabNode): Pick<Unnumbered, 'node' | 'rules'> => {
  const [out, into] = [interfaceName(to.name), interfaceName(from.name)];
  if (from.role === 'switch') {
    const match = `-m physdev --physdev-is-bridged --physdev-out ${out}`;
    return { node: from.name, rules: both('POSTROUTING', match) };
  }
  if (to.role === 'switch') {
    return { node: to.name, rules: both('PREROUTING', `-m physdev --physdev-in ${into}`) };
  }
  if (from.role === 'gateway') return { node: to.name, rules: both('PREROUTING', `-i ${into}`) };
  return { node: from.name, rules: both('POSTROUTING', `-o ${out}`) };
};

const queuesOfNode = (node: LabNode, plan: AddressPlan, topology: Topology): Unnumbered[] => {
  switch (node.role) {
    case 'router':
      return [unimpaired(`time-exceeded:${node.name}`, node.name, timeExceeded('OUTPUT'))];
    case 'gateway':
      return gatewayExpiries(node, plan, topology);
    case 'name-server': {
      const answers = ['udp', 'tcp'].flatMap((kind) => both('OUTPUT', `-p ${kind} --sport 53`));
      return [unimpaired(`dns:${node.name}`, node.name, answers)];
    }
    case 'edge': {
      const attempts = both('OUTPUT', '-p tcp --tcp-flags SYN,ACK,RST SYN');
      return [unimpaired(`syn:${node.name}`, node.name, attempts)];
    }
    case 'device':
    case 'switch':
    case 'collector':
    case 'server':
      return [];
  }
};

/** What a gateway says of expired TTLs is held up as it passes the site's switch. */
const gatewayExpiries = (node: LabNode, plan: AddressPlan, topology: Topology): Unnumbered[] => {
  const roles = new Map(topology.nodes.map(({ name, role }) => [name, role]));
  const wire = plan.interfaces.find(
    (end) => end.node === node.name && roles.get(end.towards) === 'switch',
  );
  if (wire === undefined) return [];
  const from = (source: string) =>
    `-m physdev --physdev-in ${interfaceName(node.name)} -s ${source}`;
  const rules = timeExceeded('FORWARD', { 4: from(node.address4), 6: from(node.address6) });
  return [unimpaired(`time-exceeded:${node.name}`, wire.towards, rules)];
};

const timeExceeded = (
  chain: string,
  match: Record<4 | 6, string> = { 4: '', 6: '' },
): QueueRule[] => [
  { family: 4, chain, match: `${match[4]} -p icmp --icmp-type time-exceeded` },
  { family: 6, chain, match: `${match[6]} -p icmpv6 --icmpv6-type time-exceeded` },
];

const both = (chain: string, match: string): QueueRule[] => [
  { family: 4, chain, match },
  { family: 6, chain, match },
];

const unimpaired = (key: string, node: string, rules: readonly QueueRule[]): Unnumbered => ({
  key,
  node,
  rules,
  impairment: noImpairment,
});
