import { randomUUID } from 'node:crypto';
import type { PathBody } from '#contract/body/path.ts';
import { type Failure, failureFacts } from '#contract/failure.ts';
import type { HttpResult, PageLoadResult, Via } from '#contract/result.ts';

type Run = {
  device: { id: string; edge: string };
  application: { id: string; host: string; story: string };
  via: Via;
  at: number;
  isSlow: boolean;
};

const sway = (at: number, salt: string, widthMs: number): number =>
  (((at / 1_000) * 7919 + salt.length * 131) % 97) * (widthMs / 97);

const blocked: Failure = {
  type: 'policy.blocked',
  source: failureFacts['policy.blocked'].source,
  phase: 'proxy-connect',
  message: 'edge fra-1 refused the destination: rule no-video',
  action: failureFacts['policy.blocked'].action,
};

const envelope = ({ device, application, via, at }: Run, probe: string) => ({
  kind: 'result' as const,
  id: randomUUID(),
  deviceId: device.id,
  appId: application.id,
  probeId: `${application.id}-${probe}${via === 'direct' ? '-direct' : ''}`,
  via,
  edgeId: device.edge,
  startedAt: at,
  self: { eventLoopDelayMs: 1, cpuStealRatio: 0, clockJumpMs: 0 },
  distortion: 'none' as const,
});

/** One HTTP run as its application's story has it. */
export const requestOf = (run: Run): HttpResult => {
  const { application, via, at, isSlow } = run;
  const isTunnel = via === 'tunnel';
  const isBlocked = application.story === 'blocked' && isSlow && isTunnel;
  const originMs =
    application.story === 'path-slow' && isSlow && isTunnel
      ? 148 + sway(at, application.id, 8)
      : 11 + sway(at, application.id, 2);
  const serverMs =
    application.story === 'server-slow' && isSlow
      ? 940 + sway(at, application.id, 180)
      : 46 + sway(at, application.id, 20);
  const edge = { edgeId: run.device.edge, queueMs: 0.2, dnsMs: 3.1, connectMs: originMs };
  const roundTripMs = (isTunnel ? 17 : 14) + originMs;
  const phases = {
    dnsMs: isTunnel ? null : 12 + sway(at, 'dns', 4),
    connectMs: isTunnel ? 0.3 : roundTripMs,
    proxyConnectMs: isTunnel ? 17 + edge.queueMs + edge.dnsMs + originMs : null,
    tlsMs: isBlocked ? null : roundTripMs + 4,
    waitMs: isBlocked ? null : roundTripMs + serverMs,
    receiveMs: isBlocked ? null : 8 + sway(at, 'receive', 6),
  };
  const durationMs = Object.values(phases).reduce<number>((sum, value) => sum + (value ?? 0), 0);
  const url = `https://${application.host}/?q=<script>alert('url')</script>`;
  return {
    ...envelope(run, 'http'),
    type: 'http',
    durationMs,
    availability: isBlocked ? 0 : 1,
    failure: isBlocked ? blocked : null,
    body: {
      url,
      method: 'GET',
      httpVersion: isBlocked ? null : '1.1',
      exchanges: [
        {
          url,
          status: isBlocked ? null : 200,
          phases,
          durationMs,
          bodyBytes: isBlocked ? 0 : 48_200,
          remoteAddress: '198.51.100.80',
          remotePort: 443,
          dnsSource: isTunnel ? null : 'cold',
          attempts: [],
          edge: isTunnel ? { ...edge, address: '198.51.100.80' } : null,
        },
      ],
      certificate: null,
    },
  };
};

export const pageLoadOf = (run: Run): PageLoadResult => {
  const { application, isSlow } = run;
  const serverMs = application.story === 'server-slow' && isSlow ? 900 : 0;
  const isBlocked = application.story === 'blocked' && isSlow;
  const url = `https://${application.host}/`;
  return {
    ...envelope(run, 'page'),
    type: 'page-load',
    durationMs: 1_200 + serverMs,
    availability: isBlocked ? 0 : 1,
    failure: isBlocked ? { ...blocked, phase: 'prepare' } : null,
    body: {
      url,
      finalUrl: url,
      status: isBlocked ? null : 200,
      ttfbMs: isBlocked ? null : 140 + serverMs,
      fcpMs: isBlocked ? null : 390 + serverMs,
      lcpMs: isBlocked ? null : 720 + serverMs,
      cls: isBlocked ? null : 0.02,
      domContentLoadedMs: isBlocked ? null : 610 + serverMs,
      loadMs: isBlocked ? null : 1_080 + serverMs,
      totalBlockingMs: isBlocked ? null : 64,
      requestCount: isBlocked ? 0 : 38,
      transferBytes: isBlocked ? 0 : 812_000,
      failedRequestCount: 0,
      thirdPartyCount: 4,
      resources: [],
      consoleErrorCount: 0,
      browser: 'Chromium',
    },
  };
};

/** A path as addresses and medians; null is a silent hop. */
export type Leg = { hops: (readonly [string | null, number | null])[]; endMs: number };

export const hopsOf = (
  { hops, endMs }: Leg,
  target: string,
): Omit<PathBody, 'protocol' | 'method'> => ({
  target,
  address: '198.51.100.80',
  reached: true,
  hops: [...hops, ['198.51.100.80', endMs] as const].map(([address, rttMs], index) => ({
    ttl: index + 1,
    address,
    sentCount: 5,
    receivedCount: address === null ? 0 : 5,
    rttMinMs: rttMs === null ? null : rttMs * 0.9,
    rttMedianMs: rttMs,
    rttMaxMs: rttMs === null ? null : rttMs * 1.3,
  })),
  rttMinMs: endMs * 0.95,
  rttMedianMs: endMs,
  jitterMs: 0.8,
  lossRatio: 0,
  routeHash: 'a1b2c3d4',
});
