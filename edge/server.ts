import type { EdgeConfig } from '#contract/policy.ts';
import type { EdgeSample } from '#contract/telemetry.ts';
import { systemClock } from '#runtime/clock.ts';
import type { Log } from '#runtime/log.ts';
import { type Access, compileAccess, createAddressGuard } from './access.ts';
import { createAdmit } from './admit.ts';
import { createDatagramLimit } from './datagram-limit.ts';
import { createOpenFlow } from './flow.ts';
import { createLimits } from './limits.ts';
import { createMeter } from './meter.ts';
import { startReflector } from './reflector.ts';
import { createResolve, type Resolve } from './resolve.ts';
import { type EdgeCertificate, startSessionServer } from './session.ts';
import { createServeUdp } from './udp-flow.ts';

/** The forwarding half of an edge: listener, policy, dial, relay, meter; without a collector. */
export type EdgeServer = {
  address: { host: string; port: number };
  /** Null: none. */
  reflectorPort: number | null;
  setPolicy(config: EdgeConfig): void;
  setCertificate(certificate: EdgeCertificate): void;
  takeSample(): EdgeSample;
  access(): Access | undefined;
  isSpecial: (address: string) => boolean;
  resolve: Resolve;
  stop(drainMs: number): Promise<void>;
};

export const startEdgeServer = async (options: {
  edgeId: string;
  listen: { host: string; port: number };
  certificate: EdgeCertificate;
  dnsServers?: readonly string[];
  /** UDP, 0 for any free one; left out: no reflector. */
  reflectorPort?: number;
  /** A session silent for so long, pings included, is closed. */
  idleMs?: number;
  log: Log;
}): Promise<EdgeServer> => {
  const { edgeId, log } = options;
  let access: Access | undefined;
  const isSpecial = createAddressGuard();
  const resolve = createResolve(options.dnsServers ? { servers: options.dnsServers } : {});
  const limits = createLimits({ monotonicMs: systemClock.monotonicMs });
  const meter = createMeter({ edgeId, now: systemClock.now });
  const admit = createAdmit({
    edgeId,
    access: () => access,
    isSpecial,
    resolve,
    limits,
    meter,
    log,
  });
  const openFlow = createOpenFlow({ admit });
  const datagrams = createDatagramLimit({ monotonicMs: systemClock.monotonicMs });
  const sessions = await startSessionServer({
    listen: options.listen,
    certificate: options.certificate,
    edgeId,
    isRevoked: (deviceId) => access?.isRevoked(deviceId) ?? false,
    openFlow,
    protocols: new Map([['connect-udp', createServeUdp({ edgeId, admit, datagrams, meter })]]),
    meter,
    ...(options.idleMs === undefined ? {} : { idleMs: options.idleMs }),
    log,
  });

  const reflector =
    options.reflectorPort === undefined
      ? undefined
      : await startReflector({
          listen: { host: options.listen.host, port: options.reflectorPort },
          sessionsFrom: sessions.countFrom,
          monotonicMs: systemClock.monotonicMs,
          log,
        }).catch(async (error: unknown) => {
          await sessions.stop(0);
          throw error;
        });

  return {
    address: sessions.address,
    reflectorPort: reflector?.port ?? null,
    setPolicy(config) {
      access = compileAccess(config);
      sessions.endRevoked();
    },
    setCertificate: sessions.setCertificate,
    takeSample() {
      limits.prune();
      return meter.takeSample({ ...sessions.counts(), streamCount: limits.openCount() });
    },
    access: () => access,
    isSpecial,
    resolve,
    async stop(drainMs) {
      await reflector?.stop();
      await sessions.stop(drainMs);
      meter.stop();
    },
  };
};
