import { type AddressPlan, interfaceName } from '../topology/addresses.ts';
import { behindBorder, createGraph } from '../topology/graph.ts';
import type { LabNode, Topology } from '../topology/topology.ts';
import { namespaceName } from './names.ts';
import type { PlacedQueue } from './queues.ts';
import { inParallel, run } from './run.ts';

type Parts = {
  lab: string;
  topology: Topology;
  plan: AddressPlan;
  queues: readonly PlacedQueue[];
};

/** Queues, address translation and borders. They stay for the lab's life; faults change the shim. */
export const makeRules = async (parts: Parts): Promise<void> => {
  const jobs = parts.topology.nodes.flatMap((node) =>
    ([4, 6] as const).map((family) => ({ node, family, text: rulesOf(parts, node, family) })),
  );
  await inParallel(
    jobs.filter(({ text }) => text !== ''),
    ({ node, family, text }) =>
      run(
        'ip',
        [
          ...['netns', 'exec', namespaceName(parts.lab, node.name)],
          family === 4 ? 'iptables-restore' : 'ip6tables-restore',
        ],
        text,
      ),
  );
};

const rulesOf = (parts: Parts, node: LabNode, family: 4 | 6): string =>
  [
    table('mangle', queueRules(parts.queues, node, family)),
    table('nat', family === 4 ? translationRules(parts, node) : []),
    table('filter', borderRules(parts, node, family)),
  ].join('');

const table = (name: string, rules: readonly string[]): string =>
  rules.length === 0 ? '' : `*${name}\n${rules.join('\n')}\nCOMMIT\n`;

/** Without a shim the packets pass as if there were no rule. */
const queueRules = (queues: readonly PlacedQueue[], node: LabNode, family: 4 | 6): string[] =>
  queues
    .filter((queue) => queue.node === node.name)
    .flatMap(({ rules, queueNumber }) =>
      rules
        .filter((rule) => rule.family === family)
        .map(
          ({ chain, match }) =>
            `-A ${chain} ${match} -j NFQUEUE --queue-num ${queueNumber} --queue-bypass`,
        ),
    );

/** IPv4 leaves a site with the gateway's address; IPv6 is routed. */
const translationRules = ({ topology, plan }: Parts, node: LabNode): string[] => {
  if (node.role !== 'gateway') return [];
  const { node: find } = createGraph(topology);
  return plan.interfaces
    .filter((end) => end.node === node.name && find(end.towards).asn !== 0)
    .map((end) => `-A POSTROUTING -o ${end.name} -j SNAT --to-source ${end.address4}`);
};

/** Lets in what the allowed nodes send, and errors about what went out; no one else, not even a word. */
const borderRules = ({ topology, plan }: Parts, node: LabNode, family: 4 | 6): string[] => {
  const allowed = topology.reachableOnlyFrom?.[node.name];
  if (allowed === undefined) return [];
  const graph = createGraph(topology);
  const behind = behindBorder(topology, graph, node.name);
  const inner = plan.interfaces.filter((end) => end.node === node.name && behind.has(end.towards));
  const sources = allowed.map((name) => {
    const { address4, address6 } = graph.node(name);
    return family === 4 ? address4 : address6;
  });
  const errors =
    family === 4
      ? ['destination-unreachable', 'time-exceeded'].map((type) => `-p icmp --icmp-type ${type}`)
      : ['destination-unreachable', 'packet-too-big', 'time-exceeded'].map(
          (type) => `-p icmpv6 --icmpv6-type ${type}`,
        );
  return inner.flatMap(({ towards }) => {
    const out = `-A FORWARD -o ${interfaceName(towards)}`;
    return [
      ...inner.map((from) => `${out} -i ${from.name} -j ACCEPT`),
      ...sources.map((source) => `${out} -s ${source} -j ACCEPT`),
      ...errors.map((match) => `${out} ${match} -j ACCEPT`),
      `${out} -j DROP`,
    ];
  });
};
