import type { About } from './claim.ts';

/** A possible cause with everything it would shift. */
export type Group = {
  key: string;
  about: About;
  /** Every unit it touches, and its end-to-end differences in this bin (NaN: not measured). */
  unitCount: number;
  ownMs: number[];
  sites: Set<string>;
  /** Slots of the units that were chosen to speak, and of all that are looked at. */
  members: number[];
  covers: number[];
  /** Pairs of edge and application, for causes seen from edges. */
  onwardCount: number;
};
