import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { closed, Position, Slug, Text } from '#contract/scalar.ts';
import { ConfigError } from '#runtime/config.ts';
import { enrolledVariables, readEnrolledConfig } from '#runtime/program.ts';
import type { DeviceLimits } from './device-limits.ts';
import { checkIpForwarding, IpForwardingConfig } from './ip/config.ts';

const ListenPort = Type.Integer({ minimum: 0, maximum: 65_535, description: '0 takes any free' });

const Amount = Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000_000 }));

/** Of each device; what is left out is as in `defaultLimits` (device-limits.ts). */
const ConfiguredLimits = Type.Object(
  {
    concurrentFlows: Amount,
    flowsPerSecond: Amount,
    flowBurst: Amount,
    namesPerSecond: Amount,
    nameBurst: Amount,
    resetsPerSecond: Amount,
    resetBurst: Amount,
    mistakesPerSecond: Amount,
    mistakeBurst: Amount,
    /** Both directions together; left out: as fast as it goes. */
    bytesPerSecond: Amount,
    failedLoginsPerMinute: Amount,
  } satisfies Record<keyof DeviceLimits, TSchema>,
  closed,
);

/** An edge's config file. Policy, applications and revocations come from the collector. */
export const EdgeProgramConfig = Type.Object(
  {
    /** Folder for identity, last config and spool; one edge each. */
    stateFolder: Text(1_024),
    /** The collector's device listener, https://. */
    collectorUrl: Type.String({ pattern: '^https://', description: 'https:// URL' }),
    /** Needed once, to enrol. */
    enrollmentToken: Type.Optional(Text(256)),
    /** The same in a file, which may go once this edge is enrolled. */
    enrollmentTokenFile: Type.Optional(Text(1_024)),
    edgeId: Slug,
    /** Where it stands, for people: "Frankfurt". */
    location: Text(64),
    /** For the choice among many edges: devices that know where they are measure the nearest. */
    position: Type.Optional(Position),
    listen: Type.Object({ host: Text(256), port: ListenPort }, closed),
    /** Where devices reach it; port absent: the one it listens on. */
    advertise: Type.Object({ host: Text(256), port: Type.Optional(ListenPort) }, closed),
    /** UDP port of the reflector for voice probes (STAMP; 862 is the usual one); absent: none. */
    reflectorPort: Type.Optional(ListenPort),
    configIntervalMs: Type.Integer({ minimum: 100, maximum: 3_600_000 }),
    /** Name servers as `address` or `address:port`; absent: the system's. */
    dnsServers: Type.Optional(Type.Array(Text(80), { minItems: 1, maxItems: 8 })),
    /** Processes that carry flows: `cores` for one on every core. Left out: 1. */
    processes: Type.Optional(
      Type.Union([Type.Literal('cores'), Type.Integer({ minimum: 1, maximum: 256 })]),
    ),
    limits: Type.Optional(ConfiguredLimits),
    /** Categories of domains for access rules (docs/access.md); read again when it changes. */
    categoryFile: Type.Optional(Text(1_024)),
    /** For ICMP and what else is neither TCP nor UDP (docs/tunnel.md); left out: refused. */
    ipForwarding: Type.Optional(IpForwardingConfig),
    /** A second listener for browsers without an agent: user name and password; left out: none. */
    clientless: Type.Optional(
      Type.Object(
        {
          listen: Type.Object({ host: Text(256), port: ListenPort }, closed),
          /** Lines as `whyslow edge password` prints them. */
          usersFile: Text(1_024),
          /** PEM; left out: the edge's own, whose name only devices know. */
          certificateFile: Type.Optional(Text(1_024)),
          keyFile: Type.Optional(Text(1_024)),
        },
        closed,
      ),
    ),
    /** How long open flows may go on after a request to stop. */
    drainMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 3_600_000 })),
  },
  closed,
);
export type EdgeProgramConfig = Static<typeof EdgeProgramConfig>;

const defaults = {
  stateFolder: '/var/lib/whyslow-edge',
  location: '',
  listen: { host: '0.0.0.0', port: 8443 },
  configIntervalMs: 10_000,
};

/** File over defaults, environment over file. Throws ConfigError naming field and fix. */
export const readEdgeConfig = (path: string): EdgeProgramConfig => {
  const config = readEnrolledConfig({
    what: 'edge',
    path,
    schema: EdgeProgramConfig,
    defaults,
    variables: {
      ...enrolledVariables,
      edgeId: 'WHYSLOW_EDGE_ID',
      location: 'WHYSLOW_EDGE_LOCATION',
    },
  });
  checkIpForwarding(config.ipForwarding);
  const { certificateFile, keyFile } = config.clientless ?? {};
  if ((certificateFile === undefined) !== (keyFile === undefined)) {
    throw new ConfigError(`${path}: clientless: give certificateFile and keyFile, or neither`);
  }
  return config;
};
