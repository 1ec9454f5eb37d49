import type { Facts, Reading } from '#collector/diagnose/fleet/reading.ts';
import type { SharedIncident, Verdict } from '#contract/verdict.ts';

/** What a tick needs of the fleet's engine (collector/diagnose/fleet/engine.ts). */
export type FleetEngine = {
  /** Of the open bin, or late: then it only counts for what is normal. */
  observe(reading: Reading): void;
  /** Closes every bin that ended at or before a time. */
  advanceTo(timeMs: number): Outcome[];
  learn(facts: Facts): void;
  save(): Uint8Array;
};

export type Outcome = {
  fromMs: number;
  toMs: number;
  verdicts: Verdict[];
  incidents: SharedIncident[];
};

/** `saved` is what `save` gave; throws where it cannot be read. */
export type MakeEngine = (
  config: { binMs: number; facts: Facts },
  saved?: Uint8Array,
) => FleetEngine;
