import type { BinView } from '#collector/diagnose/fleet/bin-view.ts';
import { closeBin, learnBin } from '#collector/diagnose/fleet/close-bin.ts';
import { createState } from '#collector/diagnose/fleet/fleet-state.ts';
import { takeIn } from '#collector/diagnose/fleet/intake.ts';
import type {
  DeviceReading,
  HttpReading,
  PageReading,
  PathReading,
  Reading,
  TunnelReading,
} from '#collector/diagnose/fleet/reading.ts';
import { viewOf } from '#collector/diagnose/fleet/view.ts';

export const deviceId = '00000000-0000-4000-8000-000000000001';
export const startMs = Date.UTC(2026, 2, 2);

/** The engine's state without inference: what it makes of readings is looked at as it is. */
export const createFeed = (binMs: number, options: { seasonal?: boolean } = {}) => {
  const state = createState({ binMs, seasonal: true, lagControl: true, ...options });
  const noFacts = { devices: {}, edges: {}, applications: {} };
  let pending: Parameters<typeof learnBin>[1] | undefined;
  return {
    state,
    take: (reading: Reading): void => takeIn(state, reading),
    /** Closes the bin that begins then. */
    close(fromMs: number): BinView {
      if (pending) learnBin(state, pending);
      const closed = closeBin(state, fromMs / binMs);
      pending = closed.pending;
      const order = Array.from({ length: state.deviceNames.count - 1 }, (_, i) => i + 1);
      return viewOf(state, closed, noFacts, order);
    },
  };
};

export const tunnelReading = (
  timeMs: number,
  more: Partial<TunnelReading> = {},
): TunnelReading => ({
  kind: 'tunnel',
  timeMs,
  deviceId,
  edgeId: 'edge-1',
  up: true,
  controlRttMs: 20,
  queueMs: 0.2,
  underlayRttMs: 19,
  pingSentCount: 4,
  pingLostCount: 0,
  udpLossRatio: null,
  reconnectCount: 0,
  sameFlow: true,
  ...more,
});

export const deviceReading = (
  timeMs: number,
  more: Partial<DeviceReading> = {},
): DeviceReading => ({
  kind: 'device',
  timeMs,
  deviceId,
  lagMs: 1,
  cpuRatio: 0.2,
  memoryUsedRatio: 0.4,
  linkType: 'wifi',
  signalDbm: -60,
  gatewayAddress: '192.168.1.1',
  siteId: 'home',
  gatewayRttMs: 3,
  gatewayLossRatio: 0,
  ...more,
});

const run = {
  deviceId,
  ok: true,
  failureType: null,
  distorted: false,
  requested: false,
  lagMs: 1,
} as const;

export const pathReading = (
  timeMs: number,
  hops: readonly [address: string | null, rttMs: number][],
  more: Partial<PathReading> = {},
): PathReading => ({
  ...run,
  kind: 'path',
  timeMs,
  appId: 'whyslow-edge',
  probeId: 'edge-path-edge-1',
  via: 'direct',
  edgeId: 'edge-1',
  toEdgeId: 'edge-1',
  hops: hops.map(([address, rttMs], i) => ({
    ttl: i + 1,
    address,
    asn: null,
    sentCount: 3,
    receivedCount: address === null ? 0 : 3,
    rttMedianMs: address === null ? null : rttMs,
    rttMinMs: address === null ? null : rttMs,
  })),
  rttMedianMs: hops.at(-1)?.[1] ?? null,
  rttMinMs: hops.at(-1)?.[1] ?? null,
  lossRatio: 0,
  sentCount: 3,
  reached: true,
  mtuBytes: null,
  mtuBlackHole: false,
  ...more,
});

/** A run through the tunnel over legs of 20 and 10 ms, whose server takes 50 ms. */
export const httpReading = (timeMs: number, more: Partial<HttpReading> = {}): HttpReading => ({
  ...run,
  kind: 'http',
  timeMs,
  appId: 'crm',
  probeId: 'crm-http',
  via: 'tunnel',
  edgeId: 'edge-1',
  totalMs: 160,
  dnsMs: null,
  dnsSource: null,
  connectMs: 0.1,
  proxyConnectMs: 32,
  tlsMs: 34,
  waitMs: 80,
  receiveMs: 14,
  bodyBytes: 1_000,
  edge: { queueMs: 0.5, dnsMs: 1.5, connectMs: 10, address: '192.0.2.1' },
  remoteAddress: null,
  tlsProtocol: 'TLSv1.3',
  ...more,
});

/** A page that waits 200 ms for one other host. */
export const pageReading = (timeMs: number, of: string): PageReading => ({
  ...run,
  kind: 'page',
  timeMs,
  deviceId: of,
  appId: 'crm',
  probeId: 'crm-page',
  via: 'tunnel',
  edgeId: 'edge-1',
  ttfbMs: 120,
  fcpMs: 500,
  lcpMs: 600,
  loadMs: 700,
  thirdParties: [{ host: 'cdn.example', longestMs: 200 }],
  failedStep: null,
});
