import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EdgeEntry } from '#contract/policy.ts';
import type { Result } from '#contract/result.ts';
import { createEcho } from '#probes/path/echo.ts';
import { createPathEngine } from '#probes/path/engine.ts';
import { type OriginTable, readOrigins } from '#probes/path/origins.ts';
import { createProbers, stopProbers } from '#probes/registry.ts';
import { ConfigError } from '#runtime/config.ts';
import type { Log } from '#runtime/log.ts';
import { openSecrets } from '#runtime/secrets-file.ts';
import type { createStopper } from '#runtime/service.ts';
import { startArtefactOutbox } from './artefacts.ts';
import type { AgentProgramConfig } from './config.ts';
import type { NetworkWatch } from './control/network-state.ts';
import { createGatewayMeter, type GatewayMeter } from './device/gateway.ts';
import type { Forwarding } from './forward.ts';
import { type Measuring, startMeasuring } from './measuring.ts';
import { defaultBudget } from './on-demand/budget.ts';
import { type OnDemand, startOnDemand } from './on-demand/on-demand.ts';
import type { Outgoing } from './outgoing.ts';
import { createSelfChecks } from './self-check.ts';

/** One ICMP engine serves the path probes and the gateway's round trips. */
export const startProbing = async (parts: {
  config: AgentProgramConfig;
  deviceId: string;
  extraCa: readonly string[];
  forwarding: Forwarding;
  network: NetworkWatch;
  edges: () => readonly EdgeEntry[];
  outgoing: Outgoing;
  /** Told of each result. */
  onResult: (result: Result) => void;
  log: Log;
  stopper: ReturnType<typeof createStopper>;
}): Promise<{ measuring: Measuring; onDemand: OnDemand; gatewayMeter: GatewayMeter }> => {
  const { config, deviceId, extraCa, forwarding, network, outgoing, log, stopper } = parts;
  const workFolder = join(config.stateFolder, 'work');
  await rm(workFolder, { recursive: true, force: true });
  await mkdir(workFolder, { mode: 0o700 });
  const pathEngine = createPathEngine({ log });
  stopper.add('path engine', () => pathEngine.stop());
  const origins = config.asnFile === undefined ? {} : { origins: readAsnFile(config.asnFile) };
  const probers = createProbers({ pathEngine, ...origins, log });
  stopper.add('probers', () => stopProbers(probers));
  const outbox = startArtefactOutbox({ put: outgoing.client.putArtefact, log });
  stopper.add('artefacts', () => outbox.stop());
  const measuring = startMeasuring({
    probers,
    deviceId,
    edgeId: () => forwarding.tunnel.status().edgeId,
    edge: () => {
      const { edgeId } = forwarding.tunnel.status();
      const entry = parts.edges().find(({ id }) => id === edgeId);
      return entry ? { ...entry, reflectorPort: entry.reflectorPort ?? null } : null;
    },
    network,
    context: { extraCa, workFolder, browserPath: config.browserPath, ...secretsOf(config, log) },
    onArtefacts: outbox.hold,
    proxy: () => forwarding.probeProxy,
    bypassOf: (destination) => forwarding.bypassOf(destination),
    selfChecks: createSelfChecks(),
    ledger: outgoing.ledger,
    append: outbox.releasing(outgoing.spool.append),
    onResult: parts.onResult,
    log,
  });
  const onDemand = await startOnDemand({
    deviceId,
    folder: config.stateFolder,
    measuring,
    ledger: outgoing.ledger,
    limits: {
      maxBytes: config.onDemand?.maxBytes ?? defaultBudget.maxBytes,
      maxCpuRatio: config.onDemand?.maxCpuRatio ?? defaultBudget.maxCpuRatio,
    },
    append: outgoing.spool.append,
    log,
  });
  // It begins nothing more, then the runs under way end, then what became of them is told.
  stopper.add('last reports', () => onDemand.ended());
  stopper.add('measuring', () => measuring.stop());
  stopper.add('on demand', () => onDemand.stop());
  return {
    measuring,
    onDemand,
    gatewayMeter: createGatewayMeter(createEcho({ engine: pathEngine, log })),
  };
};

const secretsOf = ({ secretsFile }: AgentProgramConfig, log: Log) => {
  if (secretsFile === undefined) return {};
  const tell = (reason: string) => log.error({ component: 'secrets', reason }, 'no secrets');
  return { secrets: openSecrets(secretsFile, tell) };
};

const readAsnFile = (path: string): OriginTable => {
  try {
    return readOrigins(path);
  } catch (error) {
    throw new ConfigError(`asnFile: cannot read ${path}: ${(error as Error).message}`);
  }
};
