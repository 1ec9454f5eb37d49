import { type Static, Type } from '@sinclair/typebox';
import {
  Count,
  closed,
  DurationMs,
  EpochMs,
  Nullable,
  OneOf,
  Port,
  Slug,
  Text,
  Uuid,
} from '../scalar.ts';

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

/** What the edge measured of one flow, from the `Server-Timing` of its answer to CONNECT. */
export const EdgeTiming = Type.Object(
  {
    edgeId: Slug,
    /** Stream received → work on it begun: the edge's own queueing, policy included. */
    queueMs: DurationMs,
    dnsMs: Nullable(DurationMs),
    /** TCP handshake edge → origin: one round trip of that leg. */
    connectMs: Nullable(DurationMs),
    /**
     * Until that handshake began: addresses tried before did not answer (RFC 8305). Left out by edges of
     * before, and where none answered.
     */
    waitedMs: Type.Optional(DurationMs),
    /** Address the edge connected to. */
    address: Nullable(Text(64)),
    /** Under which the edge reports the flow (telemetry `flow`); left out where it does not. */
    flowId: Type.Optional(Uuid),
  },
  { ...closed, $id: 'EdgeTiming' },
);
export type EdgeTiming = Static<typeof EdgeTiming>;

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

export const familyChoices = ['any', 'ipv4', 'ipv6'] as const;

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
