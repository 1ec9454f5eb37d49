import type { DeviceSample, TunnelSample } from '#contract/telemetry.ts';
import type { Bench } from './bench.ts';
import {
  type DeviceNow,
  lagMs,
  lanMs,
  medianOf,
  passRatioOf,
  rounded,
  straightMs,
  sumOf,
  tunnelMs,
} from './device-now.ts';

/** In five minutes (§3). */
const perFiveMinutes = { tunnel: 20, underlay: 10, gateway: 10, lag: 12, datagrams: 20 } as const;

const countIn = ({ options }: Bench, what: keyof typeof perFiveMinutes): number =>
  Math.max(1, Math.round((perFiveMinutes[what] * options.sampleSeconds) / 300));

export const sampleTunnel = (bench: Bench, now: DeviceNow, atMs: number): TunnelSample => {
  const { travel } = bench;
  const { device } = now;
  const sent = countIn(bench, 'tunnel');
  const tunnelPass = passRatioOf(now, now.passage);
  const inside = () => lagMs(now, travel) + tunnelMs(now, travel);
  const outside = () => lagMs(now, travel) + straightMs(now, now.traced, travel);
  const control = draw(bench, sent, tunnelPass, inside);
  const data = draw(bench, sent, tunnelPass, inside);
  const echoes = draw(bench, countIn(bench, 'underlay'), passRatioOf(now, now.traced), outside);
  const lost = sent - control.length;
  const datagrams = countIn(bench, 'datagrams');
  const came = draw(bench, datagrams, passRatioOf(now, now.traced), () => 0).length;
  return {
    kind: 'tunnel',
    id: bench.nextId(),
    deviceId: device.id,
    edgeId: device.edge.id,
    at: atMs,
    state: 'up',
    controlRttMs: medianOf(control),
    dataRttMs: medianOf(data),
    queueMs: rounded(travel.random.exponential(0.4) + ownQueueMs(bench, now)),
    handshakeMs: null,
    underlayRttMs: medianOf(echoes),
    sessionCount: 4,
    streamCount: travel.random.below(12),
    upBytes: 20_000 + travel.random.below(100_000),
    downBytes: 100_000 + travel.random.below(2_000_000),
    reconnectCount: 0,
    pingLostCount: lost,
    pingSentCount: sent,
    udpLossRatio: rounded(1 - came / datagrams),
    sameFlow: device.sameFlow,
  };
};

/** What waits in the device's own tunnel; an edge's tunnel that is slow does not show here. */
const ownQueueMs = ({ state, travel }: Bench, { device }: DeviceNow): number =>
  sumOf(state.at('tunnel', device.index), travel);

const draw = (
  { travel }: Bench,
  count: number,
  passRatio: number,
  value: () => number,
): number[] => {
  const values: number[] = [];
  for (let i = 0; i < count; i++) if (travel.random.unit() < passRatio) values.push(value());
  return values;
};

export const sampleDevice = (bench: Bench, now: DeviceNow, atMs: number): DeviceSample => {
  const { travel, state } = bench;
  const { random } = travel;
  const { device, lanPassRatio } = now;
  const lags = draw(bench, countIn(bench, 'lag'), 1, () => lagMs(now, travel));
  const sent = countIn(bench, 'gateway');
  const echoes = draw(bench, sent, lanPassRatio, () => lagMs(now, travel) + lanMs(now, travel));
  const lossRatio = rounded(1 - echoes.length / sent);
  const kind = now.lag[0]?.fault.kind;
  const isBusy = kind === 'device-cpu' || state.disguise('cpu', device.index) !== undefined;
  const isFull = kind === 'device-memory' || state.disguise('memory', device.index) !== undefined;
  return {
    kind: 'device',
    id: bench.nextId(),
    deviceId: device.id,
    at: atMs,
    cpuRatio: rounded(isBusy ? random.between(0.94, 0.99) : random.between(0.05, 0.55)),
    memoryUsedRatio: rounded(isFull ? random.between(0.94, 0.98) : random.between(0.45, 0.75)),
    load1: rounded(isBusy ? random.between(4, 9) : random.between(0.1, 2)),
    eventLoopDelayMs: rounded(lags.reduce((sum, ms) => sum + ms, 0) / lags.length),
    receivedBytes: random.below(5_000_000),
    sentBytes: random.below(500_000),
    link: linkOf(bench, now),
    gateway: {
      address: device.site.gatewayAddress,
      rttMs: medianOf(echoes),
      lossRatio,
      siteId: device.site.id,
    },
    agentCpuRatio: 0.01,
    agentMemoryBytes: 80_000_000,
    spoolBytes: 0,
  };
};

const linkOf = ({ state, travel }: Bench, { device }: DeviceNow): DeviceSample['link'] => {
  if (!device.wifi) return { name: 'eth0', type: 'wired', speedMbps: 1_000 };
  const usual = -45 - (device.key % 23);
  const weaker = state.disguise('signal', device.index) ? 18 : 0;
  return {
    name: 'wlan0',
    type: 'wifi',
    speedMbps: 300 + (device.key % 5) * 100,
    signalDbm: Math.round(usual - weaker + 2 * travel.random.normal()),
  };
};
