import type { DeviceFacts, HttpReading, ReadHop } from './reading.ts';

/**
 * One closed bin as inference sees it: for every quantity how far it is from its own normal. Views
 * are built when they are asked for and are good until the next bin is closed.
 */
export type BinView = {
  fromMs: number;
  toMs: number;
  /** Bin number: fromMs / binMs. */
  bin: number;
  binMs: number;
  /** Indexes of all devices with a reading in this or the last two bins, ascending by id. */
  active: readonly number[];
  /** Those with a reference quantity off its normal: only they start candidates. */
  hot: readonly number[];
  /**
   * Those with an application that failed in all runs of this bin, or whose total is off its normal:
   * who suffers by its own measure, whether or not `hot`. A view of a device is dear; nobody needs
   * the views of all.
   */
  ailing: readonly number[];
  device(index: number): DeviceView;
  indexOf(deviceId: string): number | undefined;
  /** Onward measurements (leg 2), one for each edge, application and front end (address). */
  onward: readonly OnwardView[];
  /** What runs and edges said about services, pooled by where they were seen. */
  cells: readonly Cell[];
  edges: readonly EdgeView[];
  /** Page loads pooled by application. */
  pages: readonly PageCell[];
};

/** One quantity of one key in this bin, against its seasonal robust baseline. */
export type Delta = {
  /** The bin's statistic (median of its samples), normal for this hour, and the difference. */
  nowMs: number;
  normalMs: number;
  fastMs: number;
  /** Robust scale of one bin's statistic. */
  scaleMs: number;
  /** Min of this bin's and the former one's difference, unbiased; null: there is no former one. */
  persistentMs: number | null;
  persistentScaleMs: number;
  /** Mean of both (hops); equals fastMs where there is no former one. */
  meanMs: number;
  meanScaleMs: number;
  /** Excess of the trimmed mean over the bin's statistic, normal or not. */
  skewMs: number;
  sampleCount: number;
  /** Enough history (8 bins, and old enough to be no leftover of a path change). */
  ready: boolean;
};

/** Counted over the last `windowBins` bins. */
export type LossCount = {
  sent: number;
  lost: number;
  recentLost: number;
  /** Sent in the same bins as `recentLost`: the window still holds what was before a fault. */
  recentSent?: number;
  /** Of these, in the newest stretch (a bin, or several short ones). */
  newestSent?: number;
  newestLost?: number;
  normalRatio: number;
};

export type TraceView = {
  /** Answering addresses in order. */
  signature: string;
  /** Normal over the device's matured signatures: a changed one is a path change since `changedAtMs`. */
  changedAtMs: number | null;
  hops: readonly (ReadHop & {
    delta: Delta | null;
    /** Share of bins in which it answers, by experience. */
    answers: number;
    loss: LossCount | null;
  })[];
  loss: LossCount | null;
  rtt: Delta | null;
  mtuBlackHole: boolean;
  mtuBytes: number | null;
};

export type DeviceView = {
  index: number;
  deviceId: string;
  facts: DeviceFacts;
  edgeId: string | null;
  /** Undefined: nothing tells which devices share its network; it is a site of its own. */
  siteId: string | undefined;
  asn: number | null;
  region: string | null;
  linkType: string | null;
  isHot: boolean;
  /** Bins with a reading, of the last three, and when it was first seen. */
  recentBins: number;
  firstSeenMs: number;
  lag: Delta | null;
  /** Event-loop delay above normal, already taken off every other delta of this device. */
  lagExtraMs: number;
  gateway: Delta | null;
  /** Outside the tunnel to the edge. */
  underlay: Delta | null;
  /** Control session's round trip. */
  tunnel: Delta | null;
  queue: Delta | null;
  /** Device–edge round trip out of runs: CONNECT less what the edge says it took of it. */
  runRoundTrip: Delta | null;
  sameFlow: boolean;
  gatewayLoss: LossCount | null;
  underlayLoss: LossCount | null;
  tunnelLoss: LossCount | null;
  /** Checked and cleared or not: context for people. */
  cpuRatio: number | null;
  memoryUsedRatio: number | null;
  signalDbm: number | null;
  reconnectCount: number;
  /** Device → edge. */
  trace: TraceView | null;
  applications: readonly ApplicationView[];
};

export type ApplicationView = {
  appId: string;
  /** Way of the runs judged: the tunnel's where there are any. */
  via: 'tunnel' | 'direct';
  edgeId: string | null;
  /** Address that served it (front end), seen from the edge or straight. */
  frontEnd: string | null;
  runCount: number;
  okCount: number;
  /** Newest failure's type where none of the bin's runs was ok. */
  failureType: string | null;
  /** Newest run of the bin that was ok, for the ledger. */
  newestRun: HttpReading | null;
  total: Delta | null;
  /** Last three bins' differences of the total, newest first, null where a bin is missing. */
  recentTotals: readonly (number | null)[];
  /** Straight runs: TCP handshake, and the path to the application. */
  directConnect: Delta | null;
  directTrace: TraceView | null;
  /** Crossings of leg 1 and leg 2 (straight: of the whole path) that one transaction makes. */
  roundTrips: { leg1: number; leg2: number; direct: number };
  /**
   * Largest paint (else load) less the document's time and the slowest third party. Of the newest
   * loads, which may be some bins ago.
   */
  render: Delta | null;
  pageTotal: Delta | null;
};

export type OnwardView = {
  edgeId: string;
  appId: string;
  frontEnd: string | null;
  /** The edge's own handshakes, and those inside of runs pooled, whichever has more samples. */
  connect: Delta | null;
  dns: Delta | null;
  trace: TraceView | null;
  loss: LossCount | null;
};

/** Parts of an answer's time that lie in a service, not on a path. */
export const cellParts = ['in-edge', 'dns', 'tls', 'server', 'transfer'] as const;
export type CellPart = (typeof cellParts)[number];

/** Pooled over all devices that met the service in one place in this bin. */
export type Cell = {
  part: CellPart;
  /** Where it was seen from; null: straight from devices. */
  edgeId: string | null;
  appId: string;
  frontEnd: string | null;
  delta: Delta;
  /** Exponentially weighted absolute deviation of a single sample. */
  sampleSpreadMs: number;
  /** Devices with a sample in it. */
  deviceCount: number;
  /** Null: too few bins in a row. */
  lasting: Lasting | null;
  /** Its first day: what it takes at this hour is not known yet. */
  isYoung: boolean;
  /** Of few samples: each one's difference from normal, newest first, of the last six bins with one. */
  singlesMs?: readonly number[];
  /** Look-ups: how often no cache answers, and how much longer it then takes, by experience. */
  misses?: { share: number; ms: number; spreadMs: number };
};

/** What a cell was off by over some bins: small causes are not seen in one. */
export type Lasting = {
  ms: number;
  /** The least over as many bins before: a cause begins by a step; null: not known. */
  beforeMs: number | null;
  /** Three to eight bins ago: what it was off by just now; null: not known. */
  justBeforeMs: number | null;
  /** Of one bin's scale. */
  scaleShare: number;
};

export type EdgeView = {
  edgeId: string;
  lag: Delta | null;
  queue: Delta | null;
  cpuRatio: number | null;
  sessionCount: number | null;
};

/** Page loads of one application in this bin. */
export type PageCell = {
  appId: string;
  deviceCount: number;
  /** Pooled difference of the render time from each device's own normal. */
  render: Delta;
  /** Since its newest loads: 0, in this very bin. */
  ageBins: number;
  /** Per third party: its longest request, pooled. */
  thirdParties: readonly {
    host: string;
    delta: Delta;
    deviceCount: number;
    /** Since its newest loads: 0, in this very bin. */
    ageBins: number;
  }[];
};
