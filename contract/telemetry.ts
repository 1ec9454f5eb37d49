import { type Static, Type } from '@sinclair/typebox';
import { accessActions, flowProtocols, PostureFacts, UserId } from './access.ts';
import { PathBody } from './body/path.ts';
import {
  DnsResult,
  HttpResult,
  PageLoadResult,
  PathResult,
  TcpResult,
  TlsResult,
  VoiceResult,
} from './result.ts';
import {
  Count,
  closed,
  DurationMs,
  EpochMs,
  Nullable,
  OneOf,
  Ratio,
  Slug,
  Text,
  Uuid,
} from './scalar.ts';

/**
 * The tunnel as its agent sees it. The control session carries nothing else, so its RTT is the
 * network's; the data session's RTT minus it is what bulk traffic queues in the tunnel.
 */
export const TunnelSample = Type.Object(
  {
    kind: Type.Literal('tunnel'),
    id: Uuid,
    deviceId: Uuid,
    /** In use, or, while it is not up, the last that was; null: none yet. Agents of before: null while down. */
    edgeId: Nullable(Slug),
    at: EpochMs,
    state: OneOf(['up', 'down', 'connecting', 'off'] as const),
    controlRttMs: Nullable(DurationMs),
    dataRttMs: Nullable(DurationMs),
    queueMs: Nullable(DurationMs),
    handshakeMs: Nullable(DurationMs),
    /** Underlay: round trip to the edge outside the tunnel (TCP handshake or ICMP echo). */
    underlayRttMs: Nullable(DurationMs),
    sessionCount: Count,
    streamCount: Count,
    /** Counted since the previous sample. */
    upBytes: Count,
    downBytes: Count,
    reconnectCount: Count,
    pingLostCount: Count,
    pingSentCount: Count,
    /** An edge that is clearly faster than the one in use, and by how much; null: none, also while pinned. */
    betterEdgeId: Type.Optional(Nullable(Slug)),
    gainMs: Type.Optional(Nullable(DurationMs)),
    /** Datagrams to the edge's reflector and back that did not come, outside the tunnel; null: not measured. */
    udpLossRatio: Type.Optional(Nullable(Ratio)),
    /** Probes outside the tunnel take the tunnel's own way (ECMP): its 5-tuple, or the only way there is. */
    sameFlow: Type.Optional(Nullable(Type.Boolean())),
    /** Streams that may still be reset before the fullest data session is given up; null: no session. */
    resetsLeft: Type.Optional(Nullable(Count)),
    /** Taken during a burst on suspicion (one a second); left out otherwise. Likewise below. */
    burstId: Type.Optional(Uuid),
  },
  { ...closed, $id: 'TunnelSample' },
);
export type TunnelSample = Static<typeof TunnelSample>;

export const DeviceSample = Type.Object(
  {
    kind: Type.Literal('device'),
    id: Uuid,
    deviceId: Uuid,
    at: EpochMs,
    cpuRatio: Nullable(Ratio),
    memoryUsedRatio: Nullable(Ratio),
    load1: Nullable(Type.Number({ minimum: 0 })),
    eventLoopDelayMs: DurationMs,
    receivedBytes: Nullable(Count),
    sentBytes: Nullable(Count),
    link: Nullable(
      Type.Object(
        {
          name: Text(64),
          type: OneOf(['wired', 'wifi', 'loopback', 'other'] as const),
          speedMbps: Nullable(Count),
          /** Of a Wi-Fi link; evidence, never a cause. */
          signalDbm: Type.Optional(Nullable(Type.Number({ minimum: -200, maximum: 50 }))),
        },
        closed,
      ),
    ),
    gateway: Nullable(
      Type.Object(
        {
          address: Text(64),
          rttMs: Nullable(DurationMs),
          lossRatio: Nullable(Ratio),
          /** Keyed hash of the gateway's hardware address: the same on all devices of one local network. */
          siteId: Type.Optional(Text(64)),
        },
        closed,
      ),
    ),
    agentCpuRatio: Nullable(Type.Number({ minimum: 0 })),
    agentMemoryBytes: Count,
    spoolBytes: Count,
    burstId: Type.Optional(Uuid),
  },
  { ...closed, $id: 'DeviceSample' },
);
export type DeviceSample = Static<typeof DeviceSample>;

export const EdgeSample = Type.Object(
  {
    kind: Type.Literal('edge'),
    id: Uuid,
    edgeId: Slug,
    at: EpochMs,
    cpuRatio: Nullable(Type.Number({ minimum: 0 })),
    memoryBytes: Count,
    eventLoopDelayMs: DurationMs,
    sessionCount: Count,
    streamCount: Count,
    deviceCount: Count,
    upBytes: Count,
    downBytes: Count,
    flowCount: Count,
    refusedCount: Count,
    dialFailedCount: Count,
    /** Medians over the flows since the previous sample. */
    queueMs: Nullable(DurationMs),
    dnsMs: Nullable(DurationMs),
    connectMs: Nullable(DurationMs),
    /** By application, medians over its flows that began or ended since the previous sample. */
    applications: Type.Optional(
      Type.Array(
        Type.Object(
          {
            appId: Slug,
            flowCount: Count,
            dnsMs: Nullable(DurationMs),
            connectMs: Nullable(DurationMs),
            firstByteMs: Nullable(DurationMs),
          },
          closed,
        ),
        { maxItems: 512 },
      ),
    ),
    /** Flows since the previous sample of which no record is made: there were too many at once. */
    unrecordedFlowCount: Type.Optional(Count),
    /**
     * Processes that carry flows. With several, CPU and memory above are sums over all of them and
     * the event loop's delay is the worst one's.
     */
    workerCount: Type.Optional(Count),
    workerCpuMaxRatio: Type.Optional(Nullable(Type.Number({ minimum: 0 }))),
    workerMemoryMaxBytes: Type.Optional(Count),
    /** Mean over the workers; the worst is `eventLoopDelayMs`. */
    workerLoopDelayMeanMs: Type.Optional(DurationMs),
    /** Flows that devices broke off. */
    resetCount: Type.Optional(Count),
    /** Refused flows by what refused them: policy, address, limit, or a request that was none. */
    refusedByPolicyCount: Type.Optional(Count),
    refusedByAddressCount: Type.Optional(Count),
    refusedByLimitCount: Type.Optional(Count),
    refusedRequestCount: Type.Optional(Count),
    /** Open at this moment. */
    udpFlowCount: Type.Optional(Count),
    clientlessSessionCount: Type.Optional(Count),
  },
  { ...closed, $id: 'EdgeSample' },
);
export type EdgeSample = Static<typeof EdgeSample>;

/**
 * One flow as its edge saw it, reported when it has ended. How much of it is told is the
 * organisation's choice (`privacy`).
 */
export const FlowRecord = Type.Object(
  {
    kind: Type.Literal('flow'),
    /** Handed out with the edge's answer, so that a result can name it. */
    id: Uuid,
    edgeId: Slug,
    deviceId: Uuid,
    /** Null: not to be told, or nobody is named for the device. */
    userId: Nullable(UserId),
    /** Null: none that is declared. */
    appId: Nullable(Slug),
    /** When it was asked for; moved by milliseconds where another of the device was then too. */
    at: EpochMs,
    /** Empty where it is not to be told. */
    host: Text(256),
    port: Type.Integer({ minimum: 0, maximum: 65_535 }),
    protocol: OneOf(flowProtocols),
    upBytes: Count,
    downBytes: Count,
    queueMs: DurationMs,
    dnsMs: Nullable(DurationMs),
    connectMs: Nullable(DurationMs),
    /** First byte to the origin, or the connection where it spoke first, to the first byte back. */
    firstByteMs: Nullable(DurationMs),
    /** From the request to the end of both directions; at most a day is told. */
    durationMs: DurationMs,
    action: OneOf(accessActions),
    /** Id of the rule that decided, or of a default; empty where none was asked. */
    rule: Text(64),
    /** Proxy-Status error (RFC 9209) where it was not opened; empty: it was. */
    error: Text(64),
  },
  { ...closed, $id: 'FlowRecord' },
);
export type FlowRecord = Static<typeof FlowRecord>;

/** What an agent found out about its device: when it starts, when it changes, and every hour. */
export const PostureReport = Type.Object(
  { kind: Type.Literal('posture'), id: Uuid, deviceId: Uuid, at: EpochMs, facts: PostureFacts },
  { ...closed, $id: 'PostureReport' },
);
export type PostureReport = Static<typeof PostureReport>;

/** Leg 2: an edge's own measurement of an application its devices use. */
export const OnwardSample = Type.Object(
  {
    kind: Type.Literal('onward'),
    id: Uuid,
    edgeId: Slug,
    appId: Slug,
    at: EpochMs,
    dnsMs: Nullable(DurationMs),
    /** Median TCP handshake of several connects. */
    connectMs: Nullable(DurationMs),
    connectLossRatio: Nullable(Ratio),
    /** Null where the edge may not trace; the reason stands beside it. */
    path: Nullable(PathBody),
    pathMissing: Text(300),
    burstId: Type.Optional(Uuid),
  },
  { ...closed, $id: 'OnwardSample' },
);
export type OnwardSample = Static<typeof OnwardSample>;

/**
 * Runs that gave no result, counted. The first five are planned ones, so that scheduled = stored +
 * explained; the others are runs beside the plan: a distorted one that was not made again, and what
 * a request asked for beyond its budget or after its end, or a burst had begun at its end.
 */
export const missedReasons = [
  'overrun',
  'spool-full',
  'asleep',
  'stopped',
  'refused',
  'not-repeated',
  'over-budget',
  'request-ended',
] as const;
export const MissedRuns = Type.Object(
  {
    kind: Type.Literal('missed'),
    id: Uuid,
    deviceId: Uuid,
    probeId: Slug,
    reason: OneOf(missedReasons),
    at: EpochMs,
    count: Type.Integer({ minimum: 1, maximum: 1_000_000_000 }),
  },
  { ...closed, $id: 'MissedRuns' },
);
export type MissedRuns = Static<typeof MissedRuns>;

/** As a relational engine keeps it in four bytes. */
const RunCount = Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 });

/** Why a planned run has no result; of `missedReasons` those that are about the plan. */
export const lostReasons = ['asleep', 'spool-full', 'stopped', 'overrun', 'refused'] as const;
export type LostReason = (typeof lostReasons)[number];

/** Per reason, where there were any. */
export const LostRuns = Type.Object(
  {
    asleep: Type.Optional(RunCount),
    'spool-full': Type.Optional(RunCount),
    stopped: Type.Optional(RunCount),
    overrun: Type.Optional(RunCount),
    /** Batches refused as a whole; records refused one by one are counted by the collector. */
    refused: Type.Optional(RunCount),
  },
  closed,
);
export type LostRuns = Static<typeof LostRuns>;

/**
 * What became of the planned runs of one day (UTC, the device's clock), counted since `fromAt`. A run
 * with a result is of the day its result started in, another of the day it was planned for. It travels
 * behind the results it counts, so that when it is stored they are; the highest `sequence` of a book
 * and day replaces those before, in whatever order they come.
 */
export const RunAccount = Type.Object(
  {
    kind: Type.Literal('account'),
    id: Uuid,
    deviceId: Uuid,
    /** The book that was counted in: where an agent lost its book, another goes on from then. */
    bookId: Uuid,
    sequence: Count,
    at: EpochMs,
    /** Within one day; its end may be the next one's beginning. */
    fromAt: EpochMs,
    untilAt: EpochMs,
    probes: Type.Array(
      Type.Object(
        {
          probeId: Slug,
          /** Runs that have come to an end, whatever it was. */
          plannedCount: RunCount,
          lost: LostRuns,
          /** Not in `plannedCount`: they had no end yet. */
          underwayCount: RunCount,
        },
        closed,
      ),
      { maxItems: 2_000 },
    ),
  },
  { ...closed, $id: 'RunAccount' },
);
export type RunAccount = Static<typeof RunAccount>;

/** Without NUL and halves of surrogate pairs, which no engine keeps. */
const plainText = '^(?:[^\\u0000\\ud800-\\udfff]|[\\ud800-\\udbff][\\udc00-\\udfff])*$';

/** How far a device is with runs that were asked for. Its results come as records of their own. */
export const RunReport = Type.Object(
  {
    kind: Type.Literal('run-report'),
    id: Uuid,
    deviceId: Uuid,
    requestId: Uuid,
    at: EpochMs,
    state: OneOf(['picked-up', 'running', 'done'] as const),
    /** Runs that gave a result, and runs that were not made, until now. */
    madeCount: RunCount,
    lostCount: RunCount,
    /** Why it ended before all was made; empty when it was, or has not ended. */
    reason: Type.String({ maxLength: 300, pattern: plainText }),
  },
  { ...closed, $id: 'RunReport' },
);
export type RunReport = Static<typeof RunReport>;

/** Something that changed on a device or an edge, with its reason. */
export const ChangeEvent = Type.Object(
  {
    kind: Type.Literal('event'),
    id: Uuid,
    source: OneOf(['device', 'edge'] as const),
    sourceId: Text(64),
    at: EpochMs,
    name: OneOf([
      'edge-chosen',
      'tunnel-up',
      'tunnel-down',
      /** The tunnel goes on with less than it should have; the reason says with what. */
      'tunnel-degraded',
      'tunnel-restored',
      'policy-applied',
      'network-changed',
      'captive-portal',
      /** What the device lets out, and why, is another than before: see docs/fail-modes.md. */
      'enforcement-changed',
      /** The organisation's PAC file cannot be used, or answers what cannot be followed; see docs/pac.md. */
      'pac-broken',
      'pac-restored',
      /** The system's proxy settings were written, or given back. */
      'system-proxy-changed',
      'started',
      'stopped',
      'categories-loaded',
      'categories-refused',
      /** One of an edge's processes ended by itself, with the flows it had. */
      'worker-replaced',
    ] as const),
    reason: Text(300),
  },
  { ...closed, $id: 'ChangeEvent' },
);
export type ChangeEvent = Static<typeof ChangeEvent>;

/** Everything that can lie in a spool and be shipped. `kind`, then `type`, tell them apart. */
export const records = {
  http: HttpResult,
  path: PathResult,
  'page-load': PageLoadResult,
  dns: DnsResult,
  tcp: TcpResult,
  tls: TlsResult,
  voice: VoiceResult,
  tunnel: TunnelSample,
  device: DeviceSample,
  edge: EdgeSample,
  onward: OnwardSample,
  flow: FlowRecord,
  posture: PostureReport,
  missed: MissedRuns,
  account: RunAccount,
  'run-report': RunReport,
  event: ChangeEvent,
} as const;

export type TelemetryRecord = Static<(typeof records)[keyof typeof records]>;

/**
 * One upload. `id` is a function of what the batch holds, so sending it again is recognised. Records
 * are checked one by one at the border: the envelope's schema leaves them open.
 */
export const Batch = Type.Object(
  {
    version: Type.Literal(1),
    id: Uuid,
    sentAt: EpochMs,
    records: Type.Array(Type.Unknown(), { minItems: 1, maxItems: 5_000 }),
  },
  { ...closed, $id: 'Batch' },
);
export type Batch = { version: 1; id: string; sentAt: number; records: unknown[] };

/** The collector's answer once the store has the batch. */
export const Acknowledgement = Type.Object(
  {
    id: Uuid,
    acceptedCount: Count,
    /** The batch had been stored before; nothing was counted again. */
    duplicate: Type.Boolean(),
    receivedAt: EpochMs,
  },
  { ...closed, $id: 'Acknowledgement' },
);
export type Acknowledgement = Static<typeof Acknowledgement>;
