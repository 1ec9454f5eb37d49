import { createEngine, type Engine } from '#collector/diagnose/fleet/engine.ts';
import type { Facts, ReadHop } from '#collector/diagnose/fleet/reading.ts';
import { Random } from '#test/simulator/random.ts';

export type ScaleMeasurement = {
  devices: number;
  applications: number;
  bins: number;
  readings: number;
  /** Processor time of taking in one reading, and of closing one bin: mean and the worst. */
  readingMicros: number;
  closeMs: number;
  closeMostMs: number;
  /** Of the whole process at the end, and what of it the engine's arrays hold. */
  residentBytes: number;
  snapshotBytes: number;
  saveMs: number;
  verdicts: number;
};

const binMs = 300_000;
const startMs = Date.UTC(2026, 2, 2);
const edges = 5;

/**
 * What a fleet of a size costs: every device with 10 applications' runs, 5 samples of its tunnel and
 * of itself and a trace of nine hops in each bin of five minutes. One site in fifty is slow in the
 * last bins, and one link: most of a fleet is well, and what is not has to be named in time.
 */
export const measureScale = (
  devices: number,
  applications: number,
  bins = 12,
): ScaleMeasurement => {
  const random = new Random(1, 'scale');
  const engine = createEngine({ binMs, facts: factsFor(devices) });
  const spent = { readings: 0, intakeMs: 0, closeMs: 0, closeMostMs: 0, verdicts: 0 };
  for (let bin = 0; bin < bins; bin += 1) {
    const fromMs = startMs + bin * binMs;
    spent.intakeMs += processorMs(() => {
      for (let device = 0; device < devices; device += 1) {
        spent.readings += feedDevice(engine, random, {
          device,
          applications,
          fromMs,
          isLate: bin >= bins - 2,
        });
      }
      for (let edge = 0; edge < edges; edge += 1)
        feedEdge(engine, random, edge, applications, fromMs);
    });
    const closeMs = processorMs(() => {
      spent.verdicts = engine.advanceTo(fromMs + binMs).at(-1)?.verdicts.length ?? 0;
    });
    spent.closeMs += closeMs;
    spent.closeMostMs = Math.max(spent.closeMostMs, closeMs);
  }
  const residentBytes = process.memoryUsage.rss();
  let snapshotBytes = 0;
  const saveMs = processorMs(() => {
    snapshotBytes = engine.save().length;
  });
  return {
    devices,
    applications,
    bins,
    readings: spent.readings,
    readingMicros: (1_000 * spent.intakeMs) / spent.readings,
    closeMs: spent.closeMs / bins,
    closeMostMs: spent.closeMostMs,
    residentBytes,
    snapshotBytes,
    saveMs,
    verdicts: spent.verdicts,
  };
};

/** Of this process, all threads: the garbage collector's, too. */
const processorMs = (work: () => void): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
};

const idOf = (device: number): string =>
  `00000000-0000-4000-8000-${device.toString(16).padStart(12, '0')}`;

const factsFor = (devices: number): Facts => ({
  devices: Object.fromEntries(
    Array.from({ length: devices }, (_, device) => [
      idOf(device),
      { asn: 64_500 + (device % 6), region: `region-${device % 18}`, programVersion: '1.4.0' },
    ]),
  ),
  edges: {},
  applications: {},
});

type Feed = { device: number; applications: number; fromMs: number; isLate: boolean };

const feedDevice = (engine: Engine, random: Random, feed: Feed): number => {
  const { device, applications, fromMs, isLate } = feed;
  const deviceId = idOf(device);
  const edge = device % edges;
  const edgeId = `edge-${edge}`;
  const site = Math.floor(device / 20);
  const lineMs = isLate && site % 50 === 7 ? 80 : 0;
  const linkMs = isLate && device % 90 === 4 ? 60 : 0;
  const nearMs = (): number => 20 + (device % 13) + lineMs + linkMs + 2 * random.unit();
  const farMs = (): number => 8 + 2 * random.unit();
  const run = { deviceId, via: 'tunnel', edgeId, ok: true, failureType: null } as const;
  const marks = { distorted: false, requested: false, lagMs: 1 } as const;
  for (let i = 0; i < applications; i += 1) {
    const app = (device + i * 7) % 50;
    const edgeTakes = { queueMs: 0.3, dnsMs: 1 + random.unit(), connectMs: farMs() };
    const proxyConnectMs = nearMs() + edgeTakes.queueMs + edgeTakes.dnsMs + edgeTakes.connectMs;
    const tlsMs = nearMs() + farMs() + 4;
    const waitMs = nearMs() + farMs() + 60 + 30 * random.unit();
    engine.observe({
      kind: 'http',
      timeMs: fromMs + i * 1_000,
      ...run,
      ...marks,
      appId: `app-${app}`,
      probeId: `app-${app}-http`,
      totalMs: proxyConnectMs + tlsMs + waitMs + 12,
      dnsMs: null,
      dnsSource: null,
      connectMs: 0.2,
      proxyConnectMs,
      tlsMs,
      waitMs,
      receiveMs: 12,
      bodyBytes: 20_000,
      edge: { ...edgeTakes, address: `192.0.2.${app}` },
      remoteAddress: null,
    });
  }
  for (let i = 0; i < 5; i += 1) {
    const timeMs = fromMs + i * 60_000;
    engine.observe({
      kind: 'tunnel',
      timeMs,
      deviceId,
      edgeId,
      up: true,
      controlRttMs: nearMs(),
      queueMs: random.unit() / 2,
      underlayRttMs: nearMs(),
      pingSentCount: 4,
      pingLostCount: 0,
      udpLossRatio: 0,
      reconnectCount: 0,
      sameFlow: true,
    });
    engine.observe({
      kind: 'device',
      timeMs,
      deviceId,
      lagMs: 1 + random.unit(),
      cpuRatio: 0.2,
      memoryUsedRatio: 0.5,
      linkType: 'wifi',
      signalDbm: -60,
      gatewayAddress: '192.168.1.1',
      siteId: `site-${site}`,
      gatewayRttMs: 2 + random.unit(),
      gatewayLossRatio: 0,
    });
  }
  engine.observe({
    kind: 'path',
    timeMs: fromMs + 30_000,
    ...run,
    ...marks,
    via: 'direct',
    appId: 'whyslow-edge',
    probeId: `edge-path-${edgeId}`,
    toEdgeId: edgeId,
    hops: hopsTo(random, { device, edge, site, lineMs, linkMs }),
    rttMedianMs: nearMs(),
    rttMinMs: 20,
    lossRatio: 0,
    sentCount: 3,
    reached: true,
    mtuBytes: null,
    mtuBlackHole: false,
  });
  return applications + 11;
};

type Way = { device: number; edge: number; site: number; lineMs: number; linkMs: number };

/** Gateway, access line, two hops of the region, two of the core, border, transit and the edge. */
const hopsTo = (random: Random, { device, edge, site, lineMs, linkMs }: Way): ReadHop[] => {
  const isp = device % 6;
  const region = device % 18;
  const addresses = [
    '192.168.1.1',
    `10.${isp}.${region}.1`,
    `10.${isp}.${region}.2`,
    `10.${isp}.100.${device % 2}`,
    `10.${isp}.101.${device % 2}`,
    `10.${isp}.200.${edge}`,
    `198.51.100.${edge}`,
    `198.51.100.${100 + edge}`,
    `203.0.113.${edge}`,
  ];
  return addresses.map((address, i) => ({
    ttl: i + 1,
    address: i === 0 ? `${address}:${site}` : address,
    asn: i === 0 ? null : i < 6 ? 64_500 + isp : 64_600 + edge,
    sentCount: 3,
    receivedCount: 3,
    rttMedianMs: 2 + 2.2 * i + (i > 0 ? lineMs : 0) + (i > 4 ? linkMs : 0) + random.unit(),
    rttMinMs: 2 + 2.2 * i,
  }));
};

const feedEdge = (
  engine: Engine,
  random: Random,
  edge: number,
  applications: number,
  fromMs: number,
): void => {
  const edgeId = `edge-${edge}`;
  const lagMs = 1 + random.unit();
  engine.observe({
    kind: 'edge',
    timeMs: fromMs,
    edgeId,
    lagMs,
    cpuRatio: 0.3,
    sessionCount: 1_000,
    queueMs: 0.3,
    dnsMs: 1,
    connectMs: 9,
  });
  for (let app = 0; app < Math.max(50, applications); app += 1) {
    engine.observe({
      kind: 'onward',
      timeMs: fromMs + app,
      edgeId,
      appId: `app-${app}`,
      dnsMs: 1,
      connectMs: 8 + 2 * random.unit(),
      connectLossRatio: 0,
      hops: [],
      address: `192.0.2.${app}`,
      rttMedianMs: null,
      lossRatio: null,
      sentCount: 0,
    });
  }
};
