import type { LabLink, LabNode, Topology } from './topology.ts';

/** A neighbour as IP sees it: at the other end of a link, or across the switch both hang on. */
export type Adjacency = {
  from: string;
  to: string;
  /** One link, or two with a switch between them; in the order a packet passes them. */
  links: readonly LabLink[];
  /** The switch, where there is one. */
  across: string | null;
};

export type Graph = {
  node(name: string): LabNode;
  /** Neighbours of a node, never a switch. */
  adjacent(name: string): readonly Adjacency[];
};

export const linkId = ({ a, b }: LabLink): string => `${a}-${b}`;

/** Devices, edges and servers with two links are no way through for others. */
export const forwards = ({ role }: LabNode): boolean => role === 'router' || role === 'gateway';

export const createGraph = (topology: Topology): Graph => {
  checkTopology(topology);
  const nodes = new Map(topology.nodes.map((node) => [node.name, node]));
  const node = (name: string): LabNode => {
    const found = nodes.get(name);
    if (found === undefined) throw new Error(`${topology.name} has no node "${name}"`);
    return found;
  };
  const linksOf = (name: string) => topology.links.filter(({ a, b }) => a === name || b === name);
  const adjacent = (name: string): Adjacency[] =>
    linksOf(name).flatMap((link): Adjacency[] => {
      const to = otherEnd(link, name);
      if (node(to).role !== 'switch') return [{ from: name, to, links: [link], across: null }];
      return linksOf(to)
        .filter((next) => next !== link)
        .map((next) => ({ from: name, to: otherEnd(next, to), links: [link, next], across: to }));
    });
  const adjacencies = new Map(topology.nodes.map(({ name }) => [name, adjacent(name)]));
  return { node, adjacent: (name) => adjacencies.get(name) ?? [] };
};

export const otherEnd = ({ a, b }: LabLink, name: string): string => (a === name ? b : a);

/** Nodes that can be reached from `start` through nodes that `passes` accepts. */
export const connectedTo = (
  graph: Graph,
  start: string,
  passes: (name: string) => boolean,
): Set<string> => {
  const found = new Set([start]);
  for (const name of found) {
    for (const { to } of graph.adjacent(name)) if (passes(to)) found.add(to);
  }
  return found;
};

/** What stands behind a border that only some nodes may pass: everything cut off from them without it. */
export const behindBorder = (topology: Topology, graph: Graph, border: string): Set<string> => {
  const allowed = topology.reachableOnlyFrom?.[border] ?? [];
  const outside = new Set(
    allowed.flatMap((start) => [...connectedTo(graph, start, (name) => name !== border)]),
  );
  return new Set(
    topology.nodes
      .filter(({ name, role }) => role !== 'switch' && name !== border && !outside.has(name))
      .map(({ name }) => name),
  );
};

/** What the builder relies on, said before anything is made. */
const checkTopology = (topology: Topology): void => {
  const roles = new Map(topology.nodes.map(({ name, role }) => [name, role]));
  const wrong = (what: string): never => {
    throw new Error(`topology ${topology.name}: ${what}`);
  };
  if (roles.size !== topology.nodes.length) wrong('two nodes have the same name');
  for (const name of roles.keys()) {
    // "to-" and the name are an interface's name, 15 characters at most.
    if (!/^[a-z][a-z0-9]{0,9}$/.test(name)) wrong(`"${name}" is no name for a node`);
  }
  const pairs = new Set<string>();
  for (const { a, b } of topology.links) {
    const ends = [
      roles.get(a) ?? wrong(`link to unknown ${a}`),
      roles.get(b) ?? wrong(`link to unknown ${b}`),
    ];
    if (ends[0] === ends[1] && (ends[0] === 'switch' || ends[0] === 'gateway')) {
      wrong(`${a} and ${b}: two of a kind side by side leave no place to delay packets`);
    }
    const pair = [a, b].sort().join(' ');
    if (pairs.has(pair)) wrong(`two links between ${a} and ${b}`);
    pairs.add(pair);
  }
};
