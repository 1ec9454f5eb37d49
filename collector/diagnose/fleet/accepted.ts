import type { CauseElement, CauseFamily, CauseScope, Segment } from '#contract/verdict.ts';
import type { BinView } from './bin-view.ts';

/** A cause the evidence of one bin supports: what inference hands to the verdicts. */
export type Accepted = {
  /** Identifies the cause over time: family, element and kind. */
  key: string;
  family: CauseFamily;
  /** `failure`: nothing is answered; `costMs` then ranks it among delays. */
  kind: 'delay' | 'loss' | 'failure';
  segment: Segment;
  element: CauseElement;
  scope: CauseScope;
  /** Delay: milliseconds on one crossing (or once, for service, page and device causes). */
  addedMs: number;
  /** Loss: share of packets, both ways. */
  lossRatio: number | null;
  /** Log-likelihood gain after the penalty, in nats, and by how much the next best explanation lost. */
  gainNats: number;
  marginNats: number;
  /** The next best explanation with another element. */
  runnerUp: { key: string; family: CauseFamily; element: CauseElement; segment: Segment } | null;
  /** Devices (or cells) whose observations speak, and those among them that are clean. */
  observerCount: number;
  healthyCount: number;
  /** Found in one bin (many at once), or in two in a row. */
  pass: 'fast' | 'persistent';
  /** Milliseconds it adds to one transaction of this device and application; 0: it does not apply. */
  costMs(deviceIndex: number, appId: string): number;
  /** As `element`, on this device's own path. */
  elementFor(deviceIndex: number, appId: string): CauseElement;
  /** Lines for the evidence, about this device. */
  evidenceFor(deviceIndex: number, appId: string): EvidenceLine[];
};

export type EvidenceLine = {
  finding: 'against' | 'cleared' | 'context';
  text: string;
  value: number | null;
  baseline: number | null;
  unit: string;
};

/**
 * One family of causes, or several that are weighed against each other. `former` are the keys
 * accepted in the bin before: a cause that stood then needs less to stand now. `lately` are those of
 * the last ten minutes as well: a cause that comes and goes.
 */
export type Infer = (
  view: BinView,
  former: ReadonlySet<string>,
  options: InferOptions,
  lately?: ReadonlySet<string>,
) => Accepted[];

/** Whatever lies on them, the tunnel’s own round trip crosses it, and every device that meets it observes it. */
export const underTunnel: ReadonlySet<Segment> = new Set([
  'gateway',
  'client-edge',
  'tunnel-queue',
]);

/** Switched off one by one in the ablations; all on in the product. */
export type InferOptions = {
  /** Devices are compared with each other. */
  fleet: boolean;
  /** An odd hop is cheap, a missing shift further on is dear. */
  oneSidedHops: boolean;
  /** Causes of many devices are found from one bin. */
  fastPass: boolean;
};
export const allOn: InferOptions = { fleet: true, oneSidedHops: true, fastPass: true };
