import { randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, isIPv6 } from 'node:net';
import { availableParallelism, platform } from 'node:os';
import { join } from 'node:path';
import { EdgeConfig } from '#contract/policy.ts';
import type { ChangeEvent, TelemetryRecord } from '#contract/telemetry.ts';
import { dialBySystem } from '#probes/dial-by-system.ts';
import { createPathProber } from '#probes/path/path.ts';
import { createCollectorClient } from '#runtime/collector-client.ts';
import { startConfigSync } from '#runtime/config-sync.ts';
import { type IdentityHolder, loadOrEnroll } from '#runtime/identity.ts';
import type { Log } from '#runtime/log.ts';
import { createStopper, type Running } from '#runtime/service.ts';
import { startShipper } from '#runtime/shipper.ts';
import { openSpool } from '#runtime/spool.ts';
import { startCategoryFile } from './category-file.ts';
import type { EdgeProgramConfig } from './config.ts';
import { createOnwardProbes, measureOnward, type OnwardMeasuring } from './onward-probes.ts';
import { type EdgeServerOptions, type EdgeService, startEdgeServer } from './server.ts';
import { createOnwardBursts, type OnwardBursts } from './suspicion/onward-bursts.ts';
import { startSupervisor } from './workers/supervisor.ts';

export type RunningEdge = Running & { address: { host: string; port: number } };

const spoolMaxBytes = 64_000_000;
const defaultDrainMs = 10_000;
const programVersion = '0.1.0';

/**
 * Starts an edge: enrols, listens, takes its policy from the collector, and reports. It forwards
 * nothing before its first policy has come; after that it goes on with the last one it had.
 */
export const startEdge = async (
  config: EdgeProgramConfig,
  parts: { log: Log },
): Promise<RunningEdge> => {
  const log = parts.log.child({ edgeId: config.edgeId });
  const stopper = createStopper(log);
  try {
    return await startParts(config, log, stopper);
  } catch (error) {
    await stopper.stop();
    throw error;
  }
};

const startParts = async (
  config: EdgeProgramConfig,
  log: Log,
  stopper: ReturnType<typeof createStopper>,
): Promise<RunningEdge> => {
  const listen = await settleListen(config);
  const identity = await enrol(config, listen, log);
  stopper.add('identity', () => identity.stop());
  const client = createCollectorClient({
    collectorUrl: config.collectorUrl,
    identity: () => identity.current(),
    dial: dialBySystem,
    log,
  });
  stopper.add('collector client', () => client.stop());
  const spool = await openSpool({
    folder: join(config.stateFolder, 'spool'),
    maxBytes: spoolMaxBytes,
    log,
  });
  stopper.add('spool', () => spool.close());
  const shipper = startShipper({
    spool,
    post: (upload, signal) => client.postBatch(upload, signal),
    refusedFolder: join(config.stateFolder, 'refused'),
    log,
  });
  stopper.add('shipper', () => shipper.stop());
  const emit = (record: TelemetryRecord) => void spool.append(record).catch(() => {});

  let bursts: OnwardBursts | undefined;
  const server = await startServer(
    config,
    {
      edgeId: identity.current().id,
      listen,
      certificate: identity.current(),
      ...(config.limits ? { limits: config.limits } : {}),
      ...(config.ipForwarding ? { ipForwarding: config.ipForwarding } : {}),
      ...(config.clientless ? clientlessOptions(config.clientless) : {}),
      onFlow: emit,
      onBurst: (asked) => bursts?.take(asked),
      ...(config.dnsServers ? { dnsServers: config.dnsServers } : {}),
      ...(listen.reflectorPort === undefined ? {} : { reflectorPort: listen.reflectorPort }),
      log,
    },
    emit,
  );
  let draining: Promise<void> | undefined;
  const drain = (): Promise<void> => {
    draining ??= server.stop(config.drainMs ?? defaultDrainMs);
    return draining;
  };
  stopper.add('listener', drain);
  stopper.add(
    'certificate',
    identity.onChange((renewed) => server.setCertificate(renewed)),
  );
  bursts = await followPolicy({ config, identity, client, server, emit, log, stopper });

  emit(changeEvent(config.edgeId, 'started', `listening on ${listen.host}:${server.address.port}`));
  // Before the rest, so that policy and revocations reach the flows that are still open.
  stopper.add('drain', drain);
  stopper.add('stop event', async () => {
    await spool.append(changeEvent(config.edgeId, 'stopped', 'asked to stop'));
  });
  log.info({ component: 'edge', ...server.address }, 'edge is up');
  return { address: server.address, stop: () => stopper.stop() };
};

/** One process does all, or hands its connections to workers. */
const startServer = (
  config: EdgeProgramConfig,
  options: EdgeServerOptions,
  emit: (record: TelemetryRecord) => void,
): Promise<EdgeService> => {
  const { processes = 1 } = config;
  const workerCount = processes === 'cores' ? availableParallelism() : processes;
  if (workerCount === 1) return startEdgeServer(options);
  const onReplaced = (reason: string) =>
    emit(changeEvent(config.edgeId, 'worker-replaced', reason));
  return startSupervisor({ ...options, workerCount, onReplaced });
};

const clientlessOptions = (
  config: NonNullable<EdgeProgramConfig['clientless']>,
): Pick<EdgeServerOptions, 'clientless' | 'clientlessListen'> => {
  const { listen, usersFile, certificateFile, keyFile } = config;
  if (certificateFile === undefined || keyFile === undefined) {
    return { clientlessListen: listen, clientless: { usersFile } };
  }
  const certificate = {
    certificatePem: readFileSync(certificateFile, 'utf8'),
    privateKeyPem: readFileSync(keyFile, 'utf8'),
    caCertificatePem: '',
  };
  return { clientlessListen: listen, clientless: { usersFile, certificate } };
};

/** Policy changes reach listener, sampling and onward probes at once. */
const followPolicy = async (parts: {
  config: EdgeProgramConfig;
  identity: IdentityHolder;
  client: ReturnType<typeof createCollectorClient>;
  server: EdgeService;
  emit: (record: TelemetryRecord) => void;
  log: Log;
  stopper: ReturnType<typeof createStopper>;
}): Promise<OnwardBursts> => {
  const { config, server, emit, log, stopper } = parts;
  const { edgeId } = config;
  const pathProber = createPathProber({ log });
  stopper.add('path prober', () => pathProber.stop());
  const measuring: OnwardMeasuring = {
    edgeId,
    access: server.access,
    isSpecial: server.isSpecial,
    resolve: server.resolve,
    pathProber,
    workFolder: config.stateFolder,
    now: Date.now,
    log,
  };
  const onward = createOnwardProbes({ ...measuring, emit });
  stopper.add('onward probes', () => onward.stop());
  let inForce: EdgeConfig | undefined;
  const bursts = createOnwardBursts({
    policy: () => inForce?.burst,
    targets: () => inForce?.onward ?? [],
    measure: (target, signal, wish) => measureOnward(measuring, target, signal, wish),
    emit,
    now: Date.now,
    monotonicMs: () => performance.now(),
    log,
  });
  stopper.add('onward bursts', () => bursts.stop());
  if (config.categoryFile !== undefined) {
    const categories = startCategoryFile({
      file: config.categoryFile,
      keepIn: config.stateFolder,
      onLoaded(list, copy, told) {
        server.setCategories(list, copy);
        emit(changeEvent(edgeId, 'categories-loaded', told));
      },
      onRefused: (reason) => emit(changeEvent(edgeId, 'categories-refused', reason)),
      log,
    });
    stopper.add('categories', () => categories.stop());
  }
  const sampling = createSampling(() => {
    Promise.resolve()
      .then(server.takeSample)
      .then(emit)
      .catch((error: unknown) => log.error({ component: 'edge', err: error }, 'no sample'));
  });
  stopper.add('sampling', () => sampling.stop());

  const sync = await startConfigSync({
    client: parts.client,
    folder: config.stateFolder,
    schema: EdgeConfig,
    intervalMs: config.configIntervalMs,
    // So that revocations and rules are here at once.
    mayWait: true,
    caCertificatePem: parts.identity.current().caCertificatePem,
    refuse: (edgeConfig) =>
      edgeConfig.edgeId === edgeId ? undefined : `it is for edge ${edgeConfig.edgeId}`,
    onChange: (edgeConfig) => {
      inForce = edgeConfig;
      server.setPolicy(edgeConfig);
      onward.update(edgeConfig.onward);
      sampling.every(edgeConfig.sampleIntervalMs);
      emit(changeEvent(edgeId, 'policy-applied', `revision ${edgeConfig.revision}`));
      log.info({ component: 'edge', revision: edgeConfig.revision }, 'policy applied');
    },
    log,
  });
  stopper.add('config sync', () => sync.stop());
  return bursts;
};

const enrol = (
  config: EdgeProgramConfig,
  listen: { port: number; reflectorPort?: number },
  log: Log,
): Promise<IdentityHolder> =>
  loadOrEnroll({
    folder: config.stateFolder,
    collectorUrl: config.collectorUrl,
    token: config.enrollmentToken,
    tokenFile: config.enrollmentTokenFile,
    role: 'edge',
    name: config.edgeId,
    platform: platform(),
    programVersion,
    edge: {
      host: config.advertise.host,
      port: config.advertise.port || listen.port,
      location: config.location,
      ...(config.position ? { position: config.position } : {}),
      ...(listen.reflectorPort === undefined ? {} : { reflectorPort: listen.reflectorPort }),
    },
    dial: dialBySystem,
    log,
  });

/** Enrolment tells the collector the port, so "any free" must be settled before the listener is up. */
const settleListen = async (
  config: EdgeProgramConfig,
): Promise<{ host: string; port: number; reflectorPort?: number }> => {
  const { host } = config.listen;
  const port = config.listen.port || (await freePort(host));
  if (config.reflectorPort === undefined) return { host, port };
  return { host, port, reflectorPort: config.reflectorPort || (await freeUdpPort(host)) };
};

const freePort = (host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

const freeUdpPort = (host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    socket.once('error', reject);
    socket.bind(0, host, () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });

const createSampling = (take: () => void) => {
  let timer: NodeJS.Timeout | undefined;
  let intervalMs = 0;
  return {
    every(ms: number): void {
      if (ms === intervalMs) return;
      clearInterval(timer);
      intervalMs = ms;
      timer = setInterval(take, ms);
    },
    stop: (): void => clearInterval(timer),
  };
};

const changeEvent = (edgeId: string, name: ChangeEvent['name'], reason: string): ChangeEvent => ({
  kind: 'event',
  id: randomUUID(),
  source: 'edge',
  sourceId: edgeId,
  at: Date.now(),
  name,
  reason: reason.slice(0, 300),
});
