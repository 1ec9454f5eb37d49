import { type Static, Type } from '@sinclair/typebox';
import { Privacy, User } from './access.ts';
import { familyChoices } from './body/connection.ts';
import { dnsRecordTypes } from './body/dns.ts';
import { httpMethods, httpVersionChoices } from './body/http.ts';
import { pathProtocols } from './body/path.ts';
import { BurstPolicy } from './burst.ts';
import { maxSteps, PageStepSpec } from './page-step.ts';
import { screenshotChoices, VoiceProbe } from './plan.ts';
import { AccessRule, ForwardingPolicy, HostPattern } from './policy.ts';
import { closed, OneOf, Port, Slug, Text } from './scalar.ts';
import { webhookEvents } from './webhook.ts';

const every = {
  /** Defaults to `type`, or `type-2`, `type-3` … where there are several. */
  id: Type.Optional(Slug),
  intervalSeconds: Type.Optional(Type.Number({ minimum: 1, maximum: 86_400 })),
  timeoutSeconds: Type.Optional(Type.Number({ minimum: 0.1, maximum: 600 })),
  /** `both` makes two probes, one each way, so that the tunnel's own cost shows. */
  via: Type.Optional(OneOf(['tunnel', 'direct', 'both'] as const)),
};

/** A probe as a person writes it: everything but the target has a default. */
export const ProbeSpec = Type.Union([
  Type.Object(
    {
      ...every,
      type: Type.Literal('http'),
      url: Type.String({ pattern: '^https?://', maxLength: 2048 }),
      method: Type.Optional(OneOf(httpMethods)),
      headers: Type.Optional(Type.Record(Type.String(), Type.String())),
      body: Type.Optional(Text(100_000)),
      httpVersion: Type.Optional(OneOf(httpVersionChoices)),
      /** `both` makes two probes, one a family, so that a broken one shows. Only for what goes direct. */
      family: Type.Optional(OneOf([...familyChoices, 'both'] as const)),
      /** Ask once more on the same connection; a figure of its own. */
      warm: Type.Optional(Type.Boolean()),
      maxBodyBytes: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000_000 })),
      expectStatus: Type.Optional(Type.Array(Type.Integer({ minimum: 100, maximum: 599 }))),
      expectBody: Type.Optional(Text(500)),
      maxRedirects: Type.Optional(Type.Integer({ minimum: 0, maximum: 10 })),
    },
    closed,
  ),
  Type.Object(
    {
      ...every,
      type: Type.Literal('path'),
      /** May be left out where `follow` is given. */
      host: Type.Optional(Text(256)),
      /** Id of an HTTP probe of this application: its host, its port, the address it last used. */
      follow: Type.Optional(Slug),
      protocol: Type.Optional(OneOf(pathProtocols)),
      port: Type.Optional(Port),
      packetCount: Type.Optional(Type.Integer({ minimum: 3, maximum: 20 })),
      family: Type.Optional(OneOf(familyChoices)),
      flows: Type.Optional(Type.Integer({ minimum: 1, maximum: 64 })),
      branches: Type.Optional(Type.Boolean()),
      mtu: Type.Optional(Type.Boolean()),
      names: Type.Optional(Type.Boolean()),
    },
    closed,
  ),
  Type.Object(
    {
      ...every,
      type: Type.Literal('page-load'),
      url: Type.String({ pattern: '^https?://', maxLength: 2048 }),
      /** What a person would do next: a log-in, a search. */
      steps: Type.Optional(Type.Array(PageStepSpec, { minItems: 1, maxItems: maxSteps })),
      screenshot: Type.Optional(OneOf(screenshotChoices)),
      har: Type.Optional(Type.Boolean()),
    },
    closed,
  ),
  Type.Object(
    {
      ...every,
      type: Type.Literal('dns'),
      name: Text(256),
      recordType: Type.Optional(OneOf(dnsRecordTypes)),
      server: Type.Optional(Text(512)),
      compareWith: Type.Optional(Type.Array(Text(512), { maxItems: 7 })),
    },
    closed,
  ),
  Type.Object(
    {
      ...every,
      type: Type.Literal('tcp'),
      host: Text(256),
      port: Port,
      family: Type.Optional(OneOf(familyChoices)),
    },
    closed,
  ),
  Type.Object(
    {
      ...every,
      type: Type.Literal('tls'),
      host: Text(256),
      port: Type.Optional(Port),
      family: Type.Optional(OneOf(familyChoices)),
      serverName: Type.Optional(Text(256)),
      alpn: Type.Optional(Type.Array(Text(32), { maxItems: 8 })),
      /** Fewer days left than this are a warning. */
      warnDays: Type.Optional(Type.Integer({ minimum: 0, maximum: 3_650 })),
    },
    closed,
  ),
  Type.Object(
    {
      ...every,
      type: Type.Literal('voice'),
      /** A STAMP reflector; left out: the edge each device is on. */
      host: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
      port: Type.Optional(Port),
      packetsPerSecond: Type.Optional(VoiceProbe.properties.packetsPerSecond),
      packetBytes: Type.Optional(VoiceProbe.properties.packetBytes),
      streamSeconds: Type.Optional(Type.Number({ minimum: 1, maximum: 60 })),
      playoutMs: Type.Optional(VoiceProbe.properties.playoutMs),
    },
    closed,
  ),
]);
export type ProbeSpec = Static<typeof ProbeSpec>;

/** What the user calls slow ("Salesforce"), with the hosts that belong to it and its probes. */
export const Application = Type.Object(
  {
    id: Slug,
    name: Type.String({ minLength: 1, maxLength: 128 }),
    hosts: Type.Array(HostPattern, { maxItems: 1_000 }),
    /** Reached only from inside: edges may dial private ranges for its hosts. */
    private: Type.Optional(Type.Boolean()),
    ports: Type.Optional(Type.Array(Port, { maxItems: 100 })),
    addresses: Type.Optional(Type.Record(Text(256), Text(64))),
    probes: Type.Array(ProbeSpec, { maxItems: 64 }),
  },
  closed,
);
export type Application = Static<typeof Application>;

export const WebhookRule = Type.Object(
  {
    id: Slug,
    url: Type.String({ pattern: '^https?://', maxLength: 2048 }),
    /** `whsec_` + base64 of 24–64 bytes (Standard Webhooks). */
    secret: Type.String({
      pattern: '^whsec_[A-Za-z0-9+/]{32,88}={0,2}$',
      description: 'whsec_ and base64 of 24–64 bytes',
    }),
    /** Empty or absent: all. */
    events: Type.Optional(Type.Array(OneOf(webhookEvents))),
    /** Applications it is for; empty or absent: all. */
    applications: Type.Optional(Type.Array(Slug)),
    /** `verdict.*` of each device also while an incident that explains it has been told. */
    eachDevice: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type WebhookRule = Static<typeof WebhookRule>;

/** The whole declared configuration of an organisation: what `whyslow apply` takes (as YAML or JSON). */
export const Organisation = Type.Object(
  {
    version: Type.Literal(1),
    applications: Type.Array(Application, { maxItems: 512 }),
    forwarding: Type.Optional(
      Type.Partial(Type.Omit(ForwardingPolicy, ['privateHosts', 'directByEdge']), closed),
    ),
    access: Type.Optional(
      Type.Array(
        Type.Object(
          {
            ...AccessRule.properties,
            /** Left out: all. */
            hosts: Type.Optional(AccessRule.properties.hosts),
            ports: Type.Optional(AccessRule.properties.ports),
            devices: Type.Optional(AccessRule.properties.devices),
          },
          closed,
        ),
        { maxItems: 10_000 },
      ),
    ),
    /** Whom rules may name; there is no log-in of our own, so they are declared. */
    users: Type.Optional(Type.Array(User, { maxItems: 100_000 })),
    privacy: Type.Optional(Type.Partial(Privacy, closed)),
    webhooks: Type.Optional(Type.Array(WebhookRule, { maxItems: 100 })),
    /** Measuring every second when a result is odd; left out: with the defaults. */
    burst: Type.Optional(Type.Partial(BurstPolicy, closed)),
    sampleIntervalSeconds: Type.Optional(Type.Number({ minimum: 1, maximum: 600 })),
  },
  { ...closed, $id: 'Organisation' },
);
export type Organisation = Static<typeof Organisation>;
