import { type AddressPlan, canonical, prefixOf } from './addresses.ts';
import {
  type Adjacency,
  behindBorder,
  connectedTo,
  createGraph,
  forwards,
  type Graph,
  linkId,
} from './graph.ts';
import type { LabLink, Topology } from './topology.ts';

export type Family = 4 | 6;

/** One line of a routing table; several next hops share the load by flow. */
export type Route = {
  family: Family;
  prefix: string;
  /** The address a host speaks from; routers speak from the interface they answer by. */
  source: string | null;
  nextHops: readonly { via: string; device: string }[];
};

/** Metric of links by id that differ from the topology's. */
export type Metrics = Readonly<Record<string, number>>;

export type Routing = {
  tables: ReadonlyMap<string, readonly Route[]>;
  /** All paths of equal, least cost, as names of nodes with both ends and the switches between. */
  between(from: string, to: string, family?: Family): string[][];
};

/** Shortest paths from every node to every address, as static tables. */
export const planRoutes = (
  topology: Topology,
  plan: AddressPlan,
  metrics: Metrics = {},
): Routing => {
  const graph = createGraph(topology);
  const cost = costOf(topology, metrics);
  const may = permission(topology, graph);
  const destinations = listDestinations(topology, plan, graph);
  const ways = destinations.map((destination) => ({
    destination,
    next: nextHopsTo({ topology, graph, cost, may, destination }),
  }));
  const table = (name: string): Route[] => {
    const node = graph.node(name);
    if (node.role === 'switch') return [];
    const source = forwards(node) ? null : node;
    const only = node.role === 'device' ? onlyWayOut(graph, name) : null;
    if (only !== null) return defaultRoutes(plan, only);
    return ways.flatMap(({ destination, next }): Route[] => {
      const hops = next.get(name) ?? [];
      if (hops.length === 0 || destination.connected.has(name)) return [];
      return ([4, 6] as const).flatMap((family): Route[] => {
        const prefix = family === 4 ? destination.prefix4 : destination.prefix6;
        if (prefix === null || !destination.seenBy(name, family)) return [];
        const address = family === 4 ? source?.address4 : source?.address6;
        return [
          {
            family,
            prefix,
            source: address ?? null,
            nextHops: hops.map((hop) => hopAddress(plan, hop, family)),
          },
        ];
      });
    });
  };
  return {
    tables: new Map(topology.nodes.map(({ name }) => [name, table(name)])),
    between: (from, to, family = 4) => pathsBetween({ ways, graph, plan, from, to, family }),
  };
};

type Destination = {
  prefix4: string | null;
  prefix6: string | null;
  /** Nodes that packets for it are handed to. */
  owners: readonly string[];
  /** Nodes that need no route: it is on their own wire or is their own. */
  connected: ReadonlySet<string>;
  seenBy(node: string, family: Family): boolean;
};

type Way = { destination: Destination; next: ReadonlyMap<string, readonly Adjacency[]> };

/** Whole microseconds, so that equal sums are equal. */
const costOf = (topology: Topology, metrics: Metrics): ((links: readonly LabLink[]) => number) => {
  const costs = new Map(
    topology.links.map((link) => {
      const metric = metrics[linkId(link)] ?? link.metric ?? link.delayMs;
      return [linkId(link), Math.max(1, Math.round(metric * 1_000))];
    }),
  );
  for (const id of Object.keys(metrics)) {
    if (!costs.has(id)) throw new Error(`${topology.name} has no link "${id}"`);
  }
  return (links) => links.reduce((sum, link) => sum + (costs.get(linkId(link)) ?? 0), 0);
};

const listDestinations = (topology: Topology, plan: AddressPlan, graph: Graph): Destination[] => {
  const everywhere = () => true;
  const withinSite = (owner: string) => {
    const site = connectedTo(graph, owner, (name) => graph.node(name).asn === 0);
    return (name: string, family: Family) => family === 6 || site.has(name);
  };
  const visibility = (owners: readonly string[]) => {
    const [first = ''] = owners;
    return owners.every((owner) => graph.node(owner).asn === 0) ? withinSite(first) : everywhere;
  };
  const hosts = topology.nodes.flatMap(({ name }): Destination[] => {
    const own = plan.loopback(name);
    if (own === null) return [];
    return [
      {
        prefix4: `${own.address4}/32`,
        prefix6: `${canonical(own.address6)}/128`,
        owners: [name],
        connected: new Set([name]),
        seenBy: visibility([name]),
      },
    ];
  });
  const wires = new Map<string, { prefix4: string; prefix6: string; ends: string[] }>();
  for (const { node, address4, address6, prefixLength4 } of plan.interfaces) {
    if (address4 === null || address6 === null) continue;
    const prefix4 = prefixOf(address4, prefixLength4);
    const wire = wires.get(prefix4) ?? { prefix4, prefix6: prefixOf(address6, 64), ends: [] };
    wire.ends.push(node);
    wires.set(prefix4, wire);
  }
  const segments = [...wires.values()].map(({ prefix4, prefix6, ends }): Destination => {
    const doors = ends.filter((end) => forwards(graph.node(end)));
    return {
      prefix4,
      prefix6,
      owners: doors.length > 0 ? doors : ends,
      connected: new Set(ends),
      seenBy: visibility(ends),
    };
  });
  return [...hosts, ...segments];
};

/** Whether a node may have a route to what these nodes own, where a border lets only some pass. */
const permission = (topology: Topology, graph: Graph) => {
  const borders = Object.entries(topology.reachableOnlyFrom ?? {}).map(([border, allowed]) => ({
    inside: new Set([border, ...behindBorder(topology, graph, border)]),
    behind: behindBorder(topology, graph, border),
    allowed,
  }));
  return {
    /** Nodes whose packets may go there; null: everyone's. */
    sourcesFor(owners: readonly string[]): ReadonlySet<string> | null {
      const border = borders.find(({ behind }) => owners.some((owner) => behind.has(owner)));
      return border === undefined ? null : new Set([...border.inside, ...border.allowed]);
    },
    /** What is behind a border knows only whom it may talk to. */
    mayKnow(node: string, owners: readonly string[]): boolean {
      const border = borders.find(({ behind }) => behind.has(node));
      if (border === undefined) return true;
      return owners.some((owner) => border.inside.has(owner) || border.allowed.includes(owner));
    },
  };
};

const nextHopsTo = (parts: {
  topology: Topology;
  graph: Graph;
  cost(links: readonly LabLink[]): number;
  may: ReturnType<typeof permission>;
  destination: Destination;
}): Map<string, readonly Adjacency[]> => {
  const { topology, graph, cost, may, destination } = parts;
  const distance = distancesTo(graph, cost, destination.owners);
  const owned = new Set(destination.owners);
  const next = new Map<string, readonly Adjacency[]>();
  for (const { name, role } of topology.nodes) {
    const total = distance.get(name);
    if (role === 'switch' || total === undefined || owned.has(name)) continue;
    if (!may.mayKnow(name, destination.owners)) continue;
    const hops = graph
      .adjacent(name)
      .filter(({ to }) => owned.has(to) || forwards(graph.node(to)))
      .filter(({ to, links }) => (distance.get(to) ?? Infinity) + cost(links) === total);
    next.set(name, hops);
  }
  const sources = may.sourcesFor([...destination.connected]);
  return sources === null ? next : onlyFrom(next, sources);
};

/** Dijkstra from the owners outwards; the way goes through nodes that forward only. */
const distancesTo = (
  graph: Graph,
  cost: (links: readonly LabLink[]) => number,
  owners: readonly string[],
): Map<string, number> => {
  const distance = new Map(owners.map((owner) => [owner, 0]));
  const open = new Set(owners);
  while (open.size > 0) {
    const nearest = [...open].reduce((best, name) =>
      (distance.get(name) ?? Infinity) < (distance.get(best) ?? Infinity) ? name : best,
    );
    open.delete(nearest);
    const isOwner = owners.includes(nearest);
    if (!isOwner && !forwards(graph.node(nearest))) continue;
    for (const { to, links } of graph.adjacent(nearest)) {
      const total = (distance.get(nearest) ?? Infinity) + cost(links);
      if (total >= (distance.get(to) ?? Infinity)) continue;
      distance.set(to, total);
      open.add(to);
    }
  }
  return distance;
};

/** Keeps the routes that packets of these sources need, and no others. */
const onlyFrom = (
  next: ReadonlyMap<string, readonly Adjacency[]>,
  sources: ReadonlySet<string>,
): Map<string, readonly Adjacency[]> => {
  const needed = new Set(sources);
  for (const name of needed) for (const { to } of next.get(name) ?? []) needed.add(to);
  return new Map([...next].filter(([name]) => needed.has(name)));
};

const onlyWayOut = (graph: Graph, name: string): Adjacency | null => {
  const ways = graph.adjacent(name).filter(({ to }) => forwards(graph.node(to)));
  const [way] = ways;
  return ways.length === 1 && way !== undefined ? way : null;
};

/** A device knows its gateway and nothing else, as users' machines do; the gateway has no default. */
const defaultRoutes = (plan: AddressPlan, way: Adjacency): Route[] =>
  ([4, 6] as const).map((family) => ({
    family,
    prefix: family === 4 ? '0.0.0.0/0' : '::/0',
    source: null,
    nextHops: [hopAddress(plan, way, family)],
  }));

const hopAddress = (plan: AddressPlan, hop: Adjacency, family: Family) => {
  const here = plan.interfaceOf(hop.from, hop.across ?? hop.to);
  const there = plan.interfaceOf(hop.to, hop.across ?? hop.from);
  return { via: (family === 4 ? there.address4 : there.address6) ?? '', device: here.name };
};

const pathsBetween = (parts: {
  ways: readonly Way[];
  graph: Graph;
  plan: AddressPlan;
  from: string;
  to: string;
  family: Family;
}): string[][] => {
  const { ways, graph, plan, from, to, family } = parts;
  graph.node(from);
  const inSegment = graph.adjacent(from).find((hop) => hop.to === to && hop.across !== null);
  if (inSegment?.across != null) return [[from, inSegment.across, to]];
  const { address4, address6 } = graph.node(to);
  const prefix = plan.loopback(to) === null ? null : canonical(address6);
  const way = ways.find(({ destination }) =>
    prefix === null
      ? destination.connected.has(to) && destination.prefix4 === prefixOf(address4, 24)
      : destination.prefix6 === `${prefix}/128`,
  );
  if (way === undefined || !way.destination.seenBy(from, family)) return [];
  const walk = (name: string): string[][] => {
    if (name === to) return [[to]];
    // The last wire of a switched segment is no route but a neighbour.
    const direct = graph.adjacent(name).filter((hop) => hop.to === to && hop.across !== null);
    const hops = direct.length > 0 ? direct : (way.next.get(name) ?? []);
    return hops.flatMap((hop) =>
      walk(hop.to).map((rest) => [name, ...(hop.across === null ? [] : [hop.across]), ...rest]),
    );
  };
  return walk(from);
};
