import type { CauseElement, CauseFamily, CauseScope } from '#contract/verdict.ts';
import type { EvidenceLine } from '../accepted.ts';
import type { Delta } from '../bin-view.ts';
import type { ChainNode } from './chain.ts';
import type { UnitSlots } from './slots.ts';
import type { Path, Unit } from './unit.ts';

/** Where on one path a cause lies: behind `from` (null: before the first known hop), at or before `to`. */
export type Span = { from: ChainNode | null; to: ChainNode | null };

/** A possible cause of the network, whatever units it touches. */
export type About = {
  family: CauseFamily;
  scope: CauseScope;
  /** Candidates that agree in it would be reported as the same element. */
  elementId: string;
  element: CauseElement;
  penaltyNats: number;
  /** Of several that shift exactly the same the lowest stands; null: a rival even then. */
  rank: number | null;
  /** Named as what it is; where it begins and ends on the asker's path stands beside. */
  keepsName?: boolean;
  /** Needs two devices at least: of one it is that device's own. */
  sharedOnly?: boolean;
  /** Null: it does not lie on this path. */
  crosses(unit: Unit, path: Path): Span | null;
  /** What of a device's own shows it best, where that is not the time of the way. */
  shownBy?(unit: Unit): Delta | null;
  /** What it costs besides the round trips, in crossings: names asked for on the way. */
  besides?: number;
  /** Lines about one device that only this family has. */
  evidence?(unit: Unit): EvidenceLine[];
};

/** What one unit would see of a cause. */
export type Claim = {
  key: string;
  about(): About;
  mask(slots: UnitSlots): readonly number[];
  /** What lies next to it: nothing further on can be in that. */
  nearest?(slots: UnitSlots): readonly number[];
};

/** A cause of any kind: one in 8,000 a bin before anything is measured. */
export const commonPenaltyNats = 9;

export const plainElement = (id: string, name: string): CauseElement => ({
  id: id.slice(0, 200),
  name: name.slice(0, 300),
  from: null,
  to: null,
  asn: null,
  silentHopCount: 0,
});

export const nowhere: Span = { from: null, to: null };
