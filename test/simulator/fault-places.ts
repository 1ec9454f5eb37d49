import type { Hit } from './hit.ts';
import type { Link, Router, Way } from './network.ts';
import type { Device, Population, Use } from './population.ts';
import type { Random } from './random.ts';
import { regionCount, type Topology } from './topology.ts';
import type { FaultKind, TrueElement } from './truth.ts';

export type Placed = { hit: Hit; element: TrueElement };

type Draw = {
  random: Random;
  topology: Topology;
  population: Population;
  magnitude: number;
};

/**
 * Draws where a fault of a kind sits, always on something that somebody uses; undefined where this
 * draw met nothing that fits.
 */
export const placeFault = (kind: FaultKind, draw: Draw): Placed | undefined => {
  const { random, topology, population } = draw;
  const device = random.pick(population.devices);
  const use = random.pick(device.uses);
  const application = topology.applications[use.appIndex];
  if (!application) return undefined;
  const ofDevice = (on: 'lag' | 'wifi' | 'tunnel' | 'slow-line'): Placed => ({
    hit: { on, devices: [device.index] },
    element: element(onlyOneThere(population, device)),
  });
  const ofEdge = (on: 'edge-queue' | 'edge-tunnel' | 'edge-tls' | 'edge-dns'): Placed => ({
    hit: { on, edgeId: device.edge.id },
    element: element([device.edge.id]),
  });
  const ofApplication = (on: 'application-dns' | 'application-tls' | 'render'): Placed => ({
    hit: { on, appIndex: use.appIndex },
    element: element([application.id, application.host]),
  });
  const cohort = (of: 'programVersion' | 'platform' | 'profile', name: string): Placed => ({
    hit: {
      on: 'tunnel',
      devices: population.devices.filter((d) => d[of] === device[of]).map(({ index }) => index),
    },
    element: element(cohortNames(of, name, device[of])),
  });
  switch (kind) {
    case 'device-cpu':
    case 'device-memory':
      return ofDevice('lag');
    case 'wifi-delay':
    case 'wifi-loss':
      return device.wifi ? ofDevice('wifi') : undefined;
    case 'tunnel-client':
      return ofDevice('tunnel');
    case 'slow-line':
      return application.bodyBytes > 30_000 ? ofDevice('slow-line') : undefined;
    case 'tunnel-version':
      return cohort('programVersion', 'version');
    case 'tunnel-platform':
      return cohort('platform', 'platform');
    case 'tunnel-profile':
      return cohort('profile', 'profile');
    case 'office-gateway':
      return device.site.office
        ? {
            hit: { on: 'gateway', site: device.site.index },
            element: element([device.site.id, device.site.gatewayAddress]),
          }
        : undefined;
    case 'edge-overload':
      return ofEdge('edge-queue');
    case 'edge-tunnel':
      return ofEdge('edge-tunnel');
    case 'edge-inspection':
      return ofEdge('edge-tls');
    case 'edge-resolver':
      return ofEdge('edge-dns');
    case 'application-dns':
      return ofApplication('application-dns');
    case 'application-tls':
      return ofApplication('application-tls');
    case 'page-release':
      return use.straight ? undefined : ofApplication('render');
    case 'third-party':
      return use.straight ? undefined : ofParty(random.pick(application.thirdParties));
    case 'application':
      return {
        hit: { on: 'server', appIndex: use.appIndex, frontEndId: null },
        element: element([
          application.id,
          application.host,
          ...(application.frontEnds.length === 1
            ? [use.frontEnd.id, use.frontEnd.host.address]
            : []),
        ]),
      };
    case 'front-end':
      return application.frontEnds.length > 1
        ? {
            hit: { on: 'server', appIndex: use.appIndex, frontEndId: use.frontEnd.id },
            element: element([use.frontEnd.host.address, use.frontEnd.id]),
          }
        : undefined;
    default:
      return placeOnNetwork(kind, draw, device, use);
  }
};

type NetworkKind = Extract<
  FaultKind,
  | 'last-mile-delay'
  | 'last-mile-loss'
  | 'isp-aggregation'
  | 'isp-core'
  | 'isp-loss'
  | 'peering-link'
  | 'transit-router'
  | 'detour'
  | 'leg2-link-delay'
  | 'leg2-link-loss'
  | 'application-border'
  | 'mtu-hole'
>;

const placeOnNetwork = (
  kind: NetworkKind,
  draw: Draw,
  device: Device,
  use: Use,
): Placed | undefined => {
  const { random, topology } = draw;
  const { site, leg } = use.straight ? { site: device.site, leg: use.straight } : device;
  const way = topology.firstLeg(site.line, site.ispIndex, leg.core, leg.destination, leg.via);
  const isp = topology.isps[site.ispIndex];
  const far = use.onward ?? way;
  switch (kind) {
    case 'last-mile-delay':
    case 'last-mile-loss':
      return onLink(
        topology,
        site.line,
        site.gatewayAddress,
        onlyOneThere(draw.population, device),
      );
    case 'isp-aggregation':
    case 'isp-loss':
      return onRouter(topology, random, isp?.access[site.region]?.aggregation, true);
    case 'isp-core':
      return onRouter(topology, random, isp?.cores[leg.core]);
    case 'peering-link':
      return onLink(topology, way.links[4]);
    case 'transit-router':
      return onRouter(topology, random, transitRouter(random, topology, way));
    case 'detour':
      return onDetour(draw, device);
    case 'leg2-link-delay':
    case 'leg2-link-loss':
      return use.onward ? onLink(topology, random.pick(use.onward.links.slice(1, -1))) : undefined;
    case 'application-border':
      return onRouter(topology, random, use.frontEnd.border);
    case 'mtu-hole':
      return holeIn(topology, far.links.at(-2));
  }
};

const element = (ids: string[]): TrueElement => ({ ids, stretches: [], mostNodes: 4, asn: null });

const ofParty = (host: string): Placed => ({
  hit: { on: 'third-party', host },
  element: element([host]),
});

/** Of a site with one device nobody can tell the device's radio from the site. */
const onlyOneThere = ({ devices }: Population, { id, site }: Device): string[] =>
  devices.filter((other) => other.site === site).length === 1 ? [id, site.id] : [id];

const cohortNames = (field: string, name: string, value: string): string[] => [
  ...new Set([field, name].flatMap((word) => [`${word}:${value}`, `${word}=${value}`])),
  value,
];

const transitRouter = (random: Random, { transits }: Topology, way: Way): Router | undefined => {
  const inTransit = way.links.filter(({ to }) => transits.some(({ asn }) => asn === to.asn));
  return inTransit.length === 0 ? undefined : random.pick(inTransit).to;
};

const stretchOf = ({ from, address }: Link, near: string, links: readonly Link[]) => ({
  // A router has one address a link it is entered by: any of them is the near side.
  from: from === null ? [near] : nearAddresses(from, links),
  to: address,
});

const nearAddresses = (router: Router, links: readonly Link[]): string[] => [
  ...new Set([router.address, ...links.filter(({ to }) => to === router).map((l) => l.address)]),
];

const onLinks = (topology: Topology, hit: Hit, links: Link[], near = '', more: string[] = []) => {
  const stretches = links
    .map((link) => stretchOf(link, near, topology.network.links))
    .flatMap(({ from, to }) => from.map((one) => ({ from: one, to })));
  return {
    hit,
    element: {
      ids: [...more, ...stretches.map(({ from, to }) => `${from}>${to}`)],
      stretches,
      mostNodes: 4,
      asn: links[0]?.to.asn ?? null,
    },
  };
};

const onLink = (topology: Topology, link: Link | undefined, near = '', more: string[] = []) =>
  link && onLinks(topology, { on: 'link', link: link.index }, [link], near, more);

const holeIn = (topology: Topology, link: Link | undefined): Placed | undefined =>
  link && onLinks(topology, { on: 'mtu', link: link.index }, [link]);

/** Congested where it takes packets in (its own answers are late too) or where it sends them on. */
const onRouter = (
  topology: Topology,
  random: Random,
  router: Router | undefined,
  isRegion = false,
): Placed | undefined => {
  if (!router) return undefined;
  const on = random.chance(0.5) ? 'into' : 'out-of';
  const links = topology.network.links.filter(
    ({ from, to }) => (on === 'into' ? to : from) === router,
  );
  const ids = nearAddresses(router, topology.network.links);
  const region = isRegion ? regionNames(topology, router) : [];
  return onLinks(topology, { on, router: router.index }, links, '', [...ids, ...region]);
};

const regionNames = ({ isps }: Topology, aggregation: Router): string[] =>
  isps.flatMap(({ asn, access }) =>
    Array.from({ length: regionCount }, (_, region) => region)
      .filter((region) => access[region]?.aggregation === aggregation)
      .flatMap((region) => [`${asn}/region-${region + 1}`, `AS${asn}/region-${region + 1}`]),
  );

const onDetour = (draw: Draw, device: Device): Placed | undefined => {
  const { random, topology, magnitude } = draw;
  const { leg, site } = device;
  const vias = topology.choices(site.ispIndex, leg.destination).filter((via) => via !== leg.via);
  if (vias.length === 0) return undefined;
  const via = random.pick(vias);
  const { ispIndex } = site;
  const changed = detourOf(topology, device, via, magnitude);
  if (Math.min(...changed.extraMs) < 0) return undefined;
  const placed = onLinks(topology, { ...changed.hit, ispIndex }, changed.links);
  return { ...placed, element: { ...placed.element, mostNodes: 6, asn: changed.asn } };
};

/** The way over another neighbour, `addedMs` longer than the one it has, over whichever core. */
export const detourOf = (
  topology: Topology,
  device: Device,
  via: Via,
  addedMs: number,
  /** Since the world began: its links have drifted. */
  days = 0,
) => {
  const { leg, site } = device;
  const wayOver = (over: Via, core = leg.core) =>
    topology.firstLeg(site.line, site.ispIndex, core, leg.destination, over);
  const [before, after] = [wayOver(leg.via), wayOver(via)];
  const extraMs = [0, 1].map(
    (core) => addedMs - (baseMs(wayOver(via, core), days) - baseMs(wayOver(leg.via, core), days)),
  );
  const hit = {
    on: 'detour',
    ispIndex: site.ispIndex,
    placeId: leg.destination.id,
    from: leg.via,
    via,
    extraMs,
  } as const;
  const links = after.links.filter((link) => !before.links.includes(link));
  return { hit, extraMs, links, asn: after.links[4]?.to.asn ?? null };
};

type Via = Device['leg']['via'];

const baseMs = ({ links }: Way, days: number): number =>
  links.reduce((sum, { baseMs: ms, driftMsPerDay }) => sum + ms + days * driftMsPerDay, 0);
