import { type Static, Type } from '@sinclair/typebox';
import { closed, EpochMs, OneOf, Port, Position, Text } from './scalar.ts';

/**
 * The token an operator hands out: `wse1.<token id>.<secret>.<fingerprint>`, the last part being
 * base64url of SHA-256 over the tenant CA certificate's DER, so that the first contact already
 * knows whom to trust.
 */
export const tokenPattern =
  '^wse1\\.[A-Za-z0-9_-]{8,40}\\.[A-Za-z0-9_-]{20,80}\\.[A-Za-z0-9_-]{43}$';

/** Ends in pages, messages and terminals: nothing that commands one, or turns a line round. */
const Line = (maxLength: number) =>
  Type.String({
    maxLength,
    pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f\\u202a-\\u202e\\u2066-\\u2069]*$',
    description: 'a line of text without control characters',
  });

/** Where devices reach an edge. */
export const EdgePlace = Type.Object(
  {
    host: Text(256),
    port: Port,
    location: Line(64),
    /** UDP port of its reflector; left out where it has none. */
    reflectorPort: Type.Optional(Port),
    /** Where it stands; left out where nobody said. */
    position: Type.Optional(Position),
  },
  closed,
);
export type EdgePlace = Static<typeof EdgePlace>;

export const EnrollmentRequest = Type.Object(
  {
    version: Type.Literal(1),
    role: OneOf(['device', 'edge'] as const),
    token: Type.String({ pattern: tokenPattern }),
    /** PKCS#10 request, PEM; its self-signature proves possession of the key. */
    certificateRequest: Text(8_000),
    name: Type.String({
      ...Line(128),
      minLength: 1,
      description: 'host name of the device, or id of the edge; without control characters',
    }),
    platform: Line(64),
    programVersion: Line(32),
    /** Edges only: where devices reach it. */
    edge: Type.Optional(EdgePlace),
  },
  { ...closed, $id: 'EnrollmentRequest' },
);
export type EnrollmentRequest = Static<typeof EnrollmentRequest>;

/** An identity: certificate for the key that made the request, and the CA to trust. */
export const EnrollmentResponse = Type.Object(
  {
    version: Type.Literal(1),
    /** UUID of a device, slug of an edge. */
    id: Text(64),
    certificate: Text(16_000),
    caCertificate: Text(16_000),
    notAfter: EpochMs,
  },
  { ...closed, $id: 'EnrollmentResponse' },
);
export type EnrollmentResponse = Static<typeof EnrollmentResponse>;

export const RenewalRequest = Type.Object(
  {
    version: Type.Literal(1),
    certificateRequest: Text(8_000),
    programVersion: Line(32),
    /** Edges only: where devices reach it now. */
    edge: Type.Optional(EdgePlace),
  },
  { ...closed, $id: 'RenewalRequest' },
);
export type RenewalRequest = Static<typeof RenewalRequest>;

/** URI subjectAltName of an issued certificate. */
export const identityUri = (role: 'device' | 'edge', id: string): string =>
  `urn:whyslow:${role}:${id}`;

/** DNS subjectAltName of an edge's certificate, and what a device checks. */
export const edgeServerName = (edgeId: string): string => `${edgeId}.edge.whyslow.internal`;

/** DNS subjectAltName of a collector's device-facing listener. */
export const collectorServerName = 'collector.whyslow.internal';
