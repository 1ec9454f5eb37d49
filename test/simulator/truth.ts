import type { CauseFamily, CauseScope, Segment } from '#contract/verdict.ts';

/** The faults a world has; docs of each in README.md. */
export const faultKinds = [
  'device-cpu',
  'device-memory',
  'wifi-delay',
  'wifi-loss',
  'office-gateway',
  'last-mile-delay',
  'last-mile-loss',
  'isp-aggregation',
  'isp-core',
  'isp-loss',
  'peering-link',
  'transit-router',
  'detour',
  'tunnel-client',
  'tunnel-version',
  'tunnel-platform',
  'tunnel-profile',
  'edge-overload',
  'edge-tunnel',
  'edge-inspection',
  'edge-resolver',
  'application-dns',
  'leg2-link-delay',
  'leg2-link-loss',
  'application-border',
  'application',
  'front-end',
  'application-tls',
  'slow-line',
  'mtu-hole',
  'page-release',
  'third-party',
] as const;
export type FaultKind = (typeof faultKinds)[number];

export const decoyKinds = [
  'hop-slow-replies',
  'hop-lost-replies',
  'hop-return-path',
  'device-cpu-busy',
  'device-memory-full',
  'weak-signal',
  'edge-cpu-busy',
  'benign-path-change',
] as const;
export type DecoyKind = (typeof decoyKinds)[number];

/** Two neighbouring addresses between which the time is lost, as a packet goes. */
export type Stretch = { from: string; to: string };

/** What may be named for it and is right. */
export type TrueElement = {
  /** Ids of a device, site, edge, application, host, AS, cohort, or single addresses. */
  ids: string[];
  /** On a network path: an answer `FROM>TO` is right when it holds one of these. */
  stretches: Stretch[];
  /** More routers in one answer are no pinpointing: §16.5. */
  mostNodes: number;
  asn: number | null;
};

export type Fault = {
  id: string;
  kind: FaultKind;
  /** The likeliest name first; another one of `families` is right too. */
  family: CauseFamily;
  families: CauseFamily[];
  /** Of most who suffer from it. Where it lies on both legs, `Impact.segments` tells for one ticket. */
  segment: Segment;
  segments: Segment[];
  scope: CauseScope;
  cause: 'delay' | 'loss';
  shape: 'constant' | 'exponential' | 'loss';
  element: TrueElement;
  startMs: number;
  endMs: number;
  /** Mean milliseconds a crossing, or for a loss the share of round trips. */
  magnitude: number;
};

/** Something that looks like a fault and costs nobody anything. */
export type Decoy = {
  id: string;
  kind: DecoyKind;
  /** Only in these families the element must not be named. */
  families: CauseFamily[];
  element: TrueElement;
  startMs: number;
  endMs: number;
  magnitude: number;
};

/** What one fault is expected to add to one transaction of one device with one application. */
export type Impact = {
  faultId: string;
  ms: number;
  /** Right names of the segment, for this device and application. */
  segments: Segment[];
};

export type Label = 'degraded' | 'healthy' | 'between';

/** A bin's ground truth; all of it is a function of the world and may be asked in any order. */
export type Truth = {
  fromMs: number;
  /** Largest first. Faults of pages count the milliseconds of the largest paint, others of the request. */
  addedMs(deviceId: string, appId: string): Impact[];
  label(deviceId: string, appId: string): Label;
  /** The device was on, and its records of this bin are not lost. */
  isPresent(deviceId: string): boolean;
  activeFaults: Fault[];
  activeDecoys: Decoy[];
};

/** The way packets take, silent and hidden routers included. */
export type TrueRoute = {
  /** From the device to its edge, or straight to the application. */
  first: string[];
  /** The same over the ISP's other core: what traces of a device without `sameFlow` may show. */
  other?: string[];
  /** From the edge to the application; empty on the straight path. */
  second: string[];
};
