import { isIP } from 'node:net';
import { type Static, Type } from '@sinclair/typebox';
import { maxPacBytes } from './pac.ts';
import { closed, OneOf, Slug, Text } from './scalar.ts';

/**
 * What the network a device is on means to its organisation. `trusted`: one of its own;
 * `vpn`: somebody else's tunnel owns the default route; `split-vpn`: it owns some routes;
 * `off-trusted`: anything else.
 */
export const networkTypes = ['trusted', 'vpn', 'split-vpn', 'off-trusted'] as const;
export type NetworkType = (typeof networkTypes)[number];

/**
 * What the agent does with the user's traffic on a network. `tunnel`: carries all of it;
 * `local-proxy`: carries what programs give to its proxy; `enforce-proxy`: sets the system's proxy to
 * another one and carries nothing; `none`: keeps out of it.
 */
export const forwardingActions = ['tunnel', 'local-proxy', 'enforce-proxy', 'none'] as const;
export type ForwardingAction = (typeof forwardingActions)[number];

const Address = Type.String({ minLength: 2, maxLength: 64 });
const few = <T extends ReturnType<typeof Type.String>>(item: T) =>
  Type.Optional(Type.Array(item, { minItems: 1, maxItems: 100 }));

/** How a network of the organisation is recognised. A criterion that is left out is not asked. */
export const TrustedNetwork = Type.Object(
  {
    id: Slug,
    /** Whether one criterion is enough or all have to hold. */
    match: OneOf(['any', 'all'] as const),
    /** One of these is a name server of the device. */
    dnsServers: few(Address),
    searchDomains: few(Type.String({ minLength: 1, maxLength: 253 })),
    /** Each name resolves, and to nothing but these addresses: what only an inside resolver says. */
    hosts: Type.Optional(
      Type.Record(Type.String({ minLength: 1, maxLength: 253 }), Type.Array(Address), {
        minProperties: 1,
        maxProperties: 10,
      }),
    ),
    /** Ranges the device's own address on its way out is in. */
    ranges: few(Address),
    /** Addresses of the default gateway. */
    gateways: few(Address),
    /** Ranges of the address the device is seen with from outside. */
    egress: few(Address),
  },
  { ...closed, $id: 'TrustedNetwork' },
);
export type TrustedNetwork = Static<typeof TrustedNetwork>;

/** As people write it: `192.0.2.0/24`, `192.0.2.7:443`, `[2001:db8::]/32:5000-5100:udp`. */
export const TrafficRuleText = Type.String({ minLength: 2, maxLength: 100 });

export const trafficProtocols = ['tcp', 'udp', 'icmp'] as const;
export type TrafficProtocol = (typeof trafficProtocols)[number];

export type TrafficRule = {
  text: string;
  address: string;
  family: 4 | 6;
  prefixBits: number;
  /** Undefined: any. */
  ports: { from: number; to: number } | undefined;
  protocol: TrafficProtocol | undefined;
};

const form =
  /^(?:\[([^\]]+)\]|([^:/[\]]+))(?:\/(\d{1,3}))?(?::(\d{1,5})(?:-(\d{1,5}))?)?(?::([a-z]+))?$/;

/** Reads `address[/bits][:port[-port]][:protocol]`; a mistake is said in words. */
export const parseTrafficRule = (text: string): TrafficRule | { mistake: string } => {
  // A bare IPv6 address or range is full of colons, and has no port.
  const bare = /^([0-9a-f:.]+)(\/\d{1,3})?$/i.exec(text);
  const written =
    bare !== null && isIP(bare[1] ?? '') === 6 ? `[${bare[1]}]${bare[2] ?? ''}` : text;
  const match = form.exec(written);
  if (match === null) {
    return { mistake: 'expected address[/bits][:port[-port]][:tcp|udp|icmp], IPv6 in brackets' };
  }
  const [, inBrackets, plain, bits, from, to, protocol] = match;
  const address = inBrackets ?? plain ?? '';
  const family = isIP(address);
  if (family === 0) return { mistake: `${address} is no IP address` };
  const most = family === 4 ? 32 : 128;
  const prefixBits = bits === undefined ? most : Number(bits);
  if (prefixBits > most) return { mistake: `/${bits} is longer than an IPv${family} address` };
  const ports = from === undefined ? undefined : { from: Number(from), to: Number(to ?? from) };
  if (ports !== undefined && (ports.from < 1 || ports.to > 65_535 || ports.to < ports.from)) {
    return { mistake: 'ports are 1 to 65535, the lower one first' };
  }
  if (protocol !== undefined && !isProtocol(protocol)) {
    return { mistake: `${protocol} is none of ${trafficProtocols.join(', ')}` };
  }
  return { text, address, family: family as 4 | 6, prefixBits, ports, protocol };
};

const isProtocol = (text: string): text is TrafficProtocol =>
  trafficProtocols.some((one) => one === text);

const Pattern = Type.String({ minLength: 1, maxLength: 256 });
const patterns = Type.Array(Pattern, { maxItems: 10_000 });
const rules = Type.Array(TrafficRuleText, { maxItems: 10_000 });

/** Which names and addresses are carried. An empty `include` includes everything. */
export const TrafficSelection = Type.Object(
  {
    names: Type.Optional(
      Type.Object(
        {
          include: Type.Optional(patterns),
          exclude: Type.Optional(patterns),
          /** Of a name that is in both: else the include wins. */
          excludeWins: Type.Optional(Type.Boolean()),
        },
        closed,
      ),
    ),
    /** The longest prefix wins, then the rule that says more; a tie is included. */
    addresses: Type.Optional(
      Type.Object({ include: Type.Optional(rules), exclude: Type.Optional(rules) }, closed),
    ),
  },
  closed,
);
export type TrafficSelection = Static<typeof TrafficSelection>;

/**
 * Strict enforcement: nothing leaves the device but through the agent, until its enrolment, after its
 * removal and while the tunnel is down. The kernel keeps to it also when the agent is not running.
 */
export const Enforcement = Type.Object(
  {
    strict: Type.Boolean(),
    /** For which time a user may log in at a captive portal, once a network and hour; left out: 300. */
    captivePortalGraceSeconds: Type.Optional(Type.Integer({ minimum: 60, maximum: 3_600 })),
    /** Names, addresses and ranges that stay reachable whatever happens (a printer, containers). */
    allow: Type.Optional(Type.Array(Pattern, { maxItems: 1_000 })),
  },
  closed,
);
export type Enforcement = Static<typeof Enforcement>;

/** PAC files of the organisation, as text with macros (docs/pac.md). */
export const PacFiles = Type.Object(
  {
    /** Served to programs at `/proxy.pac`: who goes to the agent. Left out: everybody. */
    forwarding: Type.Optional(Type.String({ minLength: 1, maxLength: maxPacBytes })),
    /** Asked by the agent itself, for every host: which edges, or direct. */
    application: Type.Optional(Type.String({ minLength: 1, maxLength: maxPacBytes })),
  },
  closed,
);
export type PacFiles = Static<typeof PacFiles>;

/** By network, past whom, and what else. All of it may be left out; what then happens stands beside it. */
export const forwardingDetails = {
  /** Left out: no network is trusted. */
  networks: Type.Optional(Type.Array(TrustedNetwork, { maxItems: 100 })),
  /** Left out: `tunnel`. */
  onNetwork: Type.Optional(
    Type.Partial(
      Type.Object(
        {
          trusted: OneOf(forwardingActions),
          vpn: OneOf(forwardingActions),
          'split-vpn': OneOf(forwardingActions),
          'off-trusted': OneOf(forwardingActions),
        },
        closed,
      ),
    ),
  ),
  /** `host:port`, or the URL of a PAC file, for networks with `enforce-proxy`. */
  enforcedProxy: Type.Optional(Text(512)),
  /** Where people log in: always direct, before everything else, or nobody could enrol. */
  identityProviders: Type.Optional(Type.Array(Pattern, { maxItems: 1_000 })),
  /** Of other VPNs: a tunnel inside the tunnel ends in a loop. */
  vpnGateways: Type.Optional(Type.Array(Pattern, { maxItems: 1_000 })),
  /** Executables whose traffic goes direct: a path, or a name. Known on Linux, of captured flows. */
  bypassProcesses: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 512 }), { maxItems: 1_000 }),
  ),
  traffic: Type.Optional(TrafficSelection),
  /** Left out: no PAC file of the organisation's own. */
  pac: Type.Optional(PacFiles),
  /** Left out: not strict. */
  enforcement: Type.Optional(Enforcement),
  /** Hosts of private applications: carried also where they are addresses of private ranges. */
  privateHosts: Type.Optional(Type.Array(Pattern, { maxItems: 10_000 })),
  /** Where an edge's "go there directly" is followed: hosts of access rules with that action. */
  directByEdge: Type.Optional(Type.Array(Pattern, { maxItems: 10_000 })),
};
