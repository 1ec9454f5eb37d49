/**
 * What the engine takes of a record: numbers of one moment, free of how they were shipped or stored.
 * Times are epoch milliseconds of the sender's clock and only say into which bin a reading falls; no
 * two hosts' times are ever subtracted. Null: not measured.
 */
export type Reading =
  | HttpReading
  | PageReading
  | PathReading
  | TunnelReading
  | DeviceReading
  | EdgeReading
  | OnwardReading;

/** Fields that every run of a probe has. */
type Run = {
  timeMs: number;
  deviceId: string;
  appId: string;
  probeId: string;
  via: 'tunnel' | 'direct';
  edgeId: string | null;
  ok: boolean;
  /** Type of the failure (contract/failure.ts); null when ok. */
  failureType: string | null;
  /** The agent was overloaded, asleep or its clock jumped: no evidence. */
  distorted: boolean;
  /** Asked for or part of a burst: beside the plan, so it says nothing about how often. */
  requested: boolean;
  /** The agent's event-loop delay during the run. */
  lagMs: number | null;
};

export type HttpReading = Run & {
  kind: 'http';
  /** Phases of the last exchange, as contract HttpPhases. */
  totalMs: number | null;
  dnsMs: number | null;
  dnsSource: string | null;
  connectMs: number | null;
  proxyConnectMs: number | null;
  tlsMs: number | null;
  waitMs: number | null;
  receiveMs: number | null;
  bodyBytes: number;
  /** What the edge said of the flow (Server-Timing); null: went straight, or it said nothing. */
  edge: {
    queueMs: number | null;
    dnsMs: number | null;
    connectMs: number | null;
    /** Before that, for addresses that did not answer; absent or null: none. */
    waitedMs?: number | null;
    address: string | null;
  } | null;
  remoteAddress: string | null;
  /** `TLSv1.3`; absent or null: no TLS, or not known. */
  tlsProtocol?: string | null;
};

export type PageReading = Run & {
  kind: 'page';
  ttfbMs: number | null;
  fcpMs: number | null;
  lcpMs: number | null;
  loadMs: number | null;
  /** Hosts of the page other than the document's own, with their longest request. */
  thirdParties: readonly { host: string; longestMs: number }[];
  failedStep: string | null;
};

export type ReadHop = {
  ttl: number;
  address: string | null;
  asn: number | null;
  sentCount: number;
  receivedCount: number;
  rttMedianMs: number | null;
  rttMinMs: number | null;
};

export type PathReading = Run & {
  kind: 'path';
  /** The edge that was traced (leg 1); null: the application, straight. */
  toEdgeId: string | null;
  hops: readonly ReadHop[];
  rttMedianMs: number | null;
  rttMinMs: number | null;
  lossRatio: number | null;
  sentCount: number;
  reached: boolean;
  mtuBytes: number | null;
  mtuBlackHole: boolean;
};

export type TunnelReading = {
  kind: 'tunnel';
  timeMs: number;
  deviceId: string;
  edgeId: string | null;
  up: boolean;
  controlRttMs: number | null;
  queueMs: number | null;
  underlayRttMs: number | null;
  pingSentCount: number;
  pingLostCount: number;
  udpLossRatio: number | null;
  reconnectCount: number;
  /** Null: not known. */
  sameFlow: boolean | null;
  /** Part of a burst: beside the plan. */
  requested?: boolean;
};

export type DeviceReading = {
  kind: 'device';
  timeMs: number;
  deviceId: string;
  lagMs: number;
  cpuRatio: number | null;
  memoryUsedRatio: number | null;
  linkType: 'wired' | 'wifi' | 'loopback' | 'other' | null;
  signalDbm: number | null;
  gatewayAddress: string | null;
  siteId: string | null;
  gatewayRttMs: number | null;
  gatewayLossRatio: number | null;
  /** Part of a burst: beside the plan. */
  requested?: boolean;
};

export type EdgeReading = {
  kind: 'edge';
  timeMs: number;
  edgeId: string;
  lagMs: number;
  cpuRatio: number | null;
  sessionCount: number;
  queueMs: number | null;
  dnsMs: number | null;
  connectMs: number | null;
};

/** Leg 2 as the edge itself measures it. */
export type OnwardReading = {
  kind: 'onward';
  timeMs: number;
  edgeId: string;
  appId: string;
  dnsMs: number | null;
  connectMs: number | null;
  connectLossRatio: number | null;
  hops: readonly ReadHop[];
  address: string | null;
  rttMedianMs: number | null;
  lossRatio: number | null;
  sentCount: number;
  /** Where the edge tested with large packets. */
  mtuBytes?: number | null;
  mtuBlackHole?: boolean;
  /** Part of a burst: beside the plan. */
  requested?: boolean;
};

/** What is known of the parts of the fleet besides what they measure. All optional. */
export type DeviceFacts = {
  name?: string;
  /** Devices behind one gateway share it. Overrides what readings say. */
  site?: string;
  /** Access network: its AS, and the region within it. */
  asn?: number;
  region?: string;
  platform?: string;
  programVersion?: string;
  /** Forwarding profile, PAC file or another group whose settings are the same. */
  profile?: string;
};
export type Facts = {
  devices: Record<string, DeviceFacts>;
  edges: Record<string, { name?: string }>;
  applications: Record<string, { name?: string }>;
};
