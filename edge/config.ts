import { type Static, Type } from '@sinclair/typebox';
import { check, explain } from '#contract/check.ts';
import { closed, Slug, Text } from '#contract/scalar.ts';
import { ConfigError, environment, readConfigFile } from '#runtime/config.ts';

const ListenPort = Type.Integer({ minimum: 0, maximum: 65_535, description: '0 takes any free' });

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
    listen: Type.Object({ host: Text(256), port: ListenPort }, closed),
    /** Where devices reach it; port absent: the one it listens on. */
    advertise: Type.Object({ host: Text(256), port: Type.Optional(ListenPort) }, closed),
    configIntervalMs: Type.Integer({ minimum: 100, maximum: 3_600_000 }),
    /** Name servers as `address` or `address:port`; absent: the system's. */
    dnsServers: Type.Optional(Type.Array(Text(80), { minItems: 1, maxItems: 8 })),
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

/** Reads the file, puts the environment over it, checks it. Throws ConfigError naming field and fix. */
export const readEdgeConfig = (path: string): EdgeProgramConfig => {
  const file = readConfigFile(path);
  if (file === null || typeof file !== 'object' || Array.isArray(file)) {
    throw new ConfigError(`${path}: expected a mapping of settings`);
  }
  const config = check(EdgeProgramConfig, { ...defaults, ...file, ...fromEnvironment() });
  if (!config.ok) {
    throw new ConfigError(`${path} is not a usable edge config:\n${explain(config.mistakes)}`);
  }
  const { enrollmentToken, enrollmentTokenFile } = config.value;
  if (enrollmentToken !== undefined && enrollmentTokenFile !== undefined) {
    throw new ConfigError(
      `${path}: enrollmentToken and enrollmentTokenFile are both given (by file or environment): give one`,
    );
  }
  return config.value;
};

const fromEnvironment = (): Record<string, string> => {
  const settings = {
    stateFolder: environment('WHYSLOW_STATE_FOLDER'),
    collectorUrl: environment('WHYSLOW_COLLECTOR_URL'),
    enrollmentToken: environment('WHYSLOW_ENROLLMENT_TOKEN'),
    enrollmentTokenFile: environment('WHYSLOW_ENROLLMENT_TOKEN_FILE'),
    edgeId: environment('WHYSLOW_EDGE_ID'),
    location: environment('WHYSLOW_EDGE_LOCATION'),
  };
  return Object.fromEntries(
    Object.entries(settings).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
};
