import type { EdgeEntry } from '#contract/policy.ts';
import type { Control } from './control.ts';
import type { DataPool } from './data-pool.ts';
import type { Candidate } from './edge-choice.ts';

/** One edge that is measured, with its control session and its data sessions. */
export type Link = { edge: EdgeEntry; control: Control; pool: DataPool };

/** The edge as the choice sees it. */
export const candidateOf = ({ edge, control }: Link): Candidate => ({
  id: edge.id,
  isUp: control.isUp(),
  rttMs: control.rttMs(),
  ...control.losses.count(),
});

/** The one that traffic would go to if the one in use were lost. */
export const standbyOf = (links: Iterable<Link>, edgeId: string | null): Link | undefined =>
  [...links]
    .filter(({ edge, control }) => edge.id !== edgeId && control.isUp())
    .sort((a, b) => (a.control.rttMs() ?? 1e9) - (b.control.rttMs() ?? 1e9))[0];
