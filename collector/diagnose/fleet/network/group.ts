import type { About } from './claim.ts';

/** A possible cause with everything it would shift. */
export type Group = {
  key: string;
  about: About;
  /** Every unit it touches, by number, ascending. */
  ids: readonly number[];
  sites: Set<string>;
  /** Slots of the units that were chosen to speak, and of all that are looked at: one array where those are the same. */
  members: number[];
  covers: number[];
  /** Of the members those that say how much it adds. */
  nearest: number[];
  /** Those of the units that are pairs of edge and application. */
  onwardCount: number;
};
