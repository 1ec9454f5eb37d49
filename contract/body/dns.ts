import { type Static, Type } from '@sinclair/typebox';
import { Failure } from '../failure.ts';
import { Count, closed, DurationMs, Nullable, OneOf, Text } from '../scalar.ts';

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
