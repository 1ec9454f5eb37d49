import type { Facts, Reading } from '#collector/diagnose/fleet/reading.ts';
import type { SharedIncident, Verdict } from '#contract/verdict.ts';

/** The fleet's engine (collector/diagnose/fleet/engine.ts) as a tick speaks to it. */
export type FleetEngine = {
  /** Of the open bin, or late: then they only count for what is normal. */
  observe(readings: readonly Reading[]): Promise<void>;
  /** Closes every bin that ended at or before a time. */
  advanceTo(timeMs: number): Promise<Outcome[]>;
  learn(facts: Facts): Promise<void>;
  save(): Promise<Uint8Array>;
  /** Ends it, whatever it is at. */
  stop(): Promise<void>;
};

export type Outcome = {
  fromMs: number;
  toMs: number;
  verdicts: Verdict[];
  incidents: SharedIncident[];
};

/** `saved` is what `save` gave; rejects where it cannot be read. */
export type MakeEngine = (
  config: { binMs: number; facts: Facts },
  saved?: Uint8Array,
) => Promise<FleetEngine>;
