import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { inNamespace } from '../kernel/namespace.ts';
import type { AddressPlan, LabInterface } from '../topology/addresses.ts';
import type { Routing } from '../topology/routes.ts';
import type { LabNode, Topology } from '../topology/topology.ts';
import { labFolder, namespaceName } from './names.ts';
import { routeLines } from './route-lines.ts';
import { inParallel, ipBatch, ipBatchFile, run } from './run.ts';

type Parts = { lab: string; topology: Topology; plan: AddressPlan; routing: Routing };

/**
 * Veth pairs straight between the namespaces, nothing passes through the machine's own, then each
 * namespace's addresses, neighbours and routes.
 */
export const makeWires = async (parts: Parts): Promise<void> => {
  const { lab, topology, plan, routing } = parts;
  await ipBatchFile(
    `${labFolder(lab)}/wires.batch`,
    topology.links.map(({ a, b }) => {
      const end = (of: LabInterface) =>
        `name ${of.name} address ${of.mac} netns ${namespaceName(lab, of.node)}`;
      return `link add ${end(plan.interfaceOf(a, b))} type veth peer ${end(plan.interfaceOf(b, a))}`;
    }),
  );
  const [switches, others] = [true, false].map((is) =>
    topology.nodes.filter(({ role }) => (role === 'switch') === is),
  ) as [LabNode[], LabNode[]];
  await inParallel(others, ({ name }) =>
    ipBatch(
      ['-n', namespaceName(lab, name)],
      [
        ...addressLines(plan, name),
        ...neighbourLines(plan, name),
        ...routeLines(routing.tables.get(name) ?? []),
      ],
    ),
  );
  // A bridge takes a port at once whose other end is up already.
  await inParallel(switches, ({ name }) =>
    ipBatch(['-n', namespaceName(lab, name)], bridgeLines(plan, name)),
  );
};

/**
 * The kernel tells an interface of its carrier up to a second later; packets sent before are lost.
 */
export const untilWiresCarry = async ({ lab, topology, plan }: Parts): Promise<void> => {
  const deadlineMs = performance.now() + longestWaitMs;
  for (const { name, role } of topology.nodes) {
    const isReady = () =>
      role === 'switch' ? portsForward(lab, plan, name) : interfacesRun(lab, plan, name);
    while (!(await isReady())) {
      if (performance.now() > deadlineMs) throw new Error(`the links of ${name} have no carrier`);
      await sleep(10);
    }
  }
};

const longestWaitMs = 10_000;

/** Node lists interfaces that are up and running only. */
const interfacesRun = (lab: string, plan: AddressPlan, node: string): boolean => {
  const running = inNamespace(namespaceName(lab, node), () => networkInterfaces());
  return wiresOf(plan, node).every(({ name }) => running[name] !== undefined);
};

const portsForward = async (lab: string, plan: AddressPlan, node: string): Promise<boolean> => {
  const ports = await run('bridge', ['-n', namespaceName(lab, node), 'link', 'show']);
  const forwarding = ports.split('\n').filter((line) => line.includes('state forwarding'));
  return forwarding.length === wiresOf(plan, node).length;
};

const wiresOf = (plan: AddressPlan, node: string) =>
  plan.interfaces.filter((end) => end.node === node);

const bridgeLines = (plan: AddressPlan, name: string): string[] => [
  'link set dev lo up',
  'link add name br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0',
  'link set dev br0 up',
  ...wiresOf(plan, name).flatMap((end) => [`link set dev ${end.name} master br0 up`]),
];

const addressLines = (plan: AddressPlan, name: string): string[] => {
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
