import { type Link, measures, type Place, type Way } from './network.ts';
import type { WorldOptions } from './options.ts';
import { hash32, Random } from './random.ts';
import { type FrontEnd, regionCount, shuffled, type Topology, type Via } from './topology.ts';

export type Site = {
  index: number;
  id: string;
  office: boolean;
  ispIndex: number;
  region: number;
  gatewayAddress: string;
  line: Link;
};

/** One application as one device uses it. */
export type Use = {
  appIndex: number;
  frontEnd: FrontEnd;
  /** Straight to the application; null: through the tunnel. */
  straight: Leg | null;
  /** From the edge on; null on the straight path. */
  onward: Way | null;
};

/** The way of the tunnel's (or the application's) own flow, and of traces on other ECMP members. */
export type Leg = { destination: Place; via: Via; core: number };

export type Device = {
  index: number;
  id: string;
  name: string;
  site: Site;
  wifi: boolean;
  lanMs: number;
  /** Share of packets that meet a busy radio channel. */
  lanSpikeRatio: number;
  lagMs: number;
  bandwidthMbps: number;
  renderFactor: number;
  edge: Place;
  leg: Leg;
  /** Traces and echoes take the tunnel's ECMP member. */
  sameFlow: boolean;
  uses: Use[];
  platform: string;
  programVersion: string;
  profile: string;
  skewed: boolean;
  missingRatio: number;
  /** Hours of the day between which a laptop sleeps; null: never. */
  sleeps: { from: number; to: number } | null;
  /** Within a sample's interval. */
  offsetRatio: number;
  key: number;
};

const officeSize = 25;
const versions = ['1.4.0', '1.4.1', '1.4.2', '1.5.0'];
const platforms = ['linux', 'windows', 'macos'];
const profiles = ['standard', 'developer', 'kiosk'];
const homeGateways = ['192.168.1.1', '192.168.178.1', '192.168.0.1', '10.0.0.1'];

/** Half of the devices sit in offices, the others alone at home. */
export const createPopulation = (options: WorldOptions, topology: Topology): Population => {
  const random = new Random(options.seed, 'population');
  const officeCount = Math.floor(options.devices / 2 / officeSize);
  const sites: Site[] = [];
  const devices: Device[] = [];
  for (let i = 0; i < options.devices; i++) {
    const isOfficeDevice = i < officeCount * officeSize;
    const isFirst = !isOfficeDevice || i % officeSize === 0;
    if (isFirst) sites.push(createSite(options, topology, random, sites.length, isOfficeDevice));
    devices.push(createDevice(options, topology, random, i, sites.at(-1) as Site));
  }
  return { sites, devices };
};

export type Population = { sites: Site[]; devices: Device[] };

const createSite = (
  { seed }: WorldOptions,
  { isps, network }: Topology,
  random: Random,
  index: number,
  office: boolean,
): Site => {
  const ispIndex = random.below(isps.length);
  const region = random.below(regionCount);
  const access = isps[ispIndex]?.access[region];
  if (!access) throw new Error('no such region');
  const [baseMs, queueMs, rhythm] = office ? measures.officeLine : measures.homeLine;
  return {
    index,
    id: `site-${hash32(`${seed}/site/${index}`).toString(16).padStart(8, '0')}`,
    office,
    ispIndex,
    region,
    gatewayAddress: office ? `10.${index + 1}.0.1` : random.pick(homeGateways),
    line: network.addLink(null, access.gateway, baseMs, queueMs, rhythm),
  };
};

const createDevice = (
  options: WorldOptions,
  topology: Topology,
  random: Random,
  index: number,
  site: Site,
): Device => {
  const wifi = random.chance(site.office ? 0.6 : 0.8);
  const edge = chooseEdge(topology, random, site);
  const leg = chooseLeg(topology, random, site, edge);
  const from = random.between(18.5, 23);
  return {
    index,
    id: deviceIdOf(options.seed, index),
    name: `${site.office ? 'DESK' : 'HOME'}-${index + 1}`,
    site,
    wifi,
    lanMs: wifi ? random.between(1, 3) : random.between(0.2, 0.6),
    lanSpikeRatio: wifi ? random.between(0.01, 0.04) * options.noiseFactor : 0,
    lagMs: random.between(0.1, 0.6),
    bandwidthMbps: random.logBetween(20, 400),
    renderFactor: random.between(0.7, 1.6),
    edge,
    leg,
    sameFlow: !random.chance(options.otherFlowRatio),
    uses: chooseUses(topology, random, site, edge),
    platform: random.pick(platforms),
    programVersion: random.pick(versions),
    profile: random.pick(profiles),
    skewed: random.chance(options.skewedRatio),
    missingRatio: random.between(0.02, 0.07) * options.missingFactor,
    sleeps: random.chance(0.6) ? { from, to: random.between(6, 8.5) } : null,
    offsetRatio: random.unit(),
    key: hash32(`${options.seed}/device/${index}`),
  };
};

/** 85 % on an edge of their region, the others somewhere else. */
const chooseEdge = ({ edges }: Topology, random: Random, site: Site): Place => {
  const near = edges.filter((_, i) => i % regionCount === site.region);
  return random.pick(random.chance(0.85) ? near : edges.filter((edge) => !near.includes(edge)));
};

const chooseLeg = (
  { choices }: Topology,
  random: Random,
  { ispIndex }: Site,
  destination: Place,
): Leg => {
  const [via] = choices(ispIndex, destination);
  if (via === undefined) throw new Error('no way there');
  return { destination, via, core: random.below(2) };
};

const chooseUses = (topology: Topology, random: Random, site: Site, edge: Place): Use[] =>
  shuffled(
    random,
    topology.applications.map((_, i) => i),
  )
    .slice(0, 3)
    .sort((a, b) => a - b)
    .map((appIndex) => {
      const application = topology.applications[appIndex];
      if (!application) throw new Error('no such application');
      const frontEnd = random.pick(application.frontEnds);
      return application.direct
        ? {
            appIndex,
            frontEnd,
            straight: chooseLeg(topology, random, site, frontEnd),
            onward: null,
          }
        : { appIndex, frontEnd, straight: null, onward: topology.secondLeg(edge, frontEnd) };
    });

const deviceIdOf = (seed: number, index: number): string => {
  const part = (name: string) => hash32(`${seed}/${index}/${name}`).toString(16).padStart(8, '0');
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(part) as [string, string, string, string];
  return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-8${c.slice(1, 4)}-${c.slice(4)}${d}`;
};
