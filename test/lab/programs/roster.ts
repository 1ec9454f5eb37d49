import type { LabNode, Topology } from '../topology/topology.ts';

/** One program of ours on one node of the lab. */
export type LabProgram = {
  /** `collector`, `edge-e1`, `agent-a1`: what faults and `programs/*.json` call it. */
  name: string;
  kind: 'collector' | 'edge' | 'agent';
  node: LabNode;
};

/** Collector first, then edges, then agents: the order in which they can start. */
export const programsOf = (topology: Topology, devices?: readonly string[]): LabProgram[] => {
  const of = (role: LabNode['role']) => topology.nodes.filter((node) => node.role === role);
  const watched = of('device').filter(({ name }) => devices?.includes(name) ?? true);
  return [
    ...of('collector').map((node) => ({ name: 'collector', kind: 'collector' as const, node })),
    ...of('edge').map((node) => ({ name: `edge-${node.name}`, kind: 'edge' as const, node })),
    ...watched.map((node) => ({ name: `agent-${node.name}`, kind: 'agent' as const, node })),
  ];
};
