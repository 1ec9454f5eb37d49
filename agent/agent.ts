import { readFileSync } from 'node:fs';
import { platform, release } from 'node:os';
import { DeviceConfig, type ForwardingPolicy } from '#contract/policy.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { ConfigError } from '#runtime/config.ts';
import { type ConfigSync, startConfigSync } from '#runtime/config-sync.ts';
import type { Log } from '#runtime/log.ts';
import { createStopper, type Running } from '#runtime/service.ts';
import packageFile from '../package.json' with { type: 'json' };
import { ownTrafficOf } from './capture/own-traffic.ts';
import { composeStatus } from './compose-status.ts';
import type { AgentProgramConfig } from './config.ts';
import { startPostureReports } from './device/posture.ts';
import { readPower } from './device/power.ts';
import { readDefaultRoute } from './device/route.ts';
import { createSameFlow } from './device/same-flow.ts';
import { startDeviceSampler } from './device/sampler.ts';
import type { EnforcementInputs } from './enforcement/enforcement.ts';
import { enrol } from './enrol.ts';
import { changeEvent } from './events.ts';
import { startForwarding } from './forward.ts';
import { readNewToken } from './new-token.ts';
import { answerLocally } from './on-demand/local.ts';
import { startOutgoing } from './outgoing.ts';
import { startProbing } from './probing.ts';
import { startSampling } from './sampling.ts';
import { type Standing, startStanding } from './standing.ts';
import { type Bursts, startBursts } from './suspicion/bursts.ts';
import { followPolicy } from './system-proxy/follow-policy.ts';

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
 * A token left later (`whyslow agent enroll`) ends this enrolled life and begins another.
 */
export const startAgent = async (
  config: AgentProgramConfig,
  { log }: { log: Log },
): Promise<RunningAgent> => {
  const extraCa = config.extraCaFiles.map(readCaFile);
  // Before anything leaves this machine: whether the config can be kept.
  if (config.capture !== undefined) ownTrafficOf(config.capture);
  const stopper = createStopper(log);
  let isStopping = false;
  try {
    const standing = await startStanding(config, log, stopper);
    let life = await startLife(config, standing, extraCa, log);
    stopper.add('life', () => life.stop());
    let turn: Promise<void> = Promise.resolve();
    const beginAnew = async () => {
      if (isStopping || readNewToken(config.stateFolder) === undefined) return;
      log.info({ component: 'agent' }, 'a new token: enrolling anew');
      await life.stop();
      life = await startLife(config, standing, extraCa, log);
    };
    const timer = setInterval(() => {
      turn = turn.then(beginAnew).catch((error: unknown) => {
        log.error({ component: 'agent', err: error }, 'not enrolled anew');
      });
    }, newTokenIntervalMs);
    stopper.add('new tokens', async () => {
      isStopping = true;
      clearInterval(timer);
      await turn;
    });
    return {
      get deviceId() {
        return life.deviceId;
      },
      get proxy() {
        return life.proxy;
      },
      get socks() {
        return life.socks;
      },
      stop: () => stopper.stop(),
    };
  } catch (error) {
    await stopper.stop();
    throw error;
  }
};

const newTokenIntervalMs = 1_000;

const startLife = async (
  config: AgentProgramConfig,
  standing: Standing,
  extraCa: readonly string[],
  log: Log,
): Promise<RunningAgent> => {
  const stopper = createStopper(log);
  stopper.add('standing', () => {
    standing.setLife(undefined);
    standing.enforcement.update(beforeEnrolment);
  });
  try {
    return await startParts(config, standing, extraCa, log, stopper);
  } catch (error) {
    await stopper.stop();
    throw error;
  }
};

/** The policy stays: who was held by it is held until there is another. */
const beforeEnrolment = {
  identity: 'none',
  tunnel: () => ({ isUp: false, reason: 'not enrolled' }),
} as const;

const startParts = async (
  config: AgentProgramConfig,
  standing: Standing,
  extraCa: readonly string[],
  log: Log,
  stopper: Stopper,
): Promise<RunningAgent> => {
  const startedAt = Date.now();
  const { enforcement, network } = standing;
  const identity = await enrol({
    config,
    isHeld: () => enforcement.current().strict,
    onProblem: (identityReason) => enforcement.update({ identityReason }),
    log,
  });
  stopper.add('identity', () => identity.stop());
  const deviceId = identity.current().id;
  const outgoing = await startOutgoing({ config, identity, log, stopper });
  const { spool, ledger } = outgoing;
  const append = (record: TelemetryRecord) => spool.append(record);
  const tell = (name: Parameters<typeof changeEvent>[1], reason: string) =>
    void append(changeEvent(deviceId, name, reason));

  // First of all records of this life: what follows is measured by it.
  tell('started', `agent ${packageFile.version} on ${platform()} ${release()}`);

  let systemProxy: ReturnType<typeof followPolicy> | undefined;
  const forwarding = await startForwarding({
    ...config,
    identity: identity.current,
    onNetwork: ({ type, reason }) => {
      tell('network-changed', `${type}: ${reason}`);
      void systemProxy?.review();
      void enforcement.review();
    },
    onPac: tell,
    around: enforcement.around,
    log,
  });
  stopper.add('forwarding', () => forwarding.stop());
  systemProxy = followPolicy({
    setting: config.systemProxy,
    stateFolder: config.stateFolder,
    policy: () => sync?.current()?.forwarding,
    network: () => forwarding.network().type,
    proxy: forwarding.proxy,
    socks: forwarding.socks,
    onChange: (reason) => tell('system-proxy-changed', reason),
    log,
  });
  stopper.add('system proxy', () => systemProxy?.stop());
  // Once at each change, and never by the clock while the tunnel is up: the look costs the network.
  forwarding.tunnel.onChange(({ name, reason }) => {
    tell(name, reason);
    void enforcement.review();
    if (name === 'tunnel-up' || name === 'tunnel-down') void network.checkAnew();
  });

  enforcement.update({
    identity: 'enrolled',
    identityReason: '',
    tunnel: () => {
      const { state, reason } = forwarding.tunnel.status();
      return { isUp: state === 'up', reason };
    },
  });
  let sync: ConfigSync<DeviceConfig> | undefined;
  standing.setLife({ tell, captivePortalUrl: () => sync?.current()?.captivePortalUrl });
  // Last words: after every part that may add to them, before the shipper's last batch.
  stopper.add('last words', async () => {
    await append(changeEvent(deviceId, 'stopped', 'asked to stop'));
    await ledger.flush(append);
    await ledger.tell(append, { all: true });
  });

  let bursts: Bursts | undefined;
  const edgeOf = (edgeId: string | null) =>
    sync?.current()?.edges.find(({ id }) => id === edgeId) ?? null;
  const edgeInUse = () => edgeOf(forwarding.tunnel.status().edgeId);
  const sameFlow = createSameFlow(edgeInUse);
  const { measuring, onDemand, gatewayMeter } = await startProbing({
    config,
    deviceId,
    extraCa,
    forwarding,
    network,
    edges: () => sync?.current()?.edges ?? [],
    outgoing,
    onResult: (result) => {
      sameFlow.note(result);
      bursts?.observe(result);
    },
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
    onAnswer: (refusal) => enforcement.update(readRefusal(refusal, identity.current().notAfter)),
    onChange: (received, { isConfirmed }) => {
      const { requests: _, issuedAt: __, ...policy } = received;
      const text = JSON.stringify(policy);
      if (text !== applied) {
        applied = text;
        const withProviders = addProviders(received.forwarding, config);
        forwarding.setPolicy({ ...received, forwarding: withProviders });
        enforcement.update({
          forwarding: withProviders,
          networkAction: () =>
            received.forwarding.onNetwork?.[forwarding.network().type] ?? 'tunnel',
        });
        measuring.setPlan(received.plan.probes);
        bursts?.setPlan(received.plan.probes);
        void systemProxy?.review();
        void network.check();
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
    siteKey: () => sync?.current()?.siteKey,
    spoolBytes: () => spool.status().pendingBytes,
  });
  const watchRoute = createRouteWatch((reason) => {
    tell('network-changed', reason);
    void network.checkAnew();
  });
  const sampling = startSampling({
    deviceId,
    sampler,
    tunnel: {
      takeSample: () => ({
        ...forwarding.tunnel.takeSample(),
        // Collectors of before refuse what they do not know; the key says that this one does.
        ...(sync?.current()?.siteKey === undefined ? {} : { sameFlow: sameFlow.current() }),
      }),
    },
    intervalMs: () => sync?.current()?.sampleIntervalMs ?? defaultSampleIntervalMs,
    append,
    onInterval: async () => {
      watchRoute();
      await ledger.flush(append);
      await ledger.tell(append);
      const { state } = forwarding.tunnel.status();
      if (state !== 'up' && state !== 'off') await network.check();
    },
    log,
  });
  stopper.add('sampling', () => sampling.stop());
  bursts = await startBursts({
    deviceId,
    folder: config.stateFolder,
    policy: () => sync?.current()?.burst,
    plan: measuring.plan,
    makeExtra: measuring.makeExtra,
    // Of a tunnel that is down, too, a trace shows where.
    edge: () => edgeOf(forwarding.tunnel.status().lastEdgeId),
    tunnel: forwarding.tunnel,
    sampling,
    power: () => readPower(readDefaultRoute()?.interfaceName ?? null),
    log,
  });
  stopper.add('bursts', () => bursts?.stop());
  const posture = startPostureReports({ deviceId, agentVersion: packageFile.version, append });
  stopper.add('posture', () => posture.stop());

  standing.setLife({
    tell,
    captivePortalUrl: () => sync?.current()?.captivePortalUrl,
    status: () =>
      composeStatus({
        config,
        startedAt,
        identity,
        sync,
        forwarding,
        network,
        enforcement,
        measuring,
        onDemand,
        bursts,
        gatewayMeter,
        systemProxy: systemProxy?.status(),
        ...outgoing,
      }),
    ask: answerLocally(onDemand),
  });
  log.info({ component: 'agent', deviceId, proxy: forwarding.proxy }, 'agent is up');
  return {
    deviceId,
    proxy: forwarding.proxy,
    socks: forwarding.socks,
    stop: () => stopper.stop(),
  };
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

/** Where people log in before enrolment stays reachable: they may have to again. */
const addProviders = (
  forwarding: ForwardingPolicy,
  { strictEnforcement }: AgentProgramConfig,
): ForwardingPolicy => {
  const more = strictEnforcement?.identityProviders ?? [];
  if (more.length === 0) return forwarding;
  return { ...forwarding, identityProviders: [...(forwarding.identityProviders ?? []), ...more] };
};

/** Only the collector itself can say this: its answer comes by TLS under the CA of the enrolment. */
const readRefusal = (
  refusal: { status: number; reason: string } | undefined,
  notAfter: number,
): Pick<EnforcementInputs, 'identity' | 'identityReason'> => {
  if (refusal === undefined) return { identity: 'enrolled', identityReason: '' };
  const { status, reason } = refusal;
  // 401 is for the certificate: who is not known any more hears 403.
  if (status === 403) return { identity: 'removed', identityReason: reason };
  const isOver = notAfter <= Date.now();
  return { identity: isOver ? 'expired' : 'enrolled', identityReason: isOver ? reason : '' };
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
