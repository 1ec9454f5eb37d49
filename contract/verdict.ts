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
  },
  { ...closed, $id: 'Verdict' },
);
export type Verdict = Static<typeof Verdict>;

export const scoreBand = (score: number): 'good' | 'okay' | 'poor' =>
  score >= 66 ? 'good' : score >= 34 ? 'okay' : 'poor';
