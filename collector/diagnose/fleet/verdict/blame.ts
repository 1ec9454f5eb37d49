import type { Accepted } from '../accepted.ts';

/** What an application suffers from: an accepted cause, or what keeps it from answering at all. */
export type Blame = Omit<Accepted, 'kind'> & { kind: Accepted['kind'] | 'failure' };

/** What a blame does to one device and application. */
export type Part = { blame: Blame; ms: number };

/** A run that fails is ranked among delays as if it took this much longer: a usual timeout. */
export const failureCostMs = 10_000;
