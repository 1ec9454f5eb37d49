import type { CauseFamily } from '#contract/verdict.ts';
import { createBinState } from './bin-state.ts';
import { detourOf } from './fault-places.ts';
import type { Disguise, PlacedDecoy, PlacedFault } from './hit.ts';
import { impactsOn } from './impact.ts';
import type { Router } from './network.ts';
import type { WorldOptions } from './options.ts';
import type { Device, Population } from './population.ts';
import { Random } from './random.ts';
import { dayMs, drawWindow, type Window } from './schedule.ts';
import type { Topology } from './topology.ts';
import { type DecoyKind, decoyKinds, type TrueElement } from './truth.ts';

const mostDraws = 60;

type World = {
  options: WorldOptions;
  topology: Topology;
  population: Population;
  faults: readonly PlacedFault[];
};

/** Half of them when and where somebody suffers from a real fault (§16.3). */
export const scheduleDecoys = (world: World): PlacedDecoy[] => {
  const { options, faults } = world;
  const random = new Random(options.seed, 'decoys');
  const decoys: PlacedDecoy[] = [];
  for (let day = 0; day < options.scoredDays; day++) {
    for (let i = 0; i < options.decoysPerDay; i++) {
      const beside = faults.length > 0 && random.chance(0.5) ? random.pick(faults) : null;
      const window = beside ?? drawWindow(options, random, day);
      const decoy = drawDecoy(world, random, window, beside, decoys);
      if (decoy) decoys.push({ ...decoy, id: `decoy-${decoys.length + 1}` });
    }
  }
  return decoys.sort((a, b) => a.startMs - b.startMs);
};

const drawDecoy = (
  world: World,
  random: Random,
  { startMs, endMs }: Window,
  beside: PlacedFault | null,
  others: readonly PlacedDecoy[],
): PlacedDecoy | undefined => {
  const crowd = beside ? sufferersOf(world, beside) : world.population.devices;
  for (let draw = 0; draw < mostDraws; draw++) {
    const kind = random.pick(decoyKinds);
    const device = random.pick(crowd);
    const placed = place(world, random, kind, device, startMs);
    if (!placed) continue;
    const decoy = { id: '', kind, ...placed, startMs, endMs };
    if (isClear(decoy, world.faults, others)) return decoy;
  }
  return undefined;
};

const sufferersOf = (
  { options, topology, population }: World,
  fault: PlacedFault,
): readonly Device[] => {
  const state = createBinState(fault.startMs, [fault], []);
  const suffering = population.devices.filter((device) =>
    device.uses.some((use) => impactsOn(options, topology, state, device, use).length > 0),
  );
  return suffering.length > 0 ? suffering : population.devices;
};

type Placed = {
  families: CauseFamily[];
  element: TrueElement;
  disguise: Disguise;
  magnitude: number;
};

const place = (
  world: World,
  random: Random,
  kind: DecoyKind,
  device: Device,
  startMs: number,
): Placed | undefined => {
  switch (kind) {
    case 'hop-slow-replies':
      return onReplies(world, random, device, { slowMs: random.logBetween(40, 300) });
    case 'hop-lost-replies':
      return onReplies(world, random, device, { lostRatio: random.between(0.3, 0.8) });
    case 'hop-return-path':
      return onReplies(world, random, device, { returnMs: random.between(13, 60) });
    case 'device-cpu-busy':
      return onDevice('cpu', device, ['device'], 0.97);
    case 'device-memory-full':
      return onDevice('memory', device, ['device'], 0.96);
    case 'weak-signal':
      return device.wifi ? onDevice('signal', device, ['wifi', 'gateway'], 18) : undefined;
    case 'edge-cpu-busy':
      return {
        families: ['edge'],
        element: elementOf([device.edge.id]),
        disguise: { on: 'edge-cpu', edgeId: device.edge.id },
        magnitude: 0.4,
      };
    case 'benign-path-change':
      return onPathChange(world, random, device, startMs);
  }
};

const network: CauseFamily[] = ['link', 'router', 'as', 'isp-region', 'last-mile'];

const elementOf = (ids: string[]): TrueElement => ({
  ids,
  stretches: [],
  mostNodes: 4,
  asn: null,
});

const onDevice = (
  on: 'cpu' | 'memory' | 'signal',
  { id, index }: Device,
  families: CauseFamily[],
  magnitude: number,
): Placed => ({ families, element: elementOf([id]), disguise: { on, device: index }, magnitude });

/** Of a router that answers, on the way to an edge or from one on. */
const onReplies = (
  { topology }: World,
  random: Random,
  { site, leg, uses }: Device,
  how: { slowMs?: number; lostRatio?: number; returnMs?: number },
): Placed | undefined => {
  const near = topology.firstLeg(site.line, site.ispIndex, leg.core, leg.destination, leg.via);
  const ways = [near, ...uses.flatMap(({ onward }) => onward ?? [])];
  const way = random.chance(0.6) ? near : random.pick(ways);
  const seen = way.links.filter((_, i) => !way.hidden[i] && i < way.links.length - 1);
  const answering = seen.filter(({ to }) => !to.icmp.silent && to.icmp.lostRatio === 0);
  if (answering.length === 0) return undefined;
  const router = random.pick(answering).to;
  return {
    families: network,
    element: routerElement(topology, router),
    disguise: {
      ...{ on: 'replies', slowMs: 0, lostRatio: 0, returnMs: 0 },
      ...how,
      router: router.index,
    },
    magnitude: how.slowMs ?? how.lostRatio ?? how.returnMs ?? 0,
  };
};

const routerElement = ({ network: { links } }: Topology, router: Router): TrueElement => {
  const into = links.filter(({ to }) => to === router);
  return {
    ids: [...new Set([router.address, ...into.map(({ address }) => address)])],
    stretches: into.map(({ from, address }) => ({ from: from?.address ?? '', to: address })),
    mostNodes: 4,
    asn: router.asn,
  };
};

const onPathChange = (
  { topology, options }: World,
  random: Random,
  device: Device,
  startMs: number,
): Placed | undefined => {
  const { site, leg } = device;
  const vias = topology.choices(site.ispIndex, leg.destination).filter((via) => via !== leg.via);
  if (vias.length === 0) return undefined;
  const addedMs = random.between(-4, 4);
  const { hit, links, asn, extraMs } = detourOf(
    topology,
    device,
    random.pick(vias),
    addedMs,
    (startMs - options.startMs) / dayMs,
  );
  const first = links[1];
  // A link cannot take less than no time.
  if (first === undefined || Math.min(...extraMs) < 0.3 - first.baseMs) return undefined;
  const stretches = links.map(({ from, address }) => ({ from: from?.address ?? '', to: address }));
  return {
    families: network,
    element: { ...elementOf(stretches.map(({ to }) => to)), stretches, mostNodes: 6, asn },
    disguise: hit,
    magnitude: addedMs,
  };
};

/** What has a reason to be named at the time is no decoy. */
const isClear = (
  decoy: PlacedDecoy,
  faults: readonly PlacedFault[],
  others: readonly PlacedDecoy[],
): boolean =>
  ![...faults, ...others].some(
    (other) =>
      other.startMs < decoy.endMs &&
      decoy.startMs < other.endMs &&
      namesOf(other.element).some((name) => namesOf(decoy.element).includes(name)) &&
      ('disguise' in other || other.families.some((family) => decoy.families.includes(family))),
  );

const namesOf = ({ ids, stretches }: TrueElement): string[] => [
  ...ids.filter((id) => !id.includes('>')),
  ...stretches.flatMap(({ from, to }) => [from, to]),
];
