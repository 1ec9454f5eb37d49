import { type Static, Type } from '@sinclair/typebox';
import { Count, closed, DurationMs, Nullable, OneOf, Port, Text } from '../scalar.ts';
import { DialAttempt, dnsSources, EdgeTiming, ServerCertificate } from './connection.ts';

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

/** Three digits (RFC 9110 section 15); servers send some above 599, such as 999. */
export const Status = Type.Integer({ minimum: 100, maximum: 999 });

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

/** What a probe may ask with (RFC 9110 section 9.3; PATCH: RFC 5789). */
export const httpMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/** `auto`: whichever of both the server chooses (ALPN), HTTP/1.1 without TLS. */
export const httpVersionChoices = ['auto', '1.1', '2'] as const;

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
