import { type Static, Type } from '@sinclair/typebox';
import { Failure } from './failure.ts';
import {
  Count,
  closed,
  DurationMs,
  EpochMs,
  Nullable,
  OneOf,
  Port,
  Ratio,
  Slug,
  Text,
  Uuid,
} from './scalar.ts';
import { VoiceBody } from './voice.ts';

/** Which way the run's traffic went: through the agent's tunnel, or straight from the device. */
export const vias = ['tunnel', 'direct'] as const;
export type Via = (typeof vias)[number];

/**
 * One attempt to connect to one address (RFC 8305 staging). Times are since the dial began.
 * `lost`: another address won the race while this one was still waiting.
 */
export const DialAttempt = Type.Object(
  {
    address: Text(64),
    family: Type.Union([Type.Literal(4), Type.Literal(6)]),
    startedMs: DurationMs,
    endedMs: DurationMs,
    outcome: OneOf([
      'connected',
      'refused',
      'timed-out',
      'unreachable',
      'reset',
      'lost',
      'failed',
    ] as const),
  },
  { ...closed, $id: 'DialAttempt' },
);
export type DialAttempt = Static<typeof DialAttempt>;

/** Where a name's addresses came from; a warm answer says nothing about the resolver's speed. */
export const dnsSources = ['cold', 'warm', 'hosts-file', 'literal'] as const;

/**
 * Durations that add up; `null` where the run did not go through the phase. `connect` is the TCP
 * handshake alone (HAR's contains TLS; ours does not). Through the tunnel `dns` and `connect` are
 * the edge's work and stand in `edge`; `proxyConnect` is CONNECT sent → 200 received.
 */
export const HttpPhases = Type.Object(
  {
    dnsMs: Nullable(DurationMs),
    connectMs: Nullable(DurationMs),
    proxyConnectMs: Nullable(DurationMs),
    tlsMs: Nullable(DurationMs),
    waitMs: Nullable(DurationMs),
    receiveMs: Nullable(DurationMs),
  },
  { ...closed, $id: 'HttpPhases' },
);
export type HttpPhases = Static<typeof HttpPhases>;

/** What the edge measured of one flow, from the `Server-Timing` of its answer to CONNECT. */
export const EdgeTiming = Type.Object(
  {
    edgeId: Slug,
    /** Stream received → work on it begun: the edge's own queueing, policy included. */
    queueMs: DurationMs,
    dnsMs: Nullable(DurationMs),
    /** TCP handshake edge → origin: one round trip of that leg. */
    connectMs: Nullable(DurationMs),
    /** Address the edge connected to. */
    address: Nullable(Text(64)),
  },
  { ...closed, $id: 'EdgeTiming' },
);
export type EdgeTiming = Static<typeof EdgeTiming>;

/** Three digits (RFC 9110 section 15); servers send some above 599, such as 999. */
const Status = Type.Integer({ minimum: 100, maximum: 999 });

/** One request and its answer; a redirect makes another. */
export const HttpExchange = Type.Object(
  {
    url: Text(2048),
    status: Nullable(Status),
    phases: HttpPhases,
    durationMs: DurationMs,
    bodyBytes: Count,
    remoteAddress: Nullable(Text(64)),
    remotePort: Nullable(Port),
    dnsSource: Nullable(OneOf(dnsSources)),
    attempts: Type.Array(DialAttempt, { maxItems: 32 }),
    edge: Nullable(EdgeTiming),
    /** Address family of the connection; through the tunnel the edge's. Agents of before leave it out. */
    family: Type.Optional(Nullable(Type.Union([Type.Literal(4), Type.Literal(6)]))),
  },
  { ...closed, $id: 'HttpExchange' },
);
export type HttpExchange = Static<typeof HttpExchange>;

/** A certificate's own times: roots begin before 2000 and some end in 9999, so not `EpochMs`. */
const CertificateTime = Type.Number({ minimum: 0, maximum: 253_402_300_800_000 });

/**
 * Where the trust in a chain comes from. `public`: a root that Node ships (Mozilla's list);
 * `system`: only the device's own store; `extra`: only a CA given to the agent; `unknown`: none.
 */
export const trustRoots = ['public', 'system', 'extra', 'unknown'] as const;

/**
 * The certificates a server showed. `subject`, `issuer` and `notAfter` are the leaf's; what is
 * optional was not told by agents of before.
 */
export const ServerCertificate = Type.Object(
  {
    subject: Text(256),
    issuer: Text(256),
    notAfter: EpochMs,
    /** TLS version. */
    protocol: Text(16),
    /** The leaf is for the name (or address) that was asked for. */
    nameMatches: Type.Optional(Type.Boolean()),
    /** As the server sent them, leaf first, with the root where it is known. */
    chain: Type.Optional(
      Type.Array(
        Type.Object(
          {
            subject: Text(256),
            issuer: Text(256),
            notBefore: CertificateTime,
            notAfter: CertificateTime,
          },
          closed,
        ),
        { maxItems: 10 },
      ),
    ),
    /** Until the first of the chain expires, by the device's clock; below 0: it has. */
    daysLeft: Type.Optional(Type.Number()),
    root: Type.Optional(OneOf(trustRoots)),
    /**
     * Signs that an inspecting proxy made the certificate: its issuer bears a vendor's `name`, or it
     * is trusted here (by `root`) though under no public root, as a private application's is as well.
     */
    inspection: Type.Optional(
      Nullable(
        Type.Object(
          { sign: OneOf(['vendor-name', 'private-root'] as const), name: Text(256) },
          closed,
        ),
      ),
    ),
  },
  { ...closed, $id: 'ServerCertificate' },
);
export type ServerCertificate = Static<typeof ServerCertificate>;

/** What a probe may ask with (RFC 9110 section 9.3; PATCH: RFC 5789). */
export const httpMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
/** `auto`: whichever of both the server chooses (ALPN), HTTP/1.1 without TLS. */
export const httpVersionChoices = ['auto', '1.1', '2'] as const;
export const familyChoices = ['any', 'ipv4', 'ipv6'] as const;

export const HttpBody = Type.Object(
  {
    url: Text(2048),
    method: OneOf(httpMethods),
    httpVersion: Nullable(OneOf(['1.0', '1.1', '2'] as const)),
    /** Every exchange in order; the last one is the answer. Phases are never summed over them. */
    exchanges: Type.Array(HttpExchange, { maxItems: 11 }),
    /** Of the last exchange, as the device saw it. */
    certificate: Nullable(ServerCertificate),
    /**
     * The same request once more on the last exchange's connection, when asked for and possible: what
     * a browser with a connection at hand feels. In no phase and in no sum.
     */
    warm: Type.Optional(
      Nullable(Type.Object({ waitMs: DurationMs, receiveMs: DurationMs, status: Status }, closed)),
    ),
  },
  { ...closed, $id: 'HttpBody' },
);
export type HttpBody = Static<typeof HttpBody>;

/**
 * One of several addresses at a TTL, seen by flows of their own (ECMP). The `path…` figures are end
 * to end, of the flows that go this way: the target's answers, not this router's.
 */
export const HopBranch = Type.Object(
  {
    address: Text(64),
    flowCount: Count,
    rttMinMs: Nullable(DurationMs),
    rttMedianMs: Nullable(DurationMs),
    pathSentCount: Count,
    pathLossRatio: Nullable(Ratio),
    pathRttMedianMs: Nullable(DurationMs),
  },
  { ...closed, $id: 'HopBranch' },
);
export type HopBranch = Static<typeof HopBranch>;

/**
 * `silent`: nothing came at this TTL. `limited`: answered less often than something behind it, so
 * what is missing was let through and not answered. Neither is loss.
 */
export const hopStates = ['answering', 'silent', 'limited'] as const;

/** Who an address belongs to, by a table on the device; null: not in it. */
const origin = {
  name: Type.Optional(Nullable(Text(253))),
  asn: Type.Optional(Nullable(Type.Integer({ minimum: 0, maximum: 4_294_967_295 }))),
  asName: Type.Optional(Nullable(Text(100))),
  /** ISO 3166-1 alpha-2. */
  country: Type.Optional(Nullable(Text(2))),
};

/** One TTL. `address` null: silent at this TTL, which is not loss by itself. */
export const Hop = Type.Object(
  {
    ttl: Type.Integer({ minimum: 1, maximum: 64 }),
    address: Nullable(Text(64)),
    sentCount: Count,
    receivedCount: Count,
    rttMinMs: Nullable(DurationMs),
    rttMedianMs: Nullable(DurationMs),
    rttMaxMs: Nullable(DurationMs),
    state: Type.Optional(OneOf(hopStates)),
    ...origin,
    /** Only where several flows were sent and saw different addresses; most flows first. */
    branches: Type.Optional(Type.Array(HopBranch, { maxItems: 64 })),
  },
  { ...closed, $id: 'Hop' },
);
export type Hop = Static<typeof Hop>;

export const pathProtocols = ['icmp', 'tcp', 'udp'] as const;

export const PathBody = Type.Object(
  {
    target: Text(256),
    address: Nullable(Text(64)),
    protocol: OneOf(pathProtocols),
    /**
     * How it was sent. `raw`: raw sockets. `error-queue`: without privilege, hops from what the
     * kernel queues for ordinary sockets. `unprivileged`: the target only, no hops.
     */
    method: OneOf(['raw', 'error-queue', 'unprivileged'] as const),
    /** What hops were asked with, where that is not `protocol`. */
    hopProtocol: Type.Optional(OneOf(pathProtocols)),
    reached: Type.Boolean(),
    hops: Type.Array(Hop, { maxItems: 64 }),
    /** End to end, from the target's own answers, apart from what hops said. */
    rttMinMs: Nullable(DurationMs),
    rttMedianMs: Nullable(DurationMs),
    /** Mean absolute difference of consecutive answered RTTs; null below two answers. */
    jitterMs: Nullable(DurationMs),
    lossRatio: Nullable(Ratio),
    /** Hash over the sequence of answering addresses; changes when the route does. */
    routeHash: Nullable(Text(16)),
    /** That of the agent's run before, where it was another one. */
    formerRouteHash: Type.Optional(Text(16)),
    /** Flows sent; absent: one. */
    flowCount: Type.Optional(Count),
    /** Only where it was asked for. */
    mtu: Type.Optional(
      Type.Object(
        {
          /** The largest packet, IP header included, that went all the way unfragmented. */
          bytes: Nullable(Count),
          /** Larger ones vanish and no router says so: pings work, transfers hang. */
          blackHole: Type.Boolean(),
          /** The router that said what fits. */
          toldBy: Nullable(Text(64)),
        },
        closed,
      ),
    ),
  },
  { ...closed, $id: 'PathBody' },
);
export type PathBody = Static<typeof PathBody>;

export const PageResource = Type.Object(
  {
    url: Text(2048),
    host: Text(256),
    type: Text(32),
    status: Nullable(Type.Integer({ minimum: 0, maximum: 999 })),
    startMs: DurationMs,
    durationMs: DurationMs,
    dnsMs: Nullable(DurationMs),
    connectMs: Nullable(DurationMs),
    tlsMs: Nullable(DurationMs),
    waitMs: Nullable(DurationMs),
    receiveMs: Nullable(DurationMs),
    transferBytes: Count,
    failed: Nullable(Text(100)),
  },
  { ...closed, $id: 'PageResource' },
);
export type PageResource = Static<typeof PageResource>;

/** Milestones since the start of navigation; never added to phases. INP needs a user: not claimed. */
export const PageLoadBody = Type.Object(
  {
    url: Text(2048),
    finalUrl: Nullable(Text(2048)),
    status: Nullable(Status),
    ttfbMs: Nullable(DurationMs),
    fcpMs: Nullable(DurationMs),
    lcpMs: Nullable(DurationMs),
    /** Layout shift score, no unit. */
    cls: Nullable(Type.Number({ minimum: 0 })),
    domContentLoadedMs: Nullable(DurationMs),
    loadMs: Nullable(DurationMs),
    /** Sum over long tasks of what exceeds 50 ms, up to load. */
    totalBlockingMs: Nullable(DurationMs),
    requestCount: Count,
    transferBytes: Count,
    failedRequestCount: Count,
    thirdPartyCount: Count,
    /** The slowest, longest first; `requestCount` says how many there were. */
    resources: Type.Array(PageResource, { maxItems: 50 }),
    consoleErrorCount: Count,
    browser: Nullable(Text(64)),
  },
  { ...closed, $id: 'PageLoadBody' },
);
export type PageLoadBody = Static<typeof PageLoadBody>;

export const dnsRecordTypes = [
  'A',
  'AAAA',
  'CNAME',
  'MX',
  'TXT',
  'NS',
  'SRV',
  'PTR',
  'CAA',
  'SOA',
  'HTTPS',
  'SVCB',
] as const;

/** How a name server was asked: RFC 1035, RFC 7766, RFC 7858, RFC 8484. */
export const dnsTransports = ['udp', 'tcp', 'tls', 'https'] as const;

/**
 * One question sent to one server. Times are since the run's first. `unanswered` says nothing about
 * the server's speed: the packet, or the answer to it, was lost.
 */
export const DnsAttempt = Type.Object(
  {
    server: Text(512),
    transport: OneOf(dnsTransports),
    startedMs: DurationMs,
    endedMs: DurationMs,
    outcome: OneOf(['answered', 'truncated', 'unanswered', 'failed'] as const),
  },
  { ...closed, $id: 'DnsAttempt' },
);
export type DnsAttempt = Static<typeof DnsAttempt>;

/** What one server said (or which of the system's servers did). */
export const DnsReply = Type.Object(
  {
    server: Text(512),
    transport: OneOf(dnsTransports),
    /** Connection and TLS handshake before the question; null over UDP. */
    setupMs: Nullable(DurationMs),
    /** Question sent → its answer, without attempts that were lost. */
    durationMs: Nullable(DurationMs),
    attempts: Type.Array(DnsAttempt, { maxItems: 32 }),
    rcode: Nullable(Text(16)),
    /** The server says that it validated the answer by DNSSEC (AD). */
    authenticated: Nullable(Type.Boolean()),
    recursionAvailable: Nullable(Type.Boolean()),
    /** The lowest of the answer's records. */
    ttlSeconds: Nullable(Count),
    bytes: Nullable(Count),
    answers: Type.Array(Text(512), { maxItems: 64 }),
    failure: Nullable(Failure),
  },
  { ...closed, $id: 'DnsReply' },
);
export type DnsReply = Static<typeof DnsReply>;

/** What is optional was not told by agents of before. */
export const DnsBody = Type.Object(
  {
    name: Text(256),
    recordType: OneOf(dnsRecordTypes),
    /** The servers asked, as `address:port` or with the scheme; those compared with stand in `replies`. */
    servers: Type.Array(Text(512), { maxItems: 8 }),
    durationMs: Nullable(DurationMs),
    answers: Type.Array(Text(512), { maxItems: 64 }),
    rcode: Type.Optional(Nullable(Text(16))),
    authenticated: Type.Optional(Nullable(Type.Boolean())),
    /** Whether all servers that answered said the same, but for order and TTL; null below two. */
    agree: Type.Optional(Nullable(Type.Boolean())),
    differences: Type.Optional(Type.Array(Text(512), { maxItems: 16 })),
    /** One a server; the first is the one the figures above are of. */
    replies: Type.Optional(Type.Array(DnsReply, { maxItems: 8 })),
  },
  { ...closed, $id: 'DnsBody' },
);
export type DnsBody = Static<typeof DnsBody>;

/** How a connection came about, whatever goes over it; null: not gone through. */
const connection = {
  host: Text(256),
  port: Port,
  durationMs: DurationMs,
  dnsMs: Nullable(DurationMs),
  connectMs: Nullable(DurationMs),
  proxyConnectMs: Nullable(DurationMs),
  dnsSource: Nullable(OneOf(dnsSources)),
  remoteAddress: Nullable(Text(64)),
  family: Nullable(Type.Union([Type.Literal(4), Type.Literal(6)])),
  attempts: Type.Array(DialAttempt, { maxItems: 32 }),
  edge: Nullable(EdgeTiming),
};

/** A TCP connection, and nothing over it. `durationMs` is the sum of the phases. */
export const TcpBody = Type.Object(connection, { ...closed, $id: 'TcpBody' });
export type TcpBody = Static<typeof TcpBody>;

/** A TLS handshake, and nothing over it. */
export const TlsBody = Type.Object(
  {
    ...connection,
    /** The name asked for (SNI) and looked for in the certificate. */
    serverName: Text(256),
    tlsMs: Nullable(DurationMs),
    /** IANA's name; null where the certificate was refused. */
    cipher: Nullable(Text(64)),
    /** What the server chose (RFC 7301); '' for nothing. */
    alpn: Nullable(Text(32)),
    certificate: Nullable(ServerCertificate),
    /** The chain leads to a root that the device trusts; whose name it bears is another question. */
    trusted: Nullable(Type.Boolean()),
    warnDays: Count,
    /** The first of the chain to expire has fewer days left than `warnDays`: a warning, no failure. */
    expiresSoon: Nullable(Type.Boolean()),
  },
  { ...closed, $id: 'TlsBody' },
);
export type TlsBody = Static<typeof TlsBody>;

/** What the agent knows about itself during the run: a distorted result is no evidence. */
export const SelfCheck = Type.Object(
  {
    eventLoopDelayMs: DurationMs,
    cpuStealRatio: Nullable(Ratio),
    /** Wall clock or boot clock moved against the monotonic one: sleep or a clock step. */
    clockJumpMs: Type.Number(),
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
