import { type Static, Type } from '@sinclair/typebox';
import {
  ApplicationHosts,
  accessActions,
  accessConditions,
  DeviceFacts,
  Privacy,
} from './access.ts';
import { DeviceBurst, EdgeBurst } from './burst.ts';
import { forwardingDetails } from './forwarding.ts';
import { Plan } from './plan.ts';
import { RunRequest } from './run-request.ts';
import { closed, EpochMs, OneOf, Port, Position, Slug, Text, Uuid } from './scalar.ts';

/**
 * A host pattern: `example.com` matches itself, `*.example.com` the names under it, `.example.com`
 * both, `*` everything. Addresses and CIDR ranges match address literals.
 */
export const HostPattern = Type.String({ minLength: 1, maxLength: 256 });

/** One edge the device may choose from. */
export const EdgeEntry = Type.Object(
  {
    id: Slug,
    host: Text(256),
    port: Port,
    /** Name the edge's certificate must carry (subjectAltName DNS). */
    serverName: Text(256),
    location: Text(64),
    /** UDP port of its reflector (STAMP), for voice probes; left out where it has none. */
    reflectorPort: Type.Optional(Port),
    /** Where it stands: which edges are worth measuring when there are many. */
    position: Type.Optional(Position),
  },
  { ...closed, $id: 'EdgeEntry' },
);
export type EdgeEntry = Static<typeof EdgeEntry>;

/** What the organisation wants the device to do with its user's traffic. */
export const ForwardingPolicy = Type.Object(
  {
    mode: OneOf(['tunnel', 'off'] as const),
    /** Destinations that go direct. */
    bypass: Type.Array(HostPattern, { maxItems: 10_000 }),
    /** When no edge is reachable: go direct (`open`) or refuse (`closed`). */
    whenTunnelDown: OneOf(['open', 'closed'] as const),
    /** Edge to use whatever the measurements say; empty: the fastest. */
    pinnedEdge: Type.Union([Slug, Type.Literal('')]),
    ...forwardingDetails,
  },
  { ...closed, $id: 'ForwardingPolicy' },
);
export type ForwardingPolicy = Static<typeof ForwardingPolicy>;

/** First matching rule wins; no match: allow. All its conditions have to hold. */
export const AccessRule = Type.Object(
  {
    id: Slug,
    action: OneOf(accessActions),
    hosts: Type.Array(HostPattern, { minItems: 1, maxItems: 10_000 }),
    /** Ports it applies to; empty: all. */
    ports: Type.Array(Port, { maxItems: 100 }),
    /** Devices it applies to; empty: all. */
    devices: Type.Array(Uuid, { maxItems: 100_000 }),
    ...accessConditions,
  },
  { ...closed, $id: 'AccessRule' },
);
export type AccessRule = Static<typeof AccessRule>;

/** What one device gets: forwarding, edges, plan. */
export const DeviceConfig = Type.Object(
  {
    kind: Type.Literal('device-config'),
    version: Type.Literal(1),
    revision: Text(64),
    issuedAt: EpochMs,
    deviceId: Uuid,
    forwarding: ForwardingPolicy,
    edges: Type.Array(EdgeEntry, { maxItems: 1_000 }),
    plan: Plan,
    /** Plain-HTTP URL that answers 204 when no captive portal is in the way; our own collector's. '': no check. */
    captivePortalUrl: Text(512),
    sampleIntervalMs: Type.Integer({ minimum: 1_000, maximum: 600_000 }),
    /** Runs asked for and not yet picked up; only in answers to agents that ask with `Prefer: wait`. */
    requests: Type.Optional(Type.Array(RunRequest, { maxItems: 16 })),
    /** Only for agents that ask with `Prefer: burst`; left out: none is to be made. */
    burst: Type.Optional(DeviceBurst),
    /**
     * Likewise. Key of the organisation for `gateway.siteId`: its devices agree on one without telling
     * anybody else the hardware address.
     */
    siteKey: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
  },
  { ...closed, $id: 'DeviceConfig' },
);
export type DeviceConfig = Static<typeof DeviceConfig>;

/** An application reached only from inside; the edge may dial private ranges for it, and only for it. */
export const PrivateApplication = Type.Object(
  {
    appId: Slug,
    hosts: Type.Array(HostPattern, { minItems: 1, maxItems: 1_000 }),
    ports: Type.Array(Port, { maxItems: 100 }),
    /** Where the edge finds it when its own resolver does not: host → address; empty: resolve. */
    addresses: Type.Record(Text(256), Text(64)),
  },
  { ...closed, $id: 'PrivateApplication' },
);
export type PrivateApplication = Static<typeof PrivateApplication>;

/** Onward measurement of one application by an edge (leg 2), once per edge and application. */
export const OnwardTarget = Type.Object(
  {
    appId: Slug,
    host: Text(256),
    port: Port,
    intervalMs: Type.Integer({ minimum: 1_000, maximum: 86_400_000 }),
  },
  { ...closed, $id: 'OnwardTarget' },
);
export type OnwardTarget = Static<typeof OnwardTarget>;

export const EdgeConfig = Type.Object(
  {
    kind: Type.Literal('edge-config'),
    version: Type.Literal(1),
    revision: Text(64),
    issuedAt: EpochMs,
    edgeId: Slug,
    access: Type.Array(AccessRule, { maxItems: 10_000 }),
    privateApplications: Type.Array(PrivateApplication, { maxItems: 1_000 }),
    onward: Type.Array(OnwardTarget, { maxItems: 1_000 }),
    /** Devices whose sessions are refused and ended. */
    revokedDevices: Type.Array(Uuid, { maxItems: 1_000_000 }),
    /** All declared applications; the three below only for edges that ask with `Prefer: wait`. */
    applications: Type.Optional(Type.Array(ApplicationHosts, { maxItems: 512 })),
    devices: Type.Optional(Type.Array(DeviceFacts, { maxItems: 1_000_000 })),
    privacy: Type.Optional(Privacy),
    /** Only for edges that ask with `Prefer: burst`; left out: none is to be made. */
    burst: Type.Optional(EdgeBurst),
    sampleIntervalMs: Type.Integer({ minimum: 1_000, maximum: 600_000 }),
  },
  { ...closed, $id: 'EdgeConfig' },
);
export type EdgeConfig = Static<typeof EdgeConfig>;

/**
 * How a config travels and lies on disk: `payload` is the JSON text that was signed, `signature`
 * base64 of ECDSA P-256 / SHA-256 (IEEE P1363 form) by the tenant CA's key over its UTF-8 bytes.
 */
export const SignedConfig = Type.Object(
  { payload: Type.String({ maxLength: 16_000_000 }), signature: Text(200) },
  { ...closed, $id: 'SignedConfig' },
);
export type SignedConfig = Static<typeof SignedConfig>;
