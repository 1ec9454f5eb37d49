import { hostname } from 'node:os';
import { type Static, Type } from '@sinclair/typebox';
import { closed, OneOf, Position, Text } from '#contract/scalar.ts';
import { enrolledVariables, readEnrolledConfig } from '#runtime/program.ts';
import { CaptureConfig } from './capture/config.ts';
import { systemProxySettings } from './system-proxy/wanted.ts';

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
    /** Where it stands: of many edges the nearest are measured. Left out: found out by measuring. */
    position: Type.Optional(Position),
    /** Where the local proxies listen. */
    listenHost: Type.String({ minLength: 1, maxLength: 256 }),
    proxyPort: ListenPort,
    socksPort: ListenPort,
    /** PEM files of CAs that probes trust beside the system's. */
    extraCaFiles: Type.Array(Text(1_024), { maxItems: 100 }),
    /** Table of whose addresses are (docs/probes-path.md), for the hops of paths. */
    asnFile: Type.Optional(Text(1_024)),
    /** Chrome, Chromium or Edge for page loads; absent: looked for in the usual places. */
    browserPath: Type.Optional(Text(1_024)),
    /** `NAME: secret` lines for steps of pages (docs/probes-page-load.md); mode 0600. */
    secretsFile: Type.Optional(Text(1_024)),
    configIntervalMs: Type.Integer({ minimum: 100, maximum: 3_600_000 }),
    /** Disk for records not yet shipped; the oldest go first when it is full. */
    spoolMaxBytes: Type.Integer({ minimum: 32_768, maximum: 100_000_000_000 }),
    /**
     * Nothing leaves the device but through the agent until it is enrolled and has a policy; after
     * that the policy's `forwarding.enforcement` decides. See docs/fail-modes.md.
     */
    strictEnforcement: Type.Optional(
      Type.Object(
        {
          /** Where people log in: names, addresses. */
          identityProviders: Type.Optional(
            Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: 100 }),
          ),
          /** Plain-HTTP URL that answers 204, as in a policy: the collector's operator listener has one. */
          captivePortalUrl: Type.Optional(Type.String({ pattern: '^http://', maxLength: 512 })),
          captivePortalGraceSeconds: Type.Optional(Type.Integer({ minimum: 60, maximum: 3_600 })),
        },
        closed,
      ),
    ),
    /** What is taken from programs that know nothing of the proxy (docs/capture.md); left out: nothing. */
    capture: Type.Optional(CaptureConfig),
    /** Whether the system's proxy settings are ours to set (docs/pac.md); left out: off. */
    systemProxy: Type.Optional(OneOf(systemProxySettings)),
    /** What runs that somebody asks for may cost: bytes a request, share of one core while it lasts. */
    onDemand: Type.Optional(
      Type.Object(
        {
          maxBytes: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_000_000_000 })),
          maxCpuRatio: Type.Optional(Type.Number({ minimum: 0, maximum: 16 })),
        },
        closed,
      ),
    ),
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

/** File over defaults, environment over file. Throws ConfigError naming field and fix. */
export const readAgentConfig = (path: string): AgentProgramConfig =>
  readEnrolledConfig({
    what: 'agent',
    path,
    schema: AgentProgramConfig,
    defaults: defaults(),
    variables: {
      ...enrolledVariables,
      name: 'WHYSLOW_DEVICE_NAME',
      browserPath: 'WHYSLOW_BROWSER',
    },
  });
