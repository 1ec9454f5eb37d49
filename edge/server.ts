import type { EdgeConfig } from '#contract/policy.ts';
import type { EdgeSample, FlowRecord } from '#contract/telemetry.ts';
import { systemClock } from '#runtime/clock.ts';
import type { Log } from '#runtime/log.ts';
import type { Access } from './access.ts';
import { createBank } from './bank.ts';
import type { CategoryList } from './categories.ts';
import { type DeviceLimits, defaultLimits } from './device-limits.ts';
import { type ForwarderOptions, startForwarder } from './forwarder.ts';
import { createLimits } from './limits.ts';
import { startListeners } from './listener.ts';
import { startReflectorOf } from './reflector.ts';
import type { Resolve } from './resolve.ts';
import { toEdgeSample } from './sample.ts';
import type { EdgeCertificate } from './session.ts';
import type { BurstAsked } from './suspicion/onward-bursts.ts';

/** The forwarding half of an edge, without a collector. */
export type EdgeServer = {
  address: { host: string; port: number };
  /** Null: none. */
  clientlessAddress: { host: string; port: number } | null;
  /** Null: none. */
  reflectorPort: number | null;
  setPolicy(config: EdgeConfig): void;
  /** Rules that name categories go by this list from now on; `file` holds it too. */
  setCategories(list: CategoryList, file: string): void;
  setCertificate(certificate: EdgeCertificate): void;
  takeSample(): EdgeSample;
  access(): Access | undefined;
  isSpecial: (address: string) => boolean;
  resolve: Resolve;
  stop(drainMs: number): Promise<void>;
};

/** The same in one process or several. */
export type EdgeService = Omit<EdgeServer, 'takeSample'> & {
  takeSample(): EdgeSample | Promise<EdgeSample>;
};

export type EdgeServerOptions = ForwarderOptions & {
  listen: { host: string; port: number };
  clientlessListen?: { host: string; port: number };
  limits?: Partial<DeviceLimits>;
  /** UDP, 0 for any free one; left out: no reflector. */
  reflectorPort?: number;
  /** Takes the record of a flow that has ended. */
  onFlow?: (record: FlowRecord) => void;
  /** Told of devices' suspicions. */
  onBurst?: (asked: BurstAsked) => void;
  log: Log;
};

/** All in this process; see workers/supervisor.ts for one on every core. */
export const startEdgeServer = async (options: EdgeServerOptions): Promise<EdgeServer> => {
  const { edgeId, log } = options;
  const limited = { ...defaultLimits, ...options.limits };
  const bank = createBank({ limits: limited, monotonicMs: systemClock.monotonicMs });
  const limits = createLimits({ bank: bank.of(0), bytesPerSecond: limited.bytesPerSecond });
  const forwarder = await startForwarder(options, {
    limits,
    onFlow: options.onFlow,
    onBurst: options.onBurst,
    log,
  });
  const stopped = async (error: unknown): Promise<never> => {
    await forwarder.stop(0);
    throw error;
  };
  const listeners = await startListeners(options, forwarder.accept, { isPassedOn: false }).catch(
    stopped,
  );
  const reflector = await startReflectorOf(options, {
    sessionsFrom: forwarder.countFrom,
    log,
  }).catch((error: unknown) => {
    listeners.close();
    return stopped(error);
  });

  return {
    address: listeners.address,
    clientlessAddress: listeners.clientlessAddress,
    reflectorPort: reflector?.port ?? null,
    setPolicy: forwarder.setPolicy,
    setCategories: forwarder.setCategories,
    setCertificate: forwarder.setCertificate,
    takeSample() {
      limits.prune();
      bank.prune();
      return toEdgeSample({
        edgeId,
        at: systemClock.now(),
        gauges: forwarder.counts(),
        workers: [forwarder.takeReading()],
      });
    },
    access: forwarder.access,
    isSpecial: forwarder.isSpecial,
    resolve: forwarder.resolve,
    async stop(drainMs) {
      listeners.close();
      await reflector?.stop();
      await forwarder.stop(drainMs);
    },
  };
};
