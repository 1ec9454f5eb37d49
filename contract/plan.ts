import { type Static, Type } from '@sinclair/typebox';
import { familyChoices } from './body/connection.ts';
import { dnsRecordTypes } from './body/dns.ts';
import { httpMethods, httpVersionChoices } from './body/http.ts';
import { pathProtocols } from './body/path.ts';
import { maxSteps, PageStep } from './page-step.ts';
import { vias } from './result.ts';
import { closed, OneOf, Port, Slug, Text } from './scalar.ts';
import { stampBytes } from './stamp.ts';

const schedule = {
  id: Slug,
  appId: Slug,
  via: OneOf(vias),
  intervalMs: Type.Integer({ minimum: 1_000, maximum: 86_400_000 }),
  /** May exceed the interval; a run that is due while one is under way is counted, not started. */
  timeoutMs: Type.Integer({ minimum: 100, maximum: 600_000 }),
  /** Two probes with the same pair, one each way, run back to back in random order. */
  pair: Type.Optional(Slug),
};

/** An HTTP request and when it counts as a success. */
export const HttpProbe = Type.Object(
  {
    ...schedule,
    type: Type.Literal('http'),
    url: Type.String({ pattern: '^https?://', maxLength: 2048 }),
    method: OneOf(httpMethods),
    headers: Type.Record(Type.String({ maxLength: 256 }), Type.String({ maxLength: 4096 })),
    /** Statuses that count as available; empty: 200–399. */
    expectStatus: Type.Array(Type.Integer({ minimum: 100, maximum: 599 }), { maxItems: 50 }),
    /** Text that must be in the body; empty: no check. */
    expectBody: Text(500),
    maxRedirects: Type.Integer({ minimum: 0, maximum: 10 }),
    maxBodyBytes: Type.Integer({ minimum: 1, maximum: 100_000_000 }),
    /*
     * In a plan only where declared, so that agents that do not know them take every other plan.
     * Left out: no body, `auto`, `any`, false.
     */
    requestBody: Type.Optional(Text(100_000)),
    httpVersion: Type.Optional(OneOf(httpVersionChoices)),
    /** Addresses of which family are connected to; only for what goes direct. */
    family: Type.Optional(OneOf(familyChoices)),
    /** Ask once more on the same connection. */
    warm: Type.Optional(Type.Boolean()),
  },
  { ...closed, $id: 'HttpProbe' },
);

export const PathProbe = Type.Object(
  {
    ...schedule,
    type: Type.Literal('path'),
    host: Text(256),
    protocol: OneOf(pathProtocols),
    port: Port,
    packetCount: Type.Integer({ minimum: 3, maximum: 20 }),
    maxHops: Type.Integer({ minimum: 1, maximum: 30 }),
    family: Type.Optional(OneOf(familyChoices)),
    /** Probes of the same plan whose last address is taken, the first that has one. */
    follow: Type.Optional(Type.Array(Slug, { maxItems: 2 })),
    /** Flows to send; one if left out. */
    flows: Type.Optional(Type.Integer({ minimum: 1, maximum: 64 })),
    /** As many flows as it takes to see every branch. */
    branches: Type.Optional(Type.Boolean()),
    /** Look for the largest packet that passes, too. */
    mtu: Type.Optional(Type.Boolean()),
    /** Ask the name servers for hops' names. */
    names: Type.Optional(Type.Boolean()),
  },
  { ...closed, $id: 'PathProbe' },
);

/** When a picture of the page is made; `on-failure` where it is left out. */
export const screenshotChoices = ['on-failure', 'always', 'never'] as const;

export const PageLoadProbe = Type.Object(
  {
    ...schedule,
    type: Type.Literal('page-load'),
    url: Type.String({ pattern: '^https?://', maxLength: 2048 }),
    /* In a plan only where declared. */
    /** Done one after the other once the page has loaded; the first that fails ends the run. */
    steps: Type.Optional(Type.Array(PageStep, { minItems: 1, maxItems: maxSteps })),
    screenshot: Type.Optional(OneOf(screenshotChoices)),
    /** Keep what the browser loaded as an HTTP archive. */
    har: Type.Optional(Type.Boolean()),
  },
  { ...closed, $id: 'PageLoadProbe' },
);

export const DnsProbe = Type.Object(
  {
    ...schedule,
    type: Type.Literal('dns'),
    name: Text(256),
    recordType: OneOf(dnsRecordTypes),
    /**
     * `address`, `address:port`, `tcp://…`, `tls://…` or `https://…` of the server to ask; empty: the
     * system's.
     */
    server: Text(512),
    /** Further servers, asked beside it and compared with it; in a plan only where declared. */
    compareWith: Type.Optional(Type.Array(Text(512), { maxItems: 7 })),
  },
  { ...closed, $id: 'DnsProbe' },
);

/** A TCP connection: whether and how fast a port takes one. */
export const TcpProbe = Type.Object(
  {
    ...schedule,
    type: Type.Literal('tcp'),
    host: Text(256),
    port: Port,
    family: OneOf(familyChoices),
  },
  { ...closed, $id: 'TcpProbe' },
);

/** A TLS handshake, for servers that speak no HTTP, and for the days a certificate has left. */
export const TlsProbe = Type.Object(
  {
    ...schedule,
    type: Type.Literal('tls'),
    host: Text(256),
    port: Port,
    family: OneOf(familyChoices),
    /** Name to ask for and to find in the certificate; empty: the host. */
    serverName: Text(256),
    /** Offered by ALPN, the preferred first. */
    alpn: Type.Array(Text(32), { maxItems: 8 }),
    warnDays: Type.Integer({ minimum: 0, maximum: 3_650 }),
  },
  { ...closed, $id: 'TlsProbe' },
);

/** A stream of packets like a call's, to a reflector and back. Bounded: 100 packets a second, a minute. */
export const VoiceProbe = Type.Object(
  {
    ...schedule,
    type: Type.Literal('voice'),
    /** Empty: the edge the device is on, at the port it announces. */
    host: Text(256),
    port: Port,
    packetsPerSecond: Type.Integer({ minimum: 1, maximum: 100 }),
    /** UDP payload; 172 is G.711's 20 ms with RTP's header. */
    packetBytes: Type.Integer({ minimum: stampBytes.shortest, maximum: stampBytes.longest }),
    streamMs: Type.Integer({ minimum: 1_000, maximum: 60_000 }),
    playoutMs: Type.Integer({ minimum: 0, maximum: 1_000 }),
  },
  { ...closed, $id: 'VoiceProbe' },
);

export const ProbeDefinition = Type.Union(
  [HttpProbe, PathProbe, PageLoadProbe, DnsProbe, TcpProbe, TlsProbe, VoiceProbe],
  { $id: 'ProbeDefinition' },
);
export type HttpProbe = Static<typeof HttpProbe>;
export type PathProbe = Static<typeof PathProbe>;
export type PageLoadProbe = Static<typeof PageLoadProbe>;
export type DnsProbe = Static<typeof DnsProbe>;
export type TcpProbe = Static<typeof TcpProbe>;
export type TlsProbe = Static<typeof TlsProbe>;
export type VoiceProbe = Static<typeof VoiceProbe>;
/** One line of a plan: what to measure, which way, how often. */
export type ProbeDefinition =
  | HttpProbe
  | PathProbe
  | PageLoadProbe
  | DnsProbe
  | TcpProbe
  | TlsProbe
  | VoiceProbe;

/** The set of probes for one device. */
export const Plan = Type.Object(
  { revision: Text(64), probes: Type.Array(ProbeDefinition, { maxItems: 512 }) },
  { ...closed, $id: 'Plan' },
);
export type Plan = Static<typeof Plan>;
