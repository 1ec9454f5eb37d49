import { type Static, Type } from '@sinclair/typebox';
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

/** The stretches a slow answer's time is split into, from the user outwards. */
export const segments = [
  'device',
  'gateway',
  'client-edge',
  'tunnel-queue',
  'in-edge',
  'edge-origin',
  'dns',
  'tls',
  'server',
  'transfer',
  'page',
] as const;
export type Segment = (typeof segments)[number];

/** What each segment is called in front of people. */
export const segmentNames = {
  device: 'the device itself',
  gateway: 'the local network (device to gateway)',
  'client-edge': 'the internet path from the device to the edge',
  'tunnel-queue': 'queueing in the tunnel',
  'in-edge': 'the edge',
  'edge-origin': 'the path from the edge to the application',
  dns: 'name resolution',
  tls: 'the TLS handshake',
  server: 'the application’s server',
  transfer: 'the transfer of the answer',
  page: 'the page itself',
} as const satisfies Record<Segment, string>;

/** One line of the ledger. `ms` null: not measured, and never guessed into the gap. */
export const LedgerPart = Type.Object(
  {
    segment: OneOf(segments),
    ms: Nullable(DurationMs),
    baselineMs: Nullable(DurationMs),
    /** ms above the baseline, never below 0; null where one of the two is missing. */
    addedMs: Nullable(DurationMs),
    /** How it was measured, for the engineer who checks it. */
    how: Text(300),
  },
  { ...closed, $id: 'LedgerPart' },
);
export type LedgerPart = Static<typeof LedgerPart>;

/** Parts + residual = total. The residual is shown, not spread. */
export const Ledger = Type.Object(
  {
    totalMs: DurationMs,
    baselineTotalMs: Nullable(DurationMs),
    residualMs: Type.Number(),
    parts: Type.Array(LedgerPart, { maxItems: segments.length }),
  },
  { ...closed, $id: 'Ledger' },
);
export type Ledger = Static<typeof Ledger>;

/** One number that was looked at; `finding` says which way it counts. */
export const Evidence = Type.Object(
  {
    finding: OneOf(['against', 'cleared', 'context'] as const),
    segment: Nullable(OneOf(segments)),
    text: Text(400),
    value: Nullable(Type.Number()),
    baseline: Nullable(Type.Number()),
    unit: Text(16),
  },
  { ...closed, $id: 'Evidence' },
);
export type Evidence = Static<typeof Evidence>;

/** Kinds of cause the fleet's engine knows; each is one file in collector/diagnose/fleet/causes. */
export const causeFamilies = [
  'device',
  'wifi',
  'gateway',
  'last-mile',
  'isp-region',
  'link',
  'router',
  'as',
  'tunnel-client',
  'tunnel-cohort',
  'edge',
  'edge-dns',
  'application-dns',
  'front-end',
  'application',
  'tls',
  'transfer',
  'page',
  'third-party',
  'mtu',
] as const;
export type CauseFamily = (typeof causeFamilies)[number];

/** `failure`: nothing is answered; no milliseconds and no loss are told of it. */
export const causeKinds = ['delay', 'loss', 'failure'] as const;

export const causeScopes = [
  'device',
  'site',
  'cohort',
  'region',
  'network',
  'edge',
  'front-end',
  'application',
] as const;
export type CauseScope = (typeof causeScopes)[number];

/** What is at fault, as exactly as the evidence allows. */
export const CauseElement = Type.Object(
  {
    /**
     * Stable: the same element has the same id in every verdict and incident. For a stretch of a path
     * `FROM>TO` of addresses, else the id of the device, site, edge, application, host, AS or cohort.
     */
    id: Text(200),
    /** For people, without an article: `between 10.0.0.1 and 10.0.3.1 (AS 64500)`. */
    name: Text(300),
    /** Last clean and first inflated address of a stretch, on the path of the device that asks. */
    from: Nullable(Text(64)),
    to: Nullable(Text(64)),
    asn: Nullable(Type.Integer({ minimum: 0, maximum: 4_294_967_295 })),
    /** Hops between the two that do not answer. */
    silentHopCount: Count,
  },
  { ...closed, $id: 'CauseElement' },
);
export type CauseElement = Static<typeof CauseElement>;

/** One accepted cause and what it costs one device and application. */
export const VerdictCause = Type.Object(
  {
    family: OneOf(causeFamilies),
    kind: OneOf(causeKinds),
    segment: OneOf(segments),
    element: CauseElement,
    scope: OneOf(causeScopes),
    /** Expected milliseconds it adds to one transaction of this device and application. */
    addedMs: DurationMs,
    /** Of all that was added, 0–1. */
    share: Ratio,
    /** Milliseconds on one crossing; null for loss. */
    perRoundTripMs: Nullable(DurationMs),
    lossRatio: Nullable(Ratio),
    /** Devices that suffer from it, and healthy ones that cross the element (0: nobody clears it). */
    deviceCount: Count,
    healthyDeviceCount: Count,
    /** Bin in which it began, by change point. */
    startedAt: EpochMs,
    incidentId: Uuid,
  },
  { ...closed, $id: 'VerdictCause' },
);
export type VerdictCause = Static<typeof VerdictCause>;

/**
 * `ok`: nothing to blame. `slow`: a segment is named. `failing`: it does not answer at all.
 * `inconclusive`: slow, but not enough evidence to say where; the sentence says what is missing.
 */
export const verdictStates = ['ok', 'slow', 'failing', 'inconclusive'] as const;
export type VerdictState = (typeof verdictStates)[number];

export const Verdict = Type.Object(
  {
    version: Type.Literal(1),
    deviceId: Uuid,
    appId: Slug,
    edgeId: Nullable(Slug),
    /** Time of the newest evidence. */
    at: EpochMs,
    state: OneOf(verdictStates),
    segment: Nullable(OneOf(segments)),
    addedMs: Nullable(DurationMs),
    totalMs: Nullable(DurationMs),
    baselineMs: Nullable(DurationMs),
    /** What `baselineMs` is: this application's own past, or the device's other applications. */
    baselineFrom: OneOf(['own-past', 'other-applications', 'none'] as const),
    confidence: Ratio,
    /** 0–100; good 66–100, okay 34–65, poor 0–33; null when inconclusive. */
    score: Nullable(Type.Integer({ minimum: 0, maximum: 100 })),
    /** The answer, for the helpdesk to read out. */
    sentence: Text(600),
    action: Text(600),
    evidence: Type.Array(Evidence, { maxItems: 40 }),
    ledger: Nullable(Ledger),
    resultCount: Count,
    /** What the whole fleet's evidence says, what adds most first; absent: one device's evidence only. */
    causes: Type.Optional(Type.Array(VerdictCause, { maxItems: 8 })),
    /** The stretch of time the verdict is about: [at − binMs, at). Absent: it is about the newest runs. */
    binMs: Type.Optional(Type.Integer({ minimum: 1_000, maximum: 3_600_000 })),
  },
  { ...closed, $id: 'Verdict' },
);
export type Verdict = Static<typeof Verdict>;

/** How much of the organisation's active devices suffers: below 1 %, from 1, 5 and 10 %. */
export const incidentLevels = ['one-user', 'few', 'low', 'medium', 'high'] as const;

/** One cause over its life, whoever suffers from it. */
export const SharedIncident = Type.Object(
  {
    kind: Type.Literal('incident'),
    version: Type.Literal(1),
    id: Uuid,
    family: OneOf(causeFamilies),
    causeKind: OneOf(causeKinds),
    segment: OneOf(segments),
    element: CauseElement,
    scope: OneOf(causeScopes),
    level: OneOf(incidentLevels),
    startedAt: EpochMs,
    /** End of the newest bin it was seen in. */
    seenAt: EpochMs,
    /** Null: it goes on. */
    endedAt: Nullable(EpochMs),
    perRoundTripMs: Nullable(DurationMs),
    lossRatio: Nullable(Ratio),
    /** In the newest bin: devices, and pairs of device and application, that it slows noticeably. */
    deviceCount: Count,
    pairCount: Count,
    healthyDeviceCount: Count,
    /** Milliseconds × minutes over everyone who suffers, since the start. */
    impactMsMinutes: Type.Number({ minimum: 0 }),
    confidence: Ratio,
    sentence: Text(600),
    evidence: Type.Array(Evidence, { maxItems: 40 }),
  },
  { ...closed, $id: 'SharedIncident' },
);
export type SharedIncident = Static<typeof SharedIncident>;

export const scoreBand = (score: number): 'good' | 'okay' | 'poor' =>
  score >= 66 ? 'good' : score >= 34 ? 'okay' : 'poor';
