import type { AgentProgramConfig } from '#agent/config.ts';

/** An agent on loopback, on free ports, that asks for its config five times a second. */
export const agentConfig = (
  at: { stateFolder: string; collectorUrl: string; enrollmentToken: string },
  changes: Partial<AgentProgramConfig> = {},
): AgentProgramConfig => ({
  ...at,
  name: 'laptop-7',
  listenHost: '127.0.0.1',
  proxyPort: 0,
  socksPort: 0,
  extraCaFiles: [],
  configIntervalMs: 200,
  spoolMaxBytes: 5_000_000,
  ...changes,
});
