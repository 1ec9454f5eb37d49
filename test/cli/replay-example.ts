import { edgeApplicationId } from '#contract/edge-path.ts';
import type { HttpResult, PathResult } from '#contract/result.ts';
import type { DeviceSample, EdgeSample, OnwardSample, TunnelSample } from '#contract/telemetry.ts';

/**
 * The recording in examples/replay: three devices of an office and three homes, one edge,
 * two applications, twelve minutes. From the ninth on, one link inside the access network AS 64500
 * takes 45 ms longer; the home on another network does not cross it.
 */
export const exampleLines = (): string[] =>
  [header, ...Array.from({ length: minutes }, (_, minute) => recordsOf(minute)).flat()].map(
    (record) => JSON.stringify(record),
  );

const folder = new URL('../../examples/replay/', import.meta.url);
export const exampleFile = new URL('office.ndjson', folder).pathname;
export const saidFile = new URL('office.verdicts.ndjson', folder).pathname;

const startMs = Date.UTC(2026, 8, 1, 9);
const minutes = 12;
const slowFrom = 9;
const slowLinkMs = 45;
const edgeId = 'ams';
const apps = [
  { id: 'payroll', name: 'Payroll', originMs: 12, serverMs: 60, address: '192.0.2.7' },
  { id: 'wiki', name: 'Wiki', originMs: 18, serverMs: 35, address: '192.0.2.40' },
];

type Example = {
  id: string;
  name: string;
  site: string;
  asn: number;
  gatewayMs: number;
  /** Behind the gateway: each hop's own milliseconds; the last is the edge. */
  hops: { address: string; asn: number; ms: number; isSlow?: true }[];
  uses: string[];
};

const idOf = (kind: number, count: number): string =>
  `00000000-0000-4000-8${kind}00-${count.toString(16).padStart(12, '0')}`;

const edgeHop = { address: '198.51.100.10', asn: 64_600, ms: 1 };
const throughA = (first: string) => [
  { address: first, asn: 64_500, ms: 5 },
  { address: '10.64.0.1', asn: 64_500, ms: 3 },
  { address: '10.64.1.1', asn: 64_500, ms: 4, isSlow: true as const },
  edgeHop,
];
const throughB = [
  { address: '10.90.0.1', asn: 64_510, ms: 7 },
  { address: '10.90.1.1', asn: 64_510, ms: 4 },
  edgeHop,
];

const devices: Example[] = [
  ...['LAPTOP-7', 'LAPTOP-8', 'DESK-2'].map((name, index) => ({
    id: idOf(1, index + 1),
    name,
    site: 'Berlin',
    asn: 64_500,
    gatewayMs: 2 + index * 0.3,
    hops: throughA('10.64.8.1'),
    uses: index === 0 ? ['payroll', 'wiki'] : ['payroll'],
  })),
  ...['HOME-1', 'HOME-2'].map((name, index) => ({
    id: idOf(1, 4 + index),
    name,
    site: name.toLowerCase(),
    asn: 64_500,
    gatewayMs: 3 + index * 0.4,
    hops: throughA(`10.64.9.${index + 1}`),
    uses: ['payroll'],
  })),
  {
    id: idOf(1, 6),
    name: 'HOME-3',
    site: 'home-3',
    asn: 64_510,
    gatewayMs: 2.5,
    hops: throughB,
    uses: ['payroll', 'wiki'],
  },
];

const header = {
  kind: 'header',
  version: 1,
  binSeconds: 60,
  applications: apps.map(({ id, name }) => ({ id, name })),
  devices: devices.map(({ id, name, site, asn }) => ({
    id,
    name,
    site,
    asn,
    platform: 'linux',
    programVersion: '0.1.0',
  })),
  edges: [{ id: edgeId, name: 'Amsterdam' }],
};

/** A few per cent up and down, the same on every machine: a fixed walk of twelve steps. */
const vary = (ms: number, step: number): number => {
  const share = ((step * 7) % 12) / 12 - 0.5;
  return Math.round(ms * (1 + 0.06 * share) * 100) / 100;
};

let count = 0;
const nextId = (): string => {
  count += 1;
  return idOf(2, count);
};

const recordsOf = (minute: number): object[] => {
  if (minute === 0) count = 0;
  const atMs = startMs + minute * 60_000;
  return [
    edgeSample(atMs),
    ...apps.map((app, at) => onwardSample(atMs + 1_000 * (at + 1), app, minute + at)),
    ...devices.flatMap((device, at) =>
      deviceRecords(device, atMs + 5_000 + at * 9_000, minute + at, minute >= slowFrom),
    ),
  ];
};

const deviceRecords = (device: Example, atMs: number, step: number, isSlow: boolean): object[] => {
  const own = (index: number): number =>
    vary(device.hops[index]?.ms ?? 0, step + index) +
    (isSlow && device.hops[index]?.isSlow ? slowLinkMs : 0);
  const toHop = device.hops.map((_, index) =>
    device.hops
      .slice(0, index + 1)
      .reduce((sum, _hop, at) => sum + own(at), vary(device.gatewayMs, step)),
  );
  const roundTripMs = toHop.at(-1) ?? 0;
  return [
    deviceSample(device, atMs, vary(device.gatewayMs, step)),
    tunnelSample(device, atMs + 1_000, roundTripMs),
    pathResult(device, atMs + 2_000, toHop, vary(device.gatewayMs, step)),
    ...apps
      .filter(({ id }) => device.uses.includes(id))
      .map((app, at) => httpResult(device, app, atMs + 4_000 + at * 1_000, roundTripMs, step + at)),
  ];
};

const round = (ms: number): number => Math.round(ms * 100) / 100;

const envelope = (device: Example, startedAt: number, durationMs: number) => ({
  id: nextId(),
  deviceId: device.id,
  via: 'tunnel' as const,
  edgeId,
  startedAt,
  durationMs,
  availability: 1 as const,
  failure: null,
  self: { eventLoopDelayMs: 0.3, cpuStealRatio: 0, clockJumpMs: 0 },
  distortion: 'none' as const,
});

const httpResult = (
  device: Example,
  app: (typeof apps)[number],
  atMs: number,
  roundTripMs: number,
  step: number,
): HttpResult => {
  const originMs = vary(app.originMs, step);
  const phases = {
    dnsMs: null,
    connectMs: 0.2,
    proxyConnectMs: round(roundTripMs + 0.2 + 1 + originMs),
    tlsMs: round(roundTripMs + originMs + vary(4, step)),
    waitMs: round(roundTripMs + originMs + vary(app.serverMs, step)),
    receiveMs: 2,
  };
  const durationMs = round(
    0.2 + phases.proxyConnectMs + phases.tlsMs + phases.waitMs + phases.receiveMs,
  );
  const url = `https://${app.id}.example/`;
  return {
    kind: 'result',
    type: 'http',
    appId: app.id,
    probeId: `${app.id}-http`,
    ...envelope(device, atMs, durationMs),
    body: {
      url,
      method: 'GET',
      httpVersion: '1.1',
      exchanges: [
        {
          url,
          status: 200,
          phases,
          durationMs,
          bodyBytes: 6_000,
          remoteAddress: null,
          remotePort: null,
          dnsSource: null,
          attempts: [],
          edge: { edgeId, queueMs: 0.2, dnsMs: 1, connectMs: originMs, address: app.address },
        },
      ],
      certificate: null,
    },
  };
};

const pathResult = (
  device: Example,
  atMs: number,
  toHop: readonly number[],
  gatewayMs: number,
): PathResult => {
  const hop = (ttl: number, address: string, asn: number | null, rttMs: number) => ({
    ttl,
    address,
    asn,
    sentCount: 3,
    receivedCount: 3,
    rttMinMs: round(rttMs),
    rttMedianMs: round(rttMs),
    rttMaxMs: round(rttMs),
  });
  const rttMs = round(toHop.at(-1) ?? 0);
  return {
    kind: 'result',
    type: 'path',
    appId: edgeApplicationId,
    probeId: `edge-path-${edgeId}`,
    ...envelope(device, atMs, 400),
    via: 'direct',
    body: {
      target: 'ams.edge.example',
      address: edgeHop.address,
      protocol: 'udp',
      method: 'raw',
      reached: true,
      hops: [
        hop(1, '192.168.1.1', null, gatewayMs),
        ...device.hops.map(({ address, asn }, index) =>
          hop(index + 2, address, asn, toHop[index] ?? 0),
        ),
      ],
      rttMinMs: rttMs,
      rttMedianMs: rttMs,
      jitterMs: 0.4,
      lossRatio: 0,
      routeHash: device.site,
    },
  };
};

const tunnelSample = (device: Example, at: number, roundTripMs: number): TunnelSample => ({
  kind: 'tunnel',
  id: nextId(),
  deviceId: device.id,
  edgeId,
  at,
  state: 'up',
  controlRttMs: round(roundTripMs + 0.5),
  dataRttMs: round(roundTripMs + 0.7),
  queueMs: 0.2,
  handshakeMs: null,
  underlayRttMs: round(roundTripMs),
  sessionCount: 2,
  streamCount: 3,
  upBytes: 20_000,
  downBytes: 90_000,
  reconnectCount: 0,
  pingLostCount: 0,
  pingSentCount: 12,
  sameFlow: true,
});

const deviceSample = (device: Example, at: number, gatewayMs: number): DeviceSample => ({
  kind: 'device',
  id: nextId(),
  deviceId: device.id,
  at,
  cpuRatio: device.name === 'LAPTOP-7' ? 0.95 : 0.2,
  memoryUsedRatio: 0.5,
  load1: null,
  eventLoopDelayMs: 0.3,
  receivedBytes: null,
  sentBytes: null,
  link: { name: 'wlan0', type: 'wifi', speedMbps: 300 },
  gateway: { address: '192.168.1.1', rttMs: gatewayMs, lossRatio: 0 },
  agentCpuRatio: null,
  agentMemoryBytes: 80_000_000,
  spoolBytes: 0,
});

const edgeSample = (at: number): EdgeSample => ({
  kind: 'edge',
  id: nextId(),
  edgeId,
  at,
  cpuRatio: 0.3,
  memoryBytes: 90_000_000,
  eventLoopDelayMs: 0.2,
  sessionCount: 10,
  streamCount: 15,
  deviceCount: 6,
  upBytes: 0,
  downBytes: 0,
  flowCount: 8,
  refusedCount: 0,
  dialFailedCount: 0,
  queueMs: 0.2,
  dnsMs: 1,
  connectMs: 12,
});

const onwardSample = (at: number, app: (typeof apps)[number], step: number): OnwardSample => ({
  kind: 'onward',
  id: nextId(),
  edgeId,
  appId: app.id,
  at,
  dnsMs: 1,
  connectMs: vary(app.originMs, step),
  connectLossRatio: 0,
  path: null,
  pathMissing: 'not traced',
});
