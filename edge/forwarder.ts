import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { EdgeConfig } from '#contract/policy.ts';
import type { FlowRecord } from '#contract/telemetry.ts';
import { systemClock } from '#runtime/clock.ts';
import type { Log } from '#runtime/log.ts';
import type { Access } from './access.ts';
import { createAddressGuard } from './address-guard.ts';
import { createAdmit } from './admit.ts';
import type { CategoryList } from './categories.ts';
import { createLogIn } from './clientless/log-in.ts';
import { openUsersFile } from './clientless/users-file.ts';
import { createDatagramLimit } from './datagram-limit.ts';
import { createOpenFlow } from './flow.ts';
import { createFlowBooks, type FlowReading } from './flow-account.ts';
import type { IpForwardingConfig } from './ip/config.ts';
import { startIpForwarding } from './ip/ip-forwarding.ts';
import { createServeIp } from './ip/serve-ip.ts';
import type { Limits } from './limits.ts';
import { createMeter, type Reading } from './meter.ts';
import { createPolicyInForce } from './policy-in-force.ts';
import { createResolve, type Resolve } from './resolve.ts';
import { createSessionServer, type EdgeCertificate, type SessionStart } from './session.ts';
import type { BurstAsked } from './suspicion/onward-bursts.ts';
import { createServeUdp } from './udp-flow.ts';

/** By which a connection came in: certificates of devices, or passwords of users without one. */
export type ListenerName = 'devices' | 'clientless';

/** What one process of an edge does with its connections: sessions, policy, dial, relay, meter. */
export type Forwarder = {
  accept(socket: Socket, listener: ListenerName): void;
  setPolicy(config: EdgeConfig): void;
  /** Rules that name categories go by this list from now on. */
  setCategories(list: CategoryList): void;
  setCertificate(certificate: EdgeCertificate): void;
  counts(): ForwarderCounts;
  /** Since the last reading. */
  takeReading(): ForwarderReading;
  countFrom(address: string): number;
  access(): Access | undefined;
  isSpecial: (address: string) => boolean;
  resolve: Resolve;
  stop(drainMs: number): Promise<void>;
};

export type ForwarderCounts = {
  sessionCount: number;
  deviceCount: number;
  streamCount: number;
  clientlessSessionCount: number;
};
export type ForwarderReading = { work: Reading; flows: FlowReading };

export type ForwarderOptions = {
  edgeId: string;
  certificate: EdgeCertificate;
  dnsServers?: readonly string[];
  ipForwarding?: IpForwardingConfig;
  /** TCP and UDP as IP packets too; only for measuring: without limits or records of flows. */
  carryAllPackets?: boolean;
  /** For browsers without an agent; `certificate` left out: the edge's. */
  clientless?: { usersFile: string; certificate?: EdgeCertificate };
  /** A session silent for so long, pings included, is closed. */
  idleMs?: number;
};

export const startForwarder = async (
  options: ForwarderOptions,
  parts: {
    limits: Limits;
    /** Which of an edge's processes this is. */
    process?: { index: number; count: number };
    /** Takes the record of a flow that has ended. */
    onFlow?: ((record: FlowRecord) => void) | undefined;
    onSession?: (session: SessionStart) => () => void;
    /** Told of devices' suspicions. */
    onBurst?: ((asked: BurstAsked) => void) | undefined;
    log: Log;
  },
): Promise<Forwarder> => {
  const { edgeId } = options;
  const { log, limits } = parts;
  const { monotonicMs, now } = systemClock;
  const policy = createPolicyInForce({
    onWarnings: (warnings) =>
      log.warn({ component: 'access', warnings }, 'policy not kept in full'),
  });
  const isSpecial = createAddressGuard();
  const resolve = createResolve(options.dnsServers ? { servers: options.dnsServers } : {});
  const meter = createMeter();
  const books = createFlowBooks({
    edgeId,
    privacy: policy.privacy,
    emit: (record) => parts.onFlow?.(record),
    now,
    ...(parts.process ? { process: parts.process } : {}),
  });
  const { access } = policy;
  const admit = createAdmit({ edgeId, access, isSpecial, resolve, limits, meter, books, log });
  const datagrams = createDatagramLimit({ monotonicMs });
  const forwarding =
    options.ipForwarding &&
    (await startIpForwarding({
      config: options.ipForwarding,
      carryAll: options.carryAllPackets ?? false,
      ...(parts.process ? { part: parts.process } : {}),
      log,
    }));
  const ip = { edgeId, forwarding, access, isSpecial, limits, datagrams, meter, monotonicMs, log };
  const common = {
    edgeId,
    openFlow: createOpenFlow({ admit }),
    limits,
    meter,
    ...(options.idleMs === undefined ? {} : { idleMs: options.idleMs }),
    log,
  };
  const users =
    options.clientless && openUsersFile({ file: options.clientless.usersFile, monotonicMs, log });
  const clientless =
    users &&
    createSessionServer({
      ...common,
      certificate: options.clientless?.certificate ?? options.certificate,
      isRevoked: () => false,
      protocols: new Map(),
      logIn: createLogIn({ users, limits, monotonicMs }),
    });
  const sessions = createSessionServer({
    ...common,
    certificate: options.certificate,
    isRevoked: (deviceId) => access()?.isRevoked(deviceId) ?? false,
    protocols: new Map([
      ['connect-udp', createServeUdp({ edgeId, admit, datagrams, meter, pace: limits.pace })],
      ['connect-ip', createServeIp(ip)],
    ]),
    ...(parts.onSession ? { onSession: parts.onSession } : {}),
    ...(parts.onBurst ? { onBurst: parts.onBurst } : {}),
  });

  return {
    accept(socket, listener) {
      const server = listener === 'devices' ? sessions : clientless;
      if (server) server.accept(socket);
      else socket.destroy();
    },
    setPolicy(config) {
      policy.setConfig(config);
      sessions.endRevoked();
    },
    setCategories: policy.setCategories,
    setCertificate(certificate) {
      sessions.setCertificate(certificate);
      if (options.clientless?.certificate === undefined) clientless?.setCertificate(certificate);
    },
    counts: () => ({
      ...sessions.counts(),
      streamCount: limits.openCount(),
      clientlessSessionCount: clientless?.counts().sessionCount ?? 0,
    }),
    takeReading: () => ({ work: meter.takeReading(), flows: books.takeReading() }),
    countFrom: sessions.countFrom,
    access,
    isSpecial,
    resolve,
    async stop(drainMs) {
      forwarding?.drain();
      await Promise.all([sessions.stop(drainMs), clientless?.stop(drainMs)]);
      await forwarding?.stop();
      await allDone(limits);
      meter.stop();
    },
  };
};

/** A cut flow ends, and is written down, turns after its session: stream and origin close first. */
const lastFlowsMs = 2_000;

const allDone = async ({ openCount }: Limits): Promise<void> => {
  const deadline = performance.now() + lastFlowsMs;
  while (openCount() > 0 && performance.now() < deadline) await wait(5);
};
