import type { CauseElement, CauseFamily, CauseScope, Segment } from '#contract/verdict.ts';
import type { EvidenceLine } from '../accepted.ts';
import type { BinView, Cell, CellPart } from '../bin-view.ts';
import type { Candidate } from '../map/candidate.ts';
import { markedEdge } from '../marked-ids.ts';

/** Which cells a cause would shift: those of one edge, application, front end, or one alone. */
export const groupKinds = ['edge', 'application', 'front-end', 'place'] as const;
export type GroupKind = (typeof groupKinds)[number];

/** A possible cause of one part: cells that have something in common. */
export type CellGroup = Candidate & {
  part: CellPart;
  kind: GroupKind;
  /** What they have in common; null: they differ in it, or nobody knows it. */
  edgeId: string | null;
  appId: string | null;
  frontEnd: string | null;
  /** The cells, ascending by place. */
  cells: readonly Cell[];
};

type Naming = {
  /** Identifies the cause over time. */
  key: string;
  family: CauseFamily;
  segment: Segment;
  element: CauseElement;
  scope: CauseScope;
};

/** What one part of an answer's time can be slow by, and its words. One file in causes/ each. */
export type CellCause = {
  part: CellPart;
  /** A smaller shift is not called a cause. */
  minimumMs: number;
  /** Prior odds against a group of each kind, in nats; a kind that is left out is not asked. */
  penaltyNats: Partial<Record<GroupKind, number>>;
  name(group: Pick<CellGroup, 'kind' | 'edgeId' | 'appId' | 'frontEnd'>): Naming;
  /** By how much the mean exceeds the bin's statistic when all is well, and at most counts, in X. */
  usualTailMs?: number;
  mostTail?: number;
  /** "Looking its name up", before the milliseconds. */
  noun: string;
  /** Numbers beyond the cells'. */
  looks?(view: BinView, cell: Cell): EvidenceLine[];
};

/** An element that is no stretch of a path. */
export const elementOf = (id: string, name: string): CauseElement => ({
  id,
  name,
  from: null,
  to: null,
  asn: null,
  silentHopCount: 0,
});

/** "edge-1", or where there is none: "the devices". */
export const seenFrom = (edgeId: string | null): string =>
  edgeId === null ? 'straight from devices' : `from ${markedEdge(edgeId)}`;
