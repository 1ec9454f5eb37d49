import type { PlacedDecoy, PlacedFault } from './hit.ts';
import type { WorldOptions } from './options.ts';
import type { Population } from './population.ts';
import type { Topology } from './topology.ts';

export const scheduleDecoys = (
  _options: WorldOptions,
  _topology: Topology,
  _population: Population,
  _faults: readonly PlacedFault[],
): PlacedDecoy[] => [];
