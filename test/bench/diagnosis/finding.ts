import type { TelemetryRecord } from '#contract/telemetry.ts';
import type { Verdict, VerdictCause } from '#contract/verdict.ts';

/** What one method says about one device and application in one bin; nothing said means: not slow. */
export type Finding = {
  deviceId: string;
  appId: string;
  /** `unknown`: slow, and it does not say where; its causes are then only the most likely ones. */
  state: 'named' | 'unknown';
  /** What adds most first. */
  causes: readonly Cause[];
  /** 0–1; null: the method has none. */
  confidence: number | null;
  /** Whole, where there is one: for people who look at errors. */
  verdict?: Verdict;
};

/** The part of a verdict's cause that is judged. */
export type Cause = Pick<VerdictCause, 'family' | 'kind' | 'segment' | 'element' | 'addedMs'> & {
  /** Null: the method does not say when it began. */
  startedAt: number | null;
};

/** Everything a method gets to see of one bin. */
export type Observed = { fromMs: number; toMs: number; records: readonly TelemetryRecord[] };

/** One way of finding causes. It is given every bin once, in order. */
export type Method = { name: string; close(observed: Observed): readonly Finding[] };

export const elementOf = (
  id: string,
  stretch: { from?: string | null; to?: string | null; asn?: number | null } = {},
): Cause['element'] => ({
  id,
  name: id,
  from: stretch.from ?? null,
  to: stretch.to ?? null,
  asn: stretch.asn ?? null,
  silentHopCount: 0,
});
