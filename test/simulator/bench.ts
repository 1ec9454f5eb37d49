import type { ServerCertificate } from '#contract/body/connection.ts';
import type { BinState } from './bin-state.ts';
import type { WorldOptions } from './options.ts';
import type { Population } from './population.ts';
import type { Random } from './random.ts';
import type { Topology } from './topology.ts';
import type { Travel } from './travel.ts';
import type { Weather } from './weather.ts';

/** What measuring in one bin needs of its world. */
export type Bench = {
  options: WorldOptions;
  topology: Topology;
  population: Population;
  state: BinState;
  weather: Weather;
  travel: Travel;
  random: Random;
  certificates: (ServerCertificate | null)[];
  /** Of a record. */
  nextId(): string;
  fromMs: number;
  binMs: number;
  binNumber: number;
};
