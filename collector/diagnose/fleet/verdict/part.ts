import type { Accepted } from '../accepted.ts';

/** What one cause adds to one request of a device and application. */
export type Part = { blame: Accepted; ms: number };

/** A run that fails is ranked among delays as if it took this much longer: a usual timeout. */
export const failureCostMs = 10_000;
