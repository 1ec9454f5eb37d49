import { readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { platform, release } from 'node:os';
import { join } from 'node:path';
import { DeviceConfig, type EdgeEntry } from '#contract/policy.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { dialBySystem } from '#probes/dial-by-system.ts';
import { createEcho } from '#probes/path/echo.ts';
import { createPathEngine } from '#probes/path/engine.ts';
import { type OriginTable, readOrigins } from '#probes/path/origins.ts';
import { createProbers, stopProbers } from '#probes/registry.ts';
import { type CollectorClient, createCollectorClient } from '#runtime/collector-client.ts';
import { ConfigError } from '#runtime/config.ts';
import { type ConfigSync, startConfigSync } from '#runtime/config-sync.ts';
import { makePrivateFolder } from '#runtime/durable-file.ts';
import { takeLock } from '#runtime/file-lock.ts';
import { type IdentityHolder, loadOrEnroll } from '#runtime/identity.ts';
import type { Log } from '#runtime/log.ts';
import { openSecrets } from '#runtime/secrets-file.ts';
import { createStopper, type Running } from '#runtime/service.ts';
import { type Shipper, startShipper } from '#runtime/shipper.ts';
import { openSpool, type Spool } from '#runtime/spool.ts';
import packageFile from '../package.json' with { type: 'json' };
import { startArtefactOutbox } from './artefacts.ts';
import { composeStatus } from './compose-status.ts';
import type { AgentProgramConfig } from './config.ts';
import { createNetworkWatch, type NetworkWatch } from './control/network-state.ts';
import { createGatewayMeter, type GatewayMeter } from './device/gateway.ts';
import { readDefaultRoute } from './device/route.ts';
import { startDeviceSampler } from './device/sampler.ts';
import { changeEvent } from './events.ts';
import { type Forwarding, startForwarding } from './forward.ts';
import { type Measuring, startMeasuring } from './measuring.ts';
import { defaultBudget } from './on-demand/budget.ts';
import { answerLocally } from './on-demand/local.ts';
import { type OnDemand, startOnDemand } from './on-demand/on-demand.ts';
import { openRunLedger, type RunLedger } from './run-ledger.ts';
import { startSampling } from './sampling.ts';
import { createSelfChecks } from './self-check.ts';
import { serveStatus } from './status-socket.ts';

export type RunningAgent = Running & {
  deviceId: string;
  proxy: { host: string; port: number };
  socks: { host: string; port: number };
};

type Stopper = ReturnType<typeof createStopper>;

/** Until the first config says how often. */
const defaultSampleIntervalMs = 15_000;

/**
 * Starts an agent: enrols where needed, carries the user's traffic, runs the plan, reports. It works
 * with its last config while the collector is away; a device that was never configured waits for it.
 */
export const startAgent = async (
  config: AgentProgramConfig,
  { log }: { log: Log },
): Promise<RunningAgent> => {
  const stopper = createStopper(log);
  try {
    return await startParts(config, log, stopper);
  } catch (error) {
    await stopper.stop();
    throw error;
  }
};

const startParts = async (
  config: AgentProgramConfig,
  log: Log,
  stopper: Stopper,
): Promise<RunningAgent> => {
  const startedAt = Date.now();
  const extraCa = config.extraCaFiles.map(readCaFile);
  await lockState(config.stateFolder, stopper);
  const identity = await enrol(config, log);
  stopper.add('identity', () => identity.stop());
  const deviceId = identity.current().id;
  const outgoing = await startOutgoing({ config, identity, log, stopper });
  const { spool, ledger } = outgoing;
  const append = (record: TelemetryRecord) => spool.append(record);
  const tell = (name: Parameters<typeof changeEvent>[1], reason: string) =>
    void append(changeEvent(deviceId, name, reason));

  // First of all records of this life: what follows is measured by it.
  tell('started', `agent ${packageFile.version} on ${platform()} ${release()}`);

  const forwarding = await startForwarding({
    ...config,
    identity: identity.current,
    onNetwork: ({ type, reason }) => tell('network-changed', `${type}: ${reason}`),
    log,
  });
  stopper.add('forwarding', () => forwarding.stop());
  forwarding.tunnel.onChange(({ name, reason }) => tell(name, reason));

  let sync: ConfigSync<DeviceConfig> | undefined;
  const network = createNetworkWatch({
    url: () => sync?.current()?.captivePortalUrl,
    onChange: ({ state, reason }) => {
      if (state === 'captive-portal') tell('captive-portal', reason);
      else if (state === 'down') tell('network-changed', reason);
    },
    log,
  });
  // Last words: after every part that may add to them, before the shipper's last batch.
  stopper.add('last words', async () => {
    await append(changeEvent(deviceId, 'stopped', 'asked to stop'));
    await ledger.flush(append);
  });

  const { measuring, onDemand, gatewayMeter } = await startProbing({
    config,
    deviceId,
    extraCa,
    forwarding,
    network,
    edges: () => sync?.current()?.edges ?? [],
    outgoing,
    log,
    stopper,
  });
  // A request for runs comes with the config and changes nothing else of it.
  let applied: string | undefined;
  sync = await startConfigSync({
    client: outgoing.client,
    folder: config.stateFolder,
    schema: DeviceConfig,
    intervalMs: config.configIntervalMs,
    caCertificatePem: identity.current().caCertificatePem,
    refuse: (received) =>
      received.deviceId === deviceId ? undefined : `it is for device ${received.deviceId}`,
    mayWait: true,
    onChange: (received, { isConfirmed }) => {
      const { requests: _, issuedAt: __, ...policy } = received;
      const text = JSON.stringify(policy);
      if (text !== applied) {
        applied = text;
        forwarding.setPolicy(received);
        measuring.setPlan(received.plan.probes);
        log.info({ component: 'agent', revision: received.revision }, 'policy applied');
        tell('policy-applied', `revision ${received.revision}`);
      }
      // What lies on disk may have been asked for long ago.
      if (isConfirmed) onDemand.take(received);
    },
    log,
  });
  stopper.add('config sync', () => sync?.stop());

  const sampler = startDeviceSampler({
    deviceId,
    gatewayMeter,
    spoolBytes: () => spool.status().pendingBytes,
  });
  const watchRoute = createRouteWatch((reason) => tell('network-changed', reason));
  const sampling = startSampling({
    deviceId,
    sampler,
    tunnel: forwarding.tunnel,
    intervalMs: () => sync?.current()?.sampleIntervalMs ?? defaultSampleIntervalMs,
    append,
    onInterval: async () => {
      watchRoute();
      await ledger.flush(append);
      const { state } = forwarding.tunnel.status();
      if (state !== 'up' && state !== 'off') await network.check();
    },
    log,
  });
  stopper.add('sampling', () => sampling.stop());

  const readStatus = () =>
    composeStatus({
      config,
      startedAt,
      identity,
      sync,
      forwarding,
      network,
      measuring,
      onDemand,
      gatewayMeter,
      ...outgoing,
    });
  // Without it the agent does its work all the same.
  const status = await serveStatus(config.stateFolder, {
    status: readStatus,
    ask: answerLocally(onDemand),
  }).catch((error: unknown) =>
    log.error({ component: 'agent', err: error }, '`whyslow agent status` will not work'),
  );
  stopper.add('status', async () => status?.stop());
  log.info({ component: 'agent', deviceId, proxy: forwarding.proxy }, 'agent is up');
  return {
    deviceId,
    proxy: forwarding.proxy,
    socks: forwarding.socks,
    stop: () => stopper.stop(),
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

const readCaFile = (path: string, index: number): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(
      `extraCaFiles[${index}]: cannot read ${path}: ${(error as Error).message}`,
    );
  }
};

const lockState = async (stateFolder: string, stopper: Stopper): Promise<void> => {
  await makePrivateFolder(stateFolder);
  const lock = takeLock({
    path: join(stateFolder, 'agent.lock'),
    what: `the state folder ${stateFolder}`,
    fix: 'give this agent a stateFolder of its own',
  });
  stopper.add('lock', () => lock.release());
};

const enrol = (config: AgentProgramConfig, log: Log): Promise<IdentityHolder> =>
  loadOrEnroll({
    folder: config.stateFolder,
    collectorUrl: config.collectorUrl,
    token: config.enrollmentToken,
    tokenFile: config.enrollmentTokenFile,
    role: 'device',
    name: config.name,
    platform: `${platform()} ${release()}`.slice(0, 64),
    programVersion: packageFile.version,
    dial: dialBySystem,
    log,
  });

type Outgoing = {
  client: CollectorClient;
  ledger: RunLedger;
  spool: Spool;
  shipper: Shipper;
};

/** Everything between a record and the collector's acknowledgement of it. */
const startOutgoing = async (parts: {
  config: AgentProgramConfig;
  identity: IdentityHolder;
  log: Log;
  stopper: Stopper;
}): Promise<Outgoing> => {
  const { config, identity, log, stopper } = parts;
  const client = createCollectorClient({
    collectorUrl: config.collectorUrl,
    identity: identity.current,
    dial: dialBySystem,
    log,
  });
  stopper.add('collector client', () => client.stop());
  const ledger = openRunLedger({ folder: config.stateFolder, deviceId: identity.current().id });
  const spool = await openSpool({
    folder: join(config.stateFolder, 'spool'),
    maxBytes: config.spoolMaxBytes,
    log,
    onDropped: (records) => ledger.countLost(records, 'spool-full'),
  });
  stopper.add('spool', () => spool.close());
  await ledger.settle(spool.findPending);
  const shipper = startShipper({
    spool,
    post: client.postBatch,
    refusedFolder: join(config.stateFolder, 'refused'),
    log,
    onRefused: (records) => ledger.countLost(records, 'refused'),
  });
  stopper.add('shipper', () => shipper.stop());
  return { client, ledger, spool, shipper };
};

/** One ICMP engine serves the path probes and the gateway's round trips. */
const startProbing = async (parts: {
  config: AgentProgramConfig;
  deviceId: string;
  extraCa: readonly string[];
  forwarding: Forwarding;
  network: NetworkWatch;
  edges: () => readonly EdgeEntry[];
  outgoing: Outgoing;
  log: Log;
  stopper: Stopper;
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

/** Tells when the device moved to another network. */
const createRouteWatch = (onChange: (reason: string) => void) => {
  let before = readDefaultRoute();
  return (): void => {
    const now = readDefaultRoute();
    if (now?.interfaceName !== before?.interfaceName || now?.gateway !== before?.gateway) {
      onChange(
        now === null
          ? 'no default route'
          : `default route by ${now.interfaceName}, gateway ${now.gateway ?? 'none'}`,
      );
    }
    before = now;
  };
};
