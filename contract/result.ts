import { type Static, Type } from '@sinclair/typebox';
import { TcpBody, TlsBody } from './body/connection.ts';
import { DnsBody } from './body/dns.ts';
import { HttpBody } from './body/http.ts';
import { PageLoadBody } from './body/page-load.ts';
import { PathBody } from './body/path.ts';
import { VoiceBody } from './body/voice.ts';
import { Failure } from './failure.ts';
import { closed, DurationMs, EpochMs, Nullable, OneOf, Ratio, Slug, Uuid } from './scalar.ts';

/** Which way the run's traffic went: through the agent's tunnel, or straight from the device. */
export const vias = ['tunnel', 'direct'] as const;

export type Via = (typeof vias)[number];

/** What the agent knows about itself during the run: a distorted result is no evidence. */
export const SelfCheck = Type.Object(
  {
    eventLoopDelayMs: DurationMs,
    cpuStealRatio: Nullable(Ratio),
    /** Wall clock or boot clock moved against the monotonic one: sleep or a clock step. */
    clockJumpMs: Type.Number(),
    /** The longest that this program did not get to run, at once. */
    longestDelayMs: Type.Optional(DurationMs),
    /** From the time it was planned for to its real start; left out of a run that was not planned. */
    latenessMs: Type.Optional(DurationMs),
  },
  { ...closed, $id: 'SelfCheck' },
);
export type SelfCheck = Static<typeof SelfCheck>;

/** Reasons for keeping a result out of score, baseline and blame. */
export const distortions = ['none', 'agent-overloaded', 'clock-jumped', 'asleep'] as const;

const envelope = {
  kind: Type.Literal('result'),
  id: Uuid,
  deviceId: Uuid,
  appId: Slug,
  probeId: Slug,
  via: OneOf(vias),
  /** The edge the device's tunnel was on; null without a tunnel. */
  edgeId: Nullable(Slug),
  /** The same on the two runs, one each way, that were made back to back to be compared. */
  pairId: Type.Optional(Nullable(Uuid)),
  /** The distorted result that this run was made again for; such a run is beside the plan. */
  repeats: Type.Optional(Uuid),
  /** Whose request this run was made for; such runs are beside the plan and not evenly spaced. */
  requestId: Type.Optional(Uuid),
  /** The burst on suspicion it belongs to; such runs are beside the plan, about one a second. */
  burstId: Type.Optional(Uuid),
  /** Device's clock. */
  startedAt: EpochMs,
  durationMs: DurationMs,
  /** 1 the run met its success condition, 0 it did not. */
  availability: Type.Union([Type.Literal(0), Type.Literal(1)]),
  failure: Nullable(Failure),
  self: SelfCheck,
  distortion: OneOf(distortions),
};

export const HttpResult = Type.Object(
  { ...envelope, type: Type.Literal('http'), body: HttpBody },
  { ...closed, $id: 'HttpResult' },
);

export const PathResult = Type.Object(
  { ...envelope, type: Type.Literal('path'), body: PathBody },
  { ...closed, $id: 'PathResult' },
);

export const PageLoadResult = Type.Object(
  { ...envelope, type: Type.Literal('page-load'), body: PageLoadBody },
  { ...closed, $id: 'PageLoadResult' },
);

export const DnsResult = Type.Object(
  { ...envelope, type: Type.Literal('dns'), body: DnsBody },
  { ...closed, $id: 'DnsResult' },
);

export const TcpResult = Type.Object(
  { ...envelope, type: Type.Literal('tcp'), body: TcpBody },
  { ...closed, $id: 'TcpResult' },
);

export const TlsResult = Type.Object(
  { ...envelope, type: Type.Literal('tls'), body: TlsBody },
  { ...closed, $id: 'TlsResult' },
);

export const VoiceResult = Type.Object(
  { ...envelope, type: Type.Literal('voice'), body: VoiceBody },
  { ...closed, $id: 'VoiceResult' },
);
export type TcpResult = Static<typeof TcpResult>;
export type TlsResult = Static<typeof TlsResult>;
export type VoiceResult = Static<typeof VoiceResult>;
export type HttpResult = Static<typeof HttpResult>;
export type PathResult = Static<typeof PathResult>;
export type PageLoadResult = Static<typeof PageLoadResult>;
export type DnsResult = Static<typeof DnsResult>;

/** What one run gives. A failed run is a result too: its body holds what was measured until then. */
export type Result =
  | HttpResult
  | PathResult
  | PageLoadResult
  | DnsResult
  | TcpResult
  | TlsResult
  | VoiceResult;

export const probeTypes = ['http', 'path', 'page-load', 'dns', 'tcp', 'tls', 'voice'] as const;

export type ProbeType = (typeof probeTypes)[number];

/** The body of each probe type. */
export type BodyOf = {
  http: HttpBody;
  path: PathBody;
  'page-load': PageLoadBody;
  dns: DnsBody;
  tcp: TcpBody;
  tls: TlsBody;
  voice: VoiceBody;
};
