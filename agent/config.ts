import { hostname } from 'node:os';
import { type Static, Type } from '@sinclair/typebox';
import { check, explain } from '#contract/check.ts';
import { closed, Text } from '#contract/scalar.ts';
import { ConfigError, environment, readConfigFile } from '#runtime/config.ts';

const ListenPort = Type.Integer({ minimum: 0, maximum: 65_535, description: '0 takes any free' });

/** An agent's config file. Policy, edges and plan come from the collector, signed. */
export const AgentProgramConfig = Type.Object(
  {
    /** Folder for identity, last config, spool and status socket; one agent each. */
    stateFolder: Type.String({ minLength: 1, maxLength: 1_024 }),
    /** The collector's device listener. */
    collectorUrl: Type.String({
      pattern: '^https://',
      maxLength: 512,
      description: 'https:// URL',
    }),
    /** Needed once, to enrol. */
    enrollmentToken: Type.Optional(Text(256)),
    /** The same in a file, which may go once this agent is enrolled. */
    enrollmentTokenFile: Type.Optional(Text(1_024)),
    /** What people call the device. */
    name: Type.String({ minLength: 1, maxLength: 128 }),
    /** Where the local proxies listen. */
    listenHost: Type.String({ minLength: 1, maxLength: 256 }),
    proxyPort: ListenPort,
    socksPort: ListenPort,
    /** PEM files of CAs that probes trust beside the system's. */
    extraCaFiles: Type.Array(Text(1_024), { maxItems: 100 }),
    /** Chrome, Chromium or Edge for page loads; absent: looked for in the usual places. */
    browserPath: Type.Optional(Text(1_024)),
    configIntervalMs: Type.Integer({ minimum: 100, maximum: 3_600_000 }),
    /** Disk for records not yet shipped; the oldest go first when it is full. */
    spoolMaxBytes: Type.Integer({ minimum: 32_768, maximum: 100_000_000_000 }),
  },
  closed,
);
export type AgentProgramConfig = Static<typeof AgentProgramConfig>;

const defaults = () => ({
  stateFolder: '/var/lib/whyslow-agent',
  name: hostname(),
  listenHost: '127.0.0.1',
  proxyPort: 9_339,
  socksPort: 9_340,
  extraCaFiles: [],
  configIntervalMs: 10_000,
  spoolMaxBytes: 64_000_000,
});

/** Reads the file, puts the environment over it, checks it. Throws ConfigError naming field and fix. */
export const readAgentConfig = (path: string): AgentProgramConfig => {
  const file = readConfigFile(path) ?? {};
  if (typeof file !== 'object' || Array.isArray(file)) {
    throw new ConfigError(`${path}: expected a mapping of settings`);
  }
  const config = check(AgentProgramConfig, { ...defaults(), ...file, ...fromEnvironment() });
  if (!config.ok) {
    throw new ConfigError(`${path} is not a usable agent config:\n${explain(config.mistakes)}`);
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
    name: environment('WHYSLOW_DEVICE_NAME'),
    browserPath: environment('WHYSLOW_BROWSER'),
  };
  return Object.fromEntries(
    Object.entries(settings).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
};
