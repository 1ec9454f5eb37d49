import type { WorldOptions } from './options.ts';
import type { Random } from './random.ts';

/** How a router answers traces; it says nothing about how it forwards. */
export type Icmp = {
  silent: boolean;
  /** Share of answers that do not come. */
  lostRatio: number;
  /** Mean of what a slow control plane adds to `slowRatio` of the answers. */
  slowMs: number;
  slowRatio: number;
  /** Answers come back another, longer way. */
  returnMs: number;
};

export type Router = {
  index: number;
  address: string;
  asn: number;
  icmp: Icmp;
};

/** Whose evening or noon a link is busy in. */
export type Rhythm = 'office' | 'home' | 'both';

export type Link = {
  index: number;
  from: Router | null;
  to: Router;
  /** Of the far end's interface. */
  address: string;
  baseMs: number;
  /** Mean of the queue at night. */
  queueMs: number;
  rhythm: Rhythm;
  driftMsPerDay: number;
  lossRatio: number;
};

/** How an MPLS network treats the TTL (RFC 3443), and with it what a trace sees of its inside. */
type Mpls = 'none' | 'uniform' | 'pipe';

export type Transit = { asn: number; routers: Router[]; mpls: Mpls };

/** Where packets end: an edge or an application's front end, behind a border router. */
export type Place = {
  id: string;
  border: Router;
  host: Router;
  /** By transit: the router of it that the border hangs on. */
  entries: Map<number, number>;
};

export type Isp = {
  asn: number;
  /** By region. */
  access: { gateway: Router; aggregation: Router }[];
  cores: [Router, Router];
  /** Towards a transit or a peer, by its name. */
  borders: Map<string, Router>;
  transits: number[];
  /** By transit: the router of it that the ISP hangs on. */
  entries: Map<number, number>;
  peers: Set<string>;
};

/** One sequence of links; hop i is reached over `links[i]`. */
export type Way = {
  id: number;
  links: Link[];
  /** Hops whose answers travel to the end of their MPLS tunnel first: index of that end, else own. */
  answersFrom: number[];
  /** Hops that traces do not see. */
  hidden: boolean[];
};

export type Network = ReturnType<typeof createNetwork>;

/** Routers and links by need, numbered in the order they were asked for. */
export const createNetwork = (options: WorldOptions, random: Random) => {
  const links: Link[] = [];
  const routers: Router[] = [];
  const byEnds = new Map<string, Link>();

  const addRouter = (network: string, asn: number, kind: 'public' | 'host' = 'public'): Router => {
    const count = routers.filter(({ address }) => address.startsWith(`${network}.`)).length;
    const icmp = kind === 'host' ? wellBehaved : drawIcmp(options, random);
    const router = { index: routers.length, address: `${network}.${count + 1}`, asn, icmp };
    routers.push(router);
    return router;
  };

  const addLink = (
    from: Router | null,
    to: Router,
    baseMs: Range,
    queueMs: Range,
    rhythm: Rhythm,
  ): Link => {
    const drifts = random.chance(0.1);
    const link: Link = {
      index: links.length,
      from,
      to,
      address: to.address,
      baseMs: random.between(...baseMs),
      queueMs: random.between(...queueMs) * options.noiseFactor,
      rhythm,
      driftMsPerDay: drifts ? random.between(-3, 3) * options.noiseFactor : 0,
      lossRatio: random.between(0, 0.0002),
    };
    links.push(link);
    if (options.interfaceAddresses) link.address = interfaceAddress(link);
    return link;
  };

  /** The link between two routers: made once, found again. */
  const linkOf = (from: Router, to: Router, ...how: Measures): Link => {
    const key = `${from.index}>${to.index}`;
    const known = byEnds.get(key);
    if (known) return known;
    const link = addLink(from, to, ...how);
    byEnds.set(key, link);
    return link;
  };

  return { links, routers, addRouter, addLink, linkOf };
};

type Range = readonly [number, number];
export type Measures = readonly [Range, Range, Rhythm];

/** Base and queue of each kind of link, milliseconds there and back (§16.1). */
export const measures = {
  homeLine: [[1, 18], [0.3, 1.2], 'home'],
  officeLine: [[1, 8], [0.1, 0.6], 'office'],
  metro: [[1, 6], [0.05, 0.4], 'both'],
  transit: [[2, 14], [0.1, 0.6], 'both'],
  host: [[0.2, 1], [0.02, 0.1], 'both'],
} as const satisfies Record<string, Measures>;

const wellBehaved: Icmp = { silent: false, lostRatio: 0, slowMs: 0, slowRatio: 0, returnMs: 0 };

const drawIcmp = ({ silentRatio }: WorldOptions, random: Random): Icmp => ({
  silent: random.chance(silentRatio),
  lostRatio: random.chance(0.12) ? random.between(0.15, 0.6) : 0,
  slowRatio: 0.3,
  slowMs: random.chance(0.12) ? random.between(10, 60) : 0,
  returnMs: random.chance(0.12) ? random.between(5, 40) : 0,
});

/** 198.18.0.0/15 is for benchmarks (RFC 2544): nobody's. */
const interfaceAddress = ({ index, to }: Link): string =>
  to.icmp === wellBehaved ? to.address : `198.19.${200 + (index >> 8)}.${index & 255}`;

/** Hop i over `links[i]`; `tunnels` are the transits, whose inner hops traces see otherwise. */
export const createWay = (id: number, links: Link[], transits: readonly Transit[]): Way => {
  const modes = links.map(({ to }) => transits.find(({ asn }) => asn === to.asn)?.mpls ?? 'none');
  return {
    id,
    links,
    answersFrom: links.map((link, i) => {
      if (modes[i] !== 'uniform' || isFirstOf(links, i)) return i;
      return links.findLastIndex(({ to }) => to.asn === link.to.asn);
    }),
    hidden: links.map((_, i) => modes[i] === 'pipe' && !isFirstOf(links, i) && !isLastOf(links, i)),
  };
};

const isFirstOf = (links: readonly Link[], i: number): boolean =>
  links[i - 1]?.to.asn !== links[i]?.to.asn;

const isLastOf = (links: readonly Link[], i: number): boolean =>
  links[i + 1]?.to.asn !== links[i]?.to.asn;
