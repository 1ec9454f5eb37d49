import type { Link } from './link.ts';
import type { Materials } from './materials.ts';
import type { Origin } from './origin.ts';
import type { Processes } from './processes.ts';

/** What every section that measures over a cable is given. */
export type Place = {
  processes: Processes;
  materials: Materials;
  origin: Origin;
  link: Link;
  rounds: number;
  log: (line: string) => void;
};
