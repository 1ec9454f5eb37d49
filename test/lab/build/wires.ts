import type { AddressPlan, LabInterface } from '../topology/addresses.ts';
import type { Routing } from '../topology/routes.ts';
import type { LabNode, Topology } from '../topology/topology.ts';
import { namespaceName } from './names.ts';
import { inParallel, ipBatch } from './run.ts';
import { routeLines } from './route-lines.ts';

type Parts = { lab: string; topology: Topology; plan: AddressPlan; routing: Routing };

/**
 * Veth pairs straight between the namespaces, nothing passes through the machine's own, then each
 * namespace's addresses, neighbours and routes.
 */
export const makeWires = async (parts: Parts): Promise<void> => {
  const { lab, topology, plan, routing } = parts;
  await ipBatch(
    [],
    topology.links.map(({ a, b }) => {
      const end = (of: LabInterface) =>
        `name ${of.name} address ${of.mac} netns ${namespaceName(lab, of.node)}`;
      return `link add ${end(plan.interfaceOf(a, b))} type veth peer ${end(plan.interfaceOf(b, a))}`;
    }),
  );
  await inParallel(topology.nodes, async (node) => {
    const lines = [
      ...(node.role === 'switch' ? bridgeLines(plan, node) : addressLines(plan, node)),
      ...neighbourLines(plan, node.name),
      ...routeLines(routing.tables.get(node.name) ?? []),
    ];
    await ipBatch(['-n', namespaceName(lab, node.name)], lines);
  });
};

const wiresOf = (plan: AddressPlan, node: string) =>
  plan.interfaces.filter((end) => end.node === node);

const bridgeLines = (plan: AddressPlan, { name }: LabNode): string[] => [
  'link set dev lo up',
  'link add name br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0',
  'link set dev br0 up',
  ...wiresOf(plan, name).flatMap((end) => [`link set dev ${end.name} master br0 up`]),
];

const addressLines = (plan: AddressPlan, { name }: LabNode): string[] => {
  const own = plan.loopback(name);
  return [
    'link set dev lo up',
    ...(own === null ? [] : [`address add ${own.address4}/32 dev lo`]),
    ...(own === null ? [] : [`address add ${own.address6}/128 dev lo nodad`]),
    ...wiresOf(plan, name).flatMap((end) => [
      `address add ${end.address4}/${end.prefixLength4} dev ${end.name}`,
      `address add ${end.address6}/${end.prefixLength6} dev ${end.name} nodad`,
      `link set dev ${end.name} up`,
    ]),
  ];
};

/**
 * Permanent neighbours: no packet waits for ARP or neighbour discovery, and faults that lose packets
 * do not lose these.
 */
export const neighbourLines = (plan: AddressPlan, node: string): string[] =>
  wiresOf(plan, node).flatMap((own) =>
    own.address4 === null
      ? []
      : neighboursOf(plan, own).flatMap(({ address4, address6, mac }) => [
          `neighbour replace ${address4} lladdr ${mac} dev ${own.name} nud permanent`,
          `neighbour replace ${address6} lladdr ${mac} dev ${own.name} nud permanent`,
        ]),
  );

const neighboursOf = (plan: AddressPlan, own: LabInterface): LabInterface[] => {
  const direct = plan.interfaceOf(own.towards, own.node);
  if (direct.address4 !== null) return [direct];
  return plan.interfaces.filter((end) => end.towards === own.towards && end.node !== own.node);
};
