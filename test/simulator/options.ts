import type { FaultKind } from './truth.ts';

/** What a world is made from. Everything but `seed` has a default: the world of §16. */
export type WorldOptions = {
  seed: number;
  devices: number;
  binSeconds: 60 | 300;
  /** Of a device's, tunnel's and edge's samples; as long as the bin: one sample that carries medians. */
  sampleSeconds: number;
  warmDays: number;
  scoredDays: number;
  faultsPerDay: number;
  decoysPerDay: number;
  startMs: number;
  /** Share of public routers that never answer. */
  silentRatio: number;
  /** Share of devices whose own traces take any ECMP member, not the tunnel's. */
  otherFlowRatio: number;
  /** Share of devices that label what they send one bin late. */
  skewedRatio: number;
  /** Share of a device's bins that are shipped one to six bins later, rightly labelled. */
  lateRatio: number;
  /** Share of runs through the tunnel of which the edge's timing is missing. */
  edgeTimingMissingRatio: number;
  /** Multiplies bins that are missing altogether. */
  missingFactor: number;
  /** Multiplies queues, Wi-Fi bursts, server noise and drift. */
  noiseFactor: number;
  /** Every router answers from the interface a packet came in by, not from one address. */
  interfaceAddresses: boolean;
  /** Runs on a device whose timers are over 50 ms late are marked `agent-overloaded`, as agents do. */
  flagOverload: boolean;
  /** Also what §16.2 does not have: MTU hole, slow line, an application's TLS, … */
  extraFaults: boolean;
  /** Faults of these kinds only; null: all. */
  onlyKinds: readonly FaultKind[] | null;
  /** First wait for a lost SYN (RFC 6298 section 2.1). */
  firstSynRtoMs: number;
};

export const defaultOptions = {
  devices: 500,
  binSeconds: 300,
  sampleSeconds: 60,
  warmDays: 2,
  scoredDays: 1,
  faultsPerDay: 36,
  decoysPerDay: 24,
  startMs: Date.UTC(2026, 2, 2),
  silentRatio: 0.12,
  otherFlowRatio: 0.3,
  skewedRatio: 0.03,
  lateRatio: 0,
  edgeTimingMissingRatio: 0.08,
  missingFactor: 1,
  noiseFactor: 1,
  interfaceAddresses: false,
  flagOverload: true,
  extraFaults: true,
  onlyKinds: null,
  firstSynRtoMs: 1_000,
} as const satisfies Omit<WorldOptions, 'seed'>;

export const withDefaults = (given: Partial<WorldOptions> & { seed: number }): WorldOptions => {
  const options = { ...defaultOptions, ...given };
  if (options.binSeconds % options.sampleSeconds !== 0) {
    throw new Error(`sampleSeconds ${options.sampleSeconds} does not divide ${options.binSeconds}`);
  }
  return options;
};
