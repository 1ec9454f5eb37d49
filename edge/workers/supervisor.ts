import type { EdgeConfig } from '#contract/policy.ts';
import type { EdgeSample } from '#contract/telemetry.ts';
import { systemClock } from '#runtime/clock.ts';
import type { LogLevel } from '#runtime/log.ts';
import { createAddressGuard } from '../address-guard.ts';
import { createBank } from '../bank.ts';
import { defaultLimits } from '../device-limits.ts';
import { startListeners } from '../listener.ts';
import { createMeter } from '../meter.ts';
import { createPolicyInForce } from '../policy-in-force.ts';
import { startReflectorOf } from '../reflector.ts';
import { createResolve } from '../resolve.ts';
import { toEdgeSample } from '../sample.ts';
import type { EdgeServerOptions, EdgeService } from '../server.ts';
import { maxSessionsPerDevice } from '../session.ts';
import { createCrew } from './crew.ts';
import type { WorkerNews } from './messages.ts';
import { createSessionRegistry } from './sessions.ts';

/**
 * An edge on several cores: this process listens, and hands every connection to the worker with the
 * fewest, where it stays. Policy and certificate go down to the workers, what devices may
 * spend comes from one bank here, and records come up.
 */
export const startSupervisor = async (
  options: EdgeServerOptions & {
    workerCount: number;
    /** One ended by itself; another takes its place. */
    onReplaced: (reason: string) => void;
  },
): Promise<EdgeService> => {
  const { edgeId, log } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const bank = createBank({ limits, monotonicMs: systemClock.monotonicMs });
  const sessions = createSessionRegistry();
  const meter = createMeter();
  const policy = createPolicyInForce();
  const resolve = createResolve(options.dnsServers ? { servers: options.dnsServers } : {});
  const current = {
    config: undefined as EdgeConfig | undefined,
    certificate: options.certificate,
    categoryFile: undefined as string | undefined,
  };

  const onMessage = (message: WorkerNews, index: number): void => {
    switch (message.type) {
      case 'ask': {
        const amounts = bank.of(index).grant(message.key, message.wanted);
        crew.tell(index, { type: 'grant', id: message.id, amounts });
        break;
      }
      case 'give-back':
        bank.of(index).giveBack(message.key, message.openCount);
        break;
      case 'session': {
        const { session, deviceId, address } = message;
        const count = sessions.add(index, session, { deviceId, address });
        if (count <= maxSessionsPerDevice) break;
        log.warn({ deviceId, maxSessionsPerDevice }, 'session ended: the device has too many');
        crew.tell(index, { type: 'end-session', session });
        break;
      }
      case 'session-ended':
        sessions.remove(index, message.session);
        break;
      case 'flows':
        for (const record of message.records) options.onFlow?.(record);
        break;
      case 'burst':
        options.onBurst?.(message.asked);
        break;
    }
  };
  const crew = createCrew({
    count: options.workerCount,
    begin: (index) => ({
      options: forwarderOptions(options, current.certificate),
      process: { index, count: options.workerCount },
      bytesPerSecond: limits.bytesPerSecond,
      logLevel: log.level as LogLevel,
      ...(current.categoryFile === undefined ? {} : { categoryFile: current.categoryFile }),
    }),
    // A starting worker ignores these two when they change; a category list waits in it for its turn.
    onReady(tell) {
      tell({ type: 'certificate', certificate: current.certificate });
      if (current.config) tell({ type: 'policy', config: current.config });
    },
    onMessage,
    onGone(index) {
      bank.forget(index);
      sessions.forget(index);
    },
    onReplaced: options.onReplaced,
    log,
  });
  const giveUp = async (error: unknown): Promise<never> => {
    await crew.stop(0);
    meter.stop();
    throw error;
  };
  await crew.ready().catch(giveUp);
  const listeners = await startListeners(options, crew.hand, { isPassedOn: true }).catch(giveUp);
  const reflector = await startReflectorOf(options, {
    sessionsFrom: sessions.countFrom,
    log,
  }).catch((error: unknown) => {
    listeners.close();
    return giveUp(error);
  });

  const takeSample = async (): Promise<EdgeSample> => {
    const readings = await crew.read();
    bank.prune();
    const total = (kind: 'sessionCount' | 'streamCount' | 'clientlessSessionCount') =>
      readings.reduce((sum, { counts }) => sum + counts[kind], 0);
    return toEdgeSample({
      edgeId,
      at: systemClock.now(),
      gauges: {
        sessionCount: total('sessionCount'),
        streamCount: total('streamCount'),
        clientlessSessionCount: total('clientlessSessionCount'),
        deviceCount: sessions.deviceCount(),
      },
      workers: readings.map(({ reading }) => reading),
      supervisor: meter.takeReading(),
    });
  };

  return {
    address: listeners.address,
    clientlessAddress: listeners.clientlessAddress,
    reflectorPort: reflector?.port ?? null,
    setPolicy(config) {
      current.config = config;
      policy.setConfig(config);
      crew.tellAll({ type: 'policy', config });
    },
    setCategories(list, file) {
      current.categoryFile = file;
      policy.setCategories(list);
      crew.tellAll({ type: 'categories', file });
    },
    setCertificate(certificate) {
      current.certificate = certificate;
      crew.tellAll({ type: 'certificate', certificate });
    },
    takeSample,
    access: policy.access,
    isSpecial: createAddressGuard(),
    resolve,
    async stop(drainMs) {
      listeners.close();
      await reflector?.stop();
      await crew.stop(drainMs);
      meter.stop();
    },
  };
};

/** What of the options a worker needs, in a form that travels. */
const forwarderOptions = (
  { edgeId, dnsServers, ipForwarding, clientless, idleMs }: EdgeServerOptions,
  { certificatePem, privateKeyPem, caCertificatePem }: EdgeServerOptions['certificate'],
) => ({
  edgeId,
  certificate: { certificatePem, privateKeyPem, caCertificatePem },
  ...(dnsServers ? { dnsServers } : {}),
  ...(ipForwarding ? { ipForwarding } : {}),
  ...(clientless ? { clientless } : {}),
  ...(idleMs === undefined ? {} : { idleMs }),
});
