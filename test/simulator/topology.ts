import {
  createNetwork,
  createWay,
  type Isp,
  type Link,
  type Measures,
  measures,
  type Network,
  type Place,
  type Router,
  type Transit,
  type Way,
} from './network.ts';
import type { WorldOptions } from './options.ts';
import { Random } from './random.ts';

export const regionCount = 3;
const ispCount = 6;
const transitCount = 4;
const edgeCount = 5;

export type FrontEnd = Place & { appIndex: number };

export type Application = {
  id: string;
  name: string;
  host: string;
  /** Straight from the device, not through its edge. */
  direct: boolean;
  frontEnds: FrontEnd[];
  serverMs: number;
  /** Of a TLS handshake's computing, both ends together. */
  tlsWorkMs: number;
  tls: '1.2' | '1.3';
  bodyBytes: number;
  renderMs: number;
  /** Hosts of other parties that its page waits for. */
  thirdParties: string[];
};

export type Topology = ReturnType<typeof createTopology>;

/** Networks between devices and applications (§16.1). Sites hang their own lines on it. */
export const createTopology = (options: WorldOptions) => {
  const random = new Random(options.seed, 'topology');
  const network = createNetwork(options, random);
  const transits = createTransits(network, random);
  const edges = Array.from({ length: edgeCount }, (_, i) =>
    createPlace(network, random, `edge-${i + 1}`, `198.19.${10 + i}`, 65_010 + i, 2),
  );
  const applications = createApplications(network, random);
  const frontEnds = applications.flatMap((application) => application.frontEnds);
  const isps = createIsps(network, random, edges, frontEnds);
  const ways = createWays({ network, random, transits, isps, edges, frontEnds });
  return { network, transits, edges, applications, frontEnds, isps, ...ways };
};

const createTransits = (network: Network, random: Random): Transit[] =>
  Array.from({ length: transitCount }, (_, i) => {
    const asn = 64_600 + i;
    const routers = Array.from({ length: 4 }, () => network.addRouter(`198.19.${i}`, asn));
    const drawn = random.unit();
    return { asn, routers, mpls: drawn < 0.3 ? 'uniform' : drawn < 0.5 ? 'pipe' : 'none' };
  });

/** An edge or a front end: it hangs on `homes` transits, each at one of their routers. */
const createPlace = (
  network: Network,
  random: Random,
  id: string,
  addresses: string,
  asn: number,
  homes: number,
): Place => {
  const border = network.addRouter(addresses, asn);
  const host = network.addRouter(addresses, asn, 'host');
  const chosen = shuffled(random, [0, 1, 2, 3]).slice(0, homes);
  return { id, border, host, entries: new Map(chosen.map((t) => [t, random.below(4)])) };
};

const names = ['crm', 'mail', 'wiki', 'payroll', 'files', 'chat', 'erp'];
const parties = ['cdn.example', 'fonts.example', 'metrics.example', 'login.example'];

/** The last one is reached straight. */
const createApplications = (network: Network, random: Random): Application[] =>
  names.map((id, i) => ({
    id,
    name: id === 'crm' || id === 'erp' ? id.toUpperCase() : `${id[0]?.toUpperCase()}${id.slice(1)}`,
    host: `${id}.example`,
    direct: i === names.length - 1,
    frontEnds: Array.from({ length: random.chance(0.5) ? 2 : 1 }, (_, f) => ({
      ...createPlace(network, random, `${id}-${f + 1}`, `198.19.${32 + 2 * i + f}`, 65_100 + i, 4),
      appIndex: i,
    })),
    serverMs: random.logBetween(30, 200),
    tlsWorkMs: random.between(1, 4),
    tls: random.chance(0.15) ? '1.2' : '1.3',
    bodyBytes: Math.round(random.logBetween(4_000, 200_000)),
    renderMs: random.logBetween(120, 500),
    thirdParties: shuffled(random, parties).slice(0, 2),
  }));

const createIsps = (
  network: Network,
  random: Random,
  edges: readonly Place[],
  frontEnds: readonly Place[],
): Isp[] =>
  Array.from({ length: ispCount }, (_, i) => {
    const asn = 64_500 + i;
    const router = () => network.addRouter(`198.18.${i}`, asn);
    const transits = shuffled(random, [0, 1, 2, 3]).slice(0, 3);
    return {
      asn,
      access: Array.from({ length: regionCount }, () => ({
        gateway: router(),
        aggregation: router(),
      })),
      cores: [router(), router()],
      borders: new Map(),
      transits,
      entries: new Map(transits.map((t) => [t, random.below(4)])),
      peers: new Set([
        ...edges.filter(() => random.chance(0.35)).map(({ id }) => id),
        ...frontEnds.filter(() => random.chance(0.4)).map(({ id }) => id),
      ]),
    };
  });

/** The neighbour whose network packets are handed to: a peer (the place itself), or a transit. */
export type Via = 'peer' | number;

const createWays = (parts: WayParts) => {
  const { network, random, transits, isps, edges, frontEnds } = parts;
  const ways: Way[] = [];
  const known = new Map<string, Way>();
  const rank = shuffled(random, [0, 1, 2, 3]);

  const keep = (key: string, links: () => Link[]): Way => {
    const found = known.get(key);
    if (found) return found;
    const way = createWay(ways.length, links(), transits);
    ways.push(way);
    known.set(key, way);
    return way;
  };

  const across = (from: Router, t: number, entry: number, place: Place): Link[] => {
    const transit = transits[t] as Transit;
    const routers = ring(entry, place.entries.get(t) ?? 0).map((r) => transit.routers[r] as Router);
    return chain(network, [from, ...routers, place.border], measures.transit);
  };

  /** What an ISP may choose from for a place, what it likes best first. */
  const choices = (ispIndex: number, place: Place): Via[] => {
    const isp = isps[ispIndex] as Isp;
    const shared = rank.filter((t) => isp.transits.includes(t) && place.entries.has(t));
    return isp.peers.has(place.id) ? ['peer', ...shared] : shared;
  };

  /** From a site's line to an edge or a front end, over one of its ISP's two cores. */
  const firstLeg = (line: Link, ispIndex: number, core: number, place: Place, via: Via): Way =>
    keep(`${line.index}/${core}/${place.id}/${via}`, () => {
      const isp = isps[ispIndex] as Isp;
      const access = isp.access.find(({ gateway }) => gateway === line.to);
      const border = borderOf(network, isp, ispIndex, via === 'peer' ? place.id : `transit-${via}`);
      const inside = [line.to, access?.aggregation, isp.cores[core], border] as Router[];
      const outside =
        via === 'peer'
          ? chain(network, [border, place.border], measures.metro)
          : across(border, via, isp.entries.get(via) ?? 0, place);
      return [
        line,
        ...chain(network, inside, measures.metro),
        ...outside,
        lastLink(network, place),
      ];
    });

  const secondVias = drawSecondVias(random, edges, frontEnds);

  /** From an edge to a front end. */
  const secondLeg = (edge: Place, frontEnd: Place): Way => {
    const key = `${edge.id}/${frontEnd.id}`;
    return keep(key, () => {
      const via = secondVias.get(key) ?? 'peer';
      const outside =
        via === 'peer'
          ? chain(network, [edge.border, frontEnd.border], measures.transit)
          : across(edge.border, via, edge.entries.get(via) ?? 0, frontEnd);
      const out = network.linkOf(edge.host, edge.border, ...measures.host);
      return [out, ...outside, lastLink(network, frontEnd)];
    });
  };

  return { ways, choices, firstLeg, secondLeg };
};

type WayParts = {
  network: Network;
  random: Random;
  transits: readonly Transit[];
  isps: readonly Isp[];
  edges: readonly Place[];
  frontEnds: readonly Place[];
};

/** By a line of its own (0.4), or over one of the edge's transits. */
const drawSecondVias = (
  random: Random,
  edges: readonly Place[],
  frontEnds: readonly Place[],
): Map<string, Via> =>
  new Map(
    edges.flatMap((edge) =>
      frontEnds.map((frontEnd): [string, Via] => [
        `${edge.id}/${frontEnd.id}`,
        random.chance(0.4) ? 'peer' : random.pick([...edge.entries.keys()]),
      ]),
    ),
  );

const lastLink = (network: Network, { border, host }: Place): Link =>
  network.linkOf(border, host, ...measures.host);

const borderOf = (network: Network, isp: Isp, ispIndex: number, neighbour: string): Router => {
  const known = isp.borders.get(neighbour);
  if (known) return known;
  const border = network.addRouter(`198.18.${ispIndex}`, isp.asn);
  isp.borders.set(neighbour, border);
  return border;
};

const chain = (network: Network, routers: readonly Router[], how: Measures): Link[] =>
  routers.slice(1).map((to, i) => network.linkOf(routers[i] as Router, to, ...how));

/** Four routers in a ring: the shorter way round, both ends in it. */
const ring = (from: number, to: number): number[] => {
  const ahead = (to - from + 4) % 4;
  if (ahead === 0) return [from];
  if (ahead === 3) return [from, to];
  return Array.from({ length: ahead + 1 }, (_, i) => (from + i) % 4);
};

export const shuffled = <T>(random: Random, items: readonly T[]): T[] => {
  const rest = [...items];
  for (let i = rest.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [rest[i], rest[j]] = [rest[j] as T, rest[i] as T];
  }
  return rest;
};
