import type { Failure, FailureType } from '#contract/failure.ts';
import { failureFacts } from '#contract/failure.ts';
import type { HttpResult, PageLoadResult, PathResult } from '#contract/result.ts';
import type { DeviceSample, EdgeSample, OnwardSample, TunnelSample } from '#contract/telemetry.ts';

/**
 * A small world written down as the records its agents and edges would ship: round trips, queues
 * and work in, phases and samples out, by the timing algebra of the design, with a little noise.
 */
export type World = {
  /** Per step, event-loop delay of the agent. */
  lagMs: number;
  gatewayMs: number;
  /** How much later the gateway answers pings than it forwards. */
  gatewayPingMs: number;
  /** Gateway to edge. */
  pathMs: number;
  queueMs: number;
  edgeQueueMs: number;
  edgeLagMs: number;
  /** How often a phase waits for the edge's event loop; left out: once. */
  edgePasses?: number;
  /** Edge to origin. */
  onwardMs: number;
  /** Before that, for an address that did not answer. */
  edgeWaitedMs?: number;
  dnsMs: number;
  tlsMs: number;
  serverMs: number;
  transferMs: number;
  bodyBytes: number;
  cpuRatio: number;
  edgeCpuRatio: number;
};

export const calm: World = {
  lagMs: 0.3,
  gatewayMs: 2,
  gatewayPingMs: 0,
  pathMs: 14,
  queueMs: 0.2,
  edgeQueueMs: 0.2,
  edgeLagMs: 0.2,
  onwardMs: 10,
  dnsMs: 8,
  tlsMs: 3,
  serverMs: 25,
  transferMs: 2,
  bodyBytes: 6_000,
  cpuRatio: 0.2,
  edgeCpuRatio: 0.3,
};

export const startMs = Date.UTC(2026, 8, 1, 9, 0, 0);
export const minuteMs = 60_000;
export const deviceId = '0b5d5e8e-7a51-4c5c-9a44-3f1f6f0f7e01';
const edgeId = 'edge-1';

/** Numerical Recipes' generator: the same recording on every machine. */
export const createNoise = (seed: number) => {
  let state = seed >>> 0;
  const unit = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return {
    unit,
    /** Up to `share` more. */ vary: (ms: number, share = 0.04) => ms * (1 + share * unit()),
  };
};
export type Noise = ReturnType<typeof createNoise>;

let idCount = 0;
const nextId = (): string => {
  idCount += 1;
  return `00000000-0000-4000-8000-${idCount.toString(16).padStart(12, '0')}`;
};

const failureOf = (type: FailureType, message: string): Failure => ({
  type,
  source: failureFacts[type].source,
  phase: 'proxy-connect',
  message,
  action: failureFacts[type].action,
});

export type RunOptions = {
  appId?: string;
  probeId?: string;
  via?: 'tunnel' | 'direct';
  failure?: { type: FailureType; message: string };
  distortion?: HttpResult['distortion'];
  dnsSource?: 'cold' | 'warm';
  /** Beside the plan. */
  requestId?: string;
  burstId?: string;
  repeats?: string;
};

const envelope = (atMs: number, world: World, options: RunOptions) => ({
  kind: 'result' as const,
  id: nextId(),
  deviceId,
  appId: options.appId ?? 'payroll',
  probeId: options.probeId ?? `${options.appId ?? 'payroll'}-http-${options.via ?? 'tunnel'}`,
  via: options.via ?? ('tunnel' as const),
  edgeId,
  startedAt: atMs,
  availability: options.failure ? (0 as const) : (1 as const),
  failure: options.failure ? failureOf(options.failure.type, options.failure.message) : null,
  self: { eventLoopDelayMs: world.lagMs, cpuStealRatio: 0, clockJumpMs: 0 },
  distortion: options.distortion ?? ('none' as const),
  ...(options.requestId === undefined ? {} : { requestId: options.requestId }),
  ...(options.burstId === undefined ? {} : { burstId: options.burstId }),
  ...(options.repeats === undefined ? {} : { repeats: options.repeats }),
});

const noPhases = {
  dnsMs: null,
  connectMs: null,
  proxyConnectMs: null,
  tlsMs: null,
  waitMs: null,
  receiveMs: null,
};

export const httpRun = (
  atMs: number,
  world: World,
  noise: Noise,
  options: RunOptions = {},
): HttpResult => {
  const direct = options.via === 'direct';
  const way = world.gatewayMs + world.pathMs + world.onwardMs;
  const trip = direct
    ? way + world.lagMs
    : world.gatewayMs +
      world.pathMs +
      world.queueMs +
      world.lagMs +
      world.edgeLagMs * (world.edgePasses ?? 1);
  const onwardMs = noise.vary(world.onwardMs);
  const dnsMs = noise.vary(world.dnsMs);
  const each = (ms: number) => noise.vary(trip) + ms;
  const phases = options.failure
    ? noPhases
    : {
        dnsMs: direct ? dnsMs : null,
        connectMs: direct ? each(0) : 0.2,
        proxyConnectMs: direct
          ? null
          : each(world.edgeQueueMs + dnsMs + (world.edgeWaitedMs ?? 0) + onwardMs),
        tlsMs: each((direct ? 0 : onwardMs) + noise.vary(world.tlsMs)),
        waitMs: each((direct ? 0 : onwardMs) + noise.vary(world.serverMs)),
        receiveMs: noise.vary(world.transferMs),
      };
  const durationMs = Object.values(phases).reduce((sum: number, ms) => sum + (ms ?? 0), 0);
  return {
    ...envelope(atMs, world, options),
    type: 'http',
    durationMs,
    body: {
      url: 'https://payroll.example/',
      method: 'GET',
      httpVersion: '1.1',
      exchanges: [
        {
          url: 'https://payroll.example/',
          status: options.failure ? null : 200,
          phases,
          durationMs,
          bodyBytes: world.bodyBytes,
          remoteAddress: null,
          remotePort: null,
          dnsSource: direct ? (options.dnsSource ?? 'cold') : null,
          attempts: [],
          edge:
            direct || options.failure
              ? null
              : {
                  edgeId,
                  queueMs: world.edgeQueueMs,
                  dnsMs,
                  connectMs: onwardMs + world.edgeLagMs,
                  ...(world.edgeWaitedMs === undefined ? {} : { waitedMs: world.edgeWaitedMs }),
                  address: '192.0.2.7',
                },
        },
      ],
      certificate: null,
    },
  };
};

export const tunnelSample = (atMs: number, world: World, noise: Noise): TunnelSample => {
  const controlRttMs = noise.vary(world.gatewayMs + world.pathMs + world.lagMs + world.edgeLagMs);
  return {
    kind: 'tunnel',
    id: nextId(),
    deviceId,
    edgeId,
    at: atMs,
    state: 'up',
    controlRttMs,
    dataRttMs: controlRttMs + world.queueMs,
    queueMs: world.queueMs,
    handshakeMs: null,
    underlayRttMs: null,
    sessionCount: 2,
    streamCount: 3,
    upBytes: 1_000,
    downBytes: 2_000,
    reconnectCount: 0,
    pingLostCount: 0,
    pingSentCount: 10,
  };
};

export const deviceSample = (atMs: number, world: World, noise: Noise): DeviceSample => ({
  kind: 'device',
  id: nextId(),
  deviceId,
  at: atMs,
  cpuRatio: world.cpuRatio,
  memoryUsedRatio: 0.5,
  load1: 1,
  eventLoopDelayMs: world.lagMs,
  receivedBytes: 0,
  sentBytes: 0,
  link: { name: 'wlan0', type: 'wifi', speedMbps: 300 },
  gateway: {
    address: '192.168.1.1',
    rttMs: noise.vary(world.gatewayMs) + world.gatewayPingMs + world.lagMs,
    lossRatio: 0,
  },
  agentCpuRatio: 0.01,
  agentMemoryBytes: 80_000_000,
  spoolBytes: 0,
});

export const edgeSample = (atMs: number, world: World): EdgeSample => ({
  kind: 'edge',
  id: nextId(),
  edgeId,
  at: atMs,
  cpuRatio: world.edgeCpuRatio,
  memoryBytes: 90_000_000,
  eventLoopDelayMs: world.edgeLagMs,
  sessionCount: 2,
  streamCount: 5,
  deviceCount: 1,
  upBytes: 0,
  downBytes: 0,
  flowCount: 3,
  refusedCount: 0,
  dialFailedCount: 0,
  queueMs: world.edgeQueueMs,
  dnsMs: world.dnsMs,
  connectMs: world.onwardMs,
});

export const onwardSample = (atMs: number, world: World): OnwardSample => ({
  kind: 'onward',
  id: nextId(),
  edgeId,
  appId: 'payroll',
  at: atMs,
  dnsMs: world.dnsMs,
  connectMs: world.onwardMs,
  connectLossRatio: 0,
  path: null,
  pathMissing: 'no CAP_NET_RAW',
});

/** A trace whose hops answer in these times; null: silent. */
export const pathRun = (
  atMs: number,
  rttsMs: readonly (number | null)[],
  options: RunOptions = {},
): PathResult => ({
  ...envelope(atMs, calm, { probeId: 'payroll-path', ...options }),
  type: 'path',
  durationMs: 100,
  body: {
    target: 'payroll.example',
    address: '192.0.2.7',
    protocol: 'tcp',
    method: 'raw',
    reached: true,
    hops: rttsMs.map((ms, index) => ({
      ttl: index + 1,
      address: ms === null ? null : `10.0.${index + 1}.1`,
      sentCount: 3,
      receivedCount: ms === null ? 0 : 3,
      rttMinMs: ms,
      rttMedianMs: ms,
      rttMaxMs: ms,
    })),
    rttMinMs: rttsMs.at(-1) ?? null,
    rttMedianMs: rttsMs.at(-1) ?? null,
    jitterMs: 0,
    lossRatio: 0,
    routeHash: 'r1',
  },
});

export const pageRun = (atMs: number, lcpMs: number, hostMs: number): PageLoadResult => ({
  ...envelope(atMs, calm, { probeId: 'payroll-page' }),
  type: 'page-load',
  durationMs: lcpMs + 100,
  body: {
    url: 'https://payroll.example/',
    finalUrl: 'https://payroll.example/',
    status: 200,
    ttfbMs: 140,
    fcpMs: 200,
    lcpMs,
    cls: 0,
    domContentLoadedMs: lcpMs,
    loadMs: lcpMs + 50,
    totalBlockingMs: 0,
    requestCount: 2,
    transferBytes: 10_000,
    failedRequestCount: 0,
    thirdPartyCount: 1,
    resources: [resource('payroll.example', 140), resource('cdn.example', hostMs)],
    consoleErrorCount: 0,
    browser: 'Chromium',
  },
});

const resource = (host: string, durationMs: number) => ({
  url: `https://${host}/app.js`,
  host,
  type: 'script',
  status: 200,
  startMs: 0,
  durationMs,
  dnsMs: null,
  connectMs: null,
  tlsMs: null,
  waitMs: null,
  receiveMs: null,
  transferBytes: 1_000,
  failed: null,
});
