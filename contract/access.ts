import { type Static, Type } from '@sinclair/typebox';
import { closed, OneOf, Port, Slug, Text, Uuid } from './scalar.ts';

/** As people are called where they log in: often an e-mail address. */
export const UserId = Type.String({
  pattern: '^[a-z0-9]([a-z0-9._@+-]{0,126}[a-z0-9])?$',
  description: 'lower-case letters, digits, . _ @ + and -; at most 128 characters',
});

/** A person of the organisation. Who uses which device is said at the device. */
export const User = Type.Object(
  {
    id: UserId,
    name: Type.Optional(Text(128)),
    groups: Type.Optional(Type.Array(Slug, { maxItems: 100 })),
  },
  closed,
);
export type User = Static<typeof User>;

/** What is not known is said, never guessed. */
export const postureAnswers = ['yes', 'no', 'unknown'] as const;
export type PostureAnswer = (typeof postureAnswers)[number];

/** What a device's agent finds out about the device; an empty text: not known. */
export const PostureFacts = Type.Object(
  {
    /** Whether the file system at `/` lies on an encrypted device. */
    diskEncrypted: OneOf(postureAnswers),
    firewallOn: OneOf(postureAnswers),
    screenLock: OneOf(postureAnswers),
    /** `linux`, `darwin`, `win32`. */
    platform: Text(32),
    osName: Text(64),
    osVersion: Text(64),
    agentVersion: Text(32),
  },
  closed,
);
export type PostureFacts = Static<typeof PostureFacts>;

/** What a rule asks of a device. All that is given has to hold. */
export const PostureCondition = Type.Object(
  {
    /** The device has one of these, given to it by an operator. */
    labels: Type.Optional(Type.Array(Slug, { minItems: 1, maxItems: 100 })),
    platforms: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 32 }), { minItems: 1, maxItems: 20 }),
    ),
    diskEncrypted: Type.Optional(Type.Boolean()),
    firewallOn: Type.Optional(Type.Boolean()),
    screenLock: Type.Optional(Type.Boolean()),
    /** Lower than this, compared number by number: `12.4` is below `12.10`. */
    osVersionBelow: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    agentVersionBelow: Type.Optional(Type.String({ minLength: 1, maxLength: 32 })),
    /**
     * Whether a fact that is not known counts as what the rule asks for. Left out: it does in a rule
     * that blocks and does not in any other, so that nobody gets further by not telling.
     */
    unknown: Type.Optional(OneOf(['matches', 'does-not-match'] as const)),
  },
  closed,
);
export type PostureCondition = Static<typeof PostureCondition>;

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof weekdays)[number];

const ClockTime = Type.String({
  pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$',
  description: 'HH:MM, 00:00 to 23:59',
});

/** When a rule applies. `to` is outside; where it is not after `from`, it is on the next day. */
export const TimeCondition = Type.Object(
  {
    /** Days on which the stretch begins; left out: all. */
    weekdays: Type.Optional(Type.Array(OneOf(weekdays), { minItems: 1, maxItems: 7 })),
    /** Left out: midnight. */
    from: Type.Optional(ClockTime),
    /** Left out: the next midnight. */
    to: Type.Optional(ClockTime),
    /** IANA name, as `Europe/Berlin`. */
    zone: Type.String({ minLength: 1, maxLength: 64 }),
  },
  closed,
);
export type TimeCondition = Static<typeof TimeCondition>;

/** `ip`: what travels as packets (ICMP and the rest), not as a connection or as UDP. */
export const flowProtocols = ['tcp', 'udp', 'ip'] as const;
export type FlowProtocol = (typeof flowProtocols)[number];

/**
 * `direct`: the edge refuses and the agent goes there itself, past the tunnel; only an agent whose
 * own policy allows it for that host does.
 */
export const accessActions = ['allow', 'block', 'direct'] as const;
export type AccessAction = (typeof accessActions)[number];

/** What a rule may ask beside hosts, ports and devices; left out or empty: it is not asked. */
export const accessConditions = {
  users: Type.Optional(Type.Array(UserId, { maxItems: 10_000 })),
  groups: Type.Optional(Type.Array(Slug, { maxItems: 1_000 })),
  posture: Type.Optional(PostureCondition),
  /** Ids of declared applications. */
  applications: Type.Optional(Type.Array(Slug, { maxItems: 512 })),
  /** Of the edge's category list. */
  categories: Type.Optional(Type.Array(Slug, { maxItems: 1_000 })),
  protocols: Type.Optional(Type.Array(OneOf(flowProtocols), { maxItems: 3 })),
  time: Type.Optional(TimeCondition),
};

/** How much of its users' flows an edge writes down; see docs/access.md. */
export const flowPrivacy = ['off', 'counts', 'domains', 'full'] as const;
export type FlowPrivacy = (typeof flowPrivacy)[number];

export const Privacy = Type.Object(
  {
    /**
     * `off`: no record of a flow; `counts`: everything but where to, save the application's id;
     * `domains`: the domain without the names below it; `full`: the host.
     */
    flows: OneOf(flowPrivacy),
    /** Whether a flow's record names the device's user. */
    users: Type.Boolean(),
  },
  closed,
);
export type Privacy = Static<typeof Privacy>;

/** Where nothing is declared: what diagnosis needs, and nobody's reading habits. */
export const defaultPrivacy: Privacy = { flows: 'counts', users: false };

/** The hosts that belong to an application, for an edge to know it by. */
export const ApplicationHosts = Type.Object(
  {
    appId: Slug,
    hosts: Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: 2_000 }),
    /** Empty: all. */
    ports: Type.Array(Port, { maxItems: 100 }),
  },
  closed,
);
export type ApplicationHosts = Static<typeof ApplicationHosts>;

/** What an edge has to know of a device to ask its rules; only what some rule asks for. */
export const DeviceFacts = Type.Object(
  {
    id: Uuid,
    userId: Type.Optional(UserId),
    groups: Type.Optional(Type.Array(Slug, { maxItems: 100 })),
    labels: Type.Optional(Type.Array(Slug, { maxItems: 100 })),
    posture: Type.Optional(PostureFacts),
  },
  closed,
);
export type DeviceFacts = Static<typeof DeviceFacts>;

/** What an operator says about a device. */
export const DeviceAssignment = Type.Object(
  {
    /** Who uses it; null: nobody is named. */
    userId: Type.Union([UserId, Type.Null()]),
    labels: Type.Array(Slug, { maxItems: 100, uniqueItems: true }),
  },
  closed,
);
export type DeviceAssignment = Static<typeof DeviceAssignment>;
