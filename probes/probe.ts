import type { ArtefactKind } from '#contract/artefact.ts';
import type { Failure } from '#contract/failure.ts';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { BodyOf, ProbeType } from '#contract/result.ts';

/** An HTTP proxy that takes CONNECT: the agent's own, so probes go where the user's traffic goes. */
export type ProxyAddress = { host: string; port: number };

/** `origins`: into whose pages alone it may be typed; left out: into those of the probe's own URL. */
export type Secret = { value: string; origins?: readonly string[] };

export type ProbeContext = {
  /** Aborted at the probe's timeout, and when the agent stops. */
  signal: AbortSignal;
  /** Set when the run goes through the tunnel. */
  proxy: ProxyAddress | undefined;
  /** CAs trusted beside the system's, PEM. */
  extraCa: readonly string[];
  /** Where temporary files of a run may go (browser profiles); owned by the caller. */
  workFolder: string;
  /** Path of a Chrome, Chromium or Edge; undefined: look in the usual places. */
  browserPath: string | undefined;
  /** The edge the device is on, for probes to the edge itself; null or left out: none. */
  edge?: { id: string; host: string; reflectorPort: number | null } | null;
  /** A secret by its name, read anew at each call; undefined: there is none. Left out: no secrets. */
  secrets?: (name: string) => Secret | undefined;
};

/** Something made beside a result that is no figure: kept for a while, best effort. */
export type Artefact = { kind: ArtefactKind; mediaType: string; bytes: Uint8Array };

/** What one run measured, success or failure; the caller puts it into a Result. */
export type Outcome<T extends ProbeType = ProbeType> = {
  durationMs: number;
  availability: 0 | 1;
  failure: Failure | null;
  body: BodyOf[T];
  artefacts?: Artefact[];
};

/** One probe type. `run` never throws for what the network does. */
export type Prober<T extends ProbeType> = {
  readonly type: T;
  run(probe: Extract<ProbeDefinition, { type: T }>, context: ProbeContext): Promise<Outcome<T>>;
  /** Ends helpers kept between runs (a warm browser, the ICMP child). */
  stop(): Promise<void>;
};
