import { catalogue, type Sort } from './fault-catalogue.ts';
import { placeFault } from './fault-places.ts';
import type { PlacedFault } from './hit.ts';
import type { WorldOptions } from './options.ts';
import type { Population } from './population.ts';
import { Random } from './random.ts';
import type { Topology } from './topology.ts';
import { type FaultKind, faultKinds } from './truth.ts';

export const dayMs = 86_400_000;
const hourMs = 3_600_000;
const mostDraws = 60;

/** The faults of all scored days, by start. */
export const scheduleFaults = (
  options: WorldOptions,
  topology: Topology,
  population: Population,
): PlacedFault[] => {
  const random = new Random(options.seed, 'faults');
  const faults: PlacedFault[] = [];
  for (let day = 0; day < options.scoredDays; day++) {
    for (let i = 0; i < options.faultsPerDay; i++) {
      const window = drawWindow(options, random, day);
      const fault = drawFault(random, topology, population, options, window, faults.length);
      if (fault) faults.push(fault);
    }
  }
  return faults.sort((a, b) => a.startMs - b.startMs || a.id.localeCompare(b.id));
};

export type Window = { startMs: number; endMs: number };

/** Between 07:00 and 20:00, 20 to 120 minutes, from the beginning of a bin to the end of one. */
export const drawWindow = (options: WorldOptions, random: Random, day: number): Window => {
  const binMs = options.binSeconds * 1_000;
  const toBin = (ms: number) => Math.round(ms / binMs) * binMs;
  const midnightMs = options.startMs + (options.warmDays + day) * dayMs;
  const lengthMs = toBin(random.between(20, 120) * 60_000);
  const startMs = midnightMs + toBin(random.between(7 * hourMs, 20 * hourMs - lengthMs));
  return { startMs, endMs: startMs + lengthMs };
};

const drawFault = (
  random: Random,
  topology: Topology,
  population: Population,
  options: WorldOptions,
  window: Window,
  number: number,
): PlacedFault | undefined => {
  for (let draw = 0; draw < mostDraws; draw++) {
    const kind = drawKind(random, options);
    const sort = catalogue[kind];
    const magnitude = random.logBetween(...sort.range);
    const placed = placeFault(kind, { random, topology, population, magnitude });
    if (placed) return toFault(random, kind, sort, magnitude, placed, window, number);
  }
  return undefined;
};

const toFault = (
  random: Random,
  kind: FaultKind,
  sort: Sort,
  magnitude: number,
  placed: NonNullable<ReturnType<typeof placeFault>>,
  window: Window,
  number: number,
): PlacedFault => {
  const exponential = random.chance(0.5) && kind !== 'detour' && kind !== 'mtu-hole';
  return {
    id: `fault-${number + 1}`,
    kind,
    family: sort.families[0],
    families: [...sort.families],
    segment: sort.segments[0],
    segments: [...sort.segments],
    scope: sort.scope,
    cause: sort.cause ?? 'delay',
    shape: sort.cause ?? (exponential ? 'exponential' : 'constant'),
    ...placed,
    ...window,
    magnitude,
  };
};

const drawKind = (random: Random, { extraFaults, onlyKinds }: WorldOptions): FaultKind => {
  const kinds = (onlyKinds ?? faultKinds).filter((k) => extraFaults || !catalogue[k].isExtra);
  let left = random.unit() * kinds.reduce((sum, kind) => sum + catalogue[kind].weight, 0);
  for (const kind of kinds) {
    left -= catalogue[kind].weight;
    if (left < 0) return kind;
  }
  return kinds[0] ?? 'application';
};
