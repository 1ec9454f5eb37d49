import { createEngine, type Engine } from '#collector/diagnose/fleet/engine.ts';
import type { Facts, ReadHop } from '#collector/diagnose/fleet/reading.ts';
import { unpack } from '#collector/diagnose/fleet/snapshot.ts';
import { Random } from '#test/simulator/random.ts';

/** `shards`: so many processes with the edges, and their devices, shared out among them. */
export type ScaleSize = { devices: number; binMs: number; shard: number; shards: number };

/** Of one process; it makes the readings too, one at a time, and keeps none. */
export type ScaleMeasurement = ScaleSize & {
  applications: number;
  bins: number;
  readings: number;
  /** Processor time of taking in one reading, and of closing one bin: mean and the worst. */
  readingMicros: number;
  closeMs: number;
  closeMostMs: number;
  /** Most that the whole process ever had in memory. */
  residentBytes: number;
  /** Of what goes into a checkpoint in the middle of a bin, by table. */
  tableBytes: Record<string, number>;
  saveMs: number;
  verdicts: number;
};

const startMs = Date.UTC(2026, 2, 2);
const edges = 4;
const applications = 10;
const sampleEveryMs = 60_000;
const traceEveryMs = 300_000;
/** Bins that faults last: the first is the dearest. */
const faultBins = 2;

/**
 * What a fleet of a size costs: every device with 10 applications' runs in each bin, a sample of its
 * tunnel and of itself a minute and a trace of nine hops in five. One site in fifty is slow in the
 * last bins, and one link: most of a fleet is well, and what is not has to be named in time.
 */
export const measureScale = (size: ScaleSize): ScaleMeasurement => {
  const { devices, binMs, shard, shards } = size;
  const random = new Random(1 + shard, 'scale');
  const engine = createEngine({ binMs, facts: factsFor(size) });
  // Eight traces of each device before hops have a normal, and two bins of faults.
  const bins = (10 * traceEveryMs) / binMs + faultBins;
  const spent = { readings: 0, intakeMs: 0, closeMs: 0, closeMostMs: 0, verdicts: 0 };
  const feedBin = (bin: number): void => {
    const isLate = bin >= bins - faultBins;
    const fromMs = startMs + bin * binMs;
    for (let device = 0; device < devices; device += 1) {
      if (shardOf(device, shards) !== shard) continue;
      spent.readings += feedDevice(engine, random, { device, bin, binMs, fromMs, isLate });
    }
    for (let edge = shard; edge < edges; edge += shards) feedEdge(engine, random, edge, fromMs);
  };
  for (let bin = 0; bin < bins; bin += 1) {
    spent.intakeMs += processorMs(() => feedBin(bin));
    const closeMs = processorMs(() => {
      const toMs = startMs + (bin + 1) * binMs;
      spent.verdicts = engine.advanceTo(toMs).at(-1)?.verdicts.length ?? 0;
    });
    spent.closeMs += closeMs;
    spent.closeMostMs = Math.max(spent.closeMostMs, closeMs);
  }
  const { readings } = spent;
  // In kilobytes, whatever the system counts in.
  const residentBytes = process.resourceUsage().maxRSS * 1_024;
  feedBin(bins);
  let saved: Uint8Array = new Uint8Array();
  const saveMs = processorMs(() => {
    saved = engine.save();
  });
  return {
    ...size,
    applications,
    bins,
    readings,
    readingMicros: (1_000 * spent.intakeMs) / readings,
    closeMs: spent.closeMs / bins,
    closeMostMs: spent.closeMostMs,
    residentBytes,
    tableBytes: bytesByTable(saved),
    saveMs,
    verdicts: spent.verdicts,
  };
};

/** A device is measured where its edge is. */
const edgeOf = (device: number): number => device % edges;
const shardOf = (device: number, shards: number): number => edgeOf(device) % shards;

/** Tables of the open bin without its number. */
const bytesByTable = (saved: Uint8Array): Record<string, number> =>
  Object.fromEntries(
    Object.entries(unpack(saved)?.columns ?? {}).map(([table, columns]) => [
      table.replace(/^open \d+ /, 'open bin: '),
      Object.values(columns).reduce((sum, { byteLength }) => sum + byteLength, 0),
    ]),
  );

/** Of this process, all threads: the garbage collector's, too. */
const processorMs = (work: () => void): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
};

const idOf = (device: number): string =>
  `00000000-0000-4000-8000-${device.toString(16).padStart(12, '0')}`;

const factsFor = ({ devices, shard, shards }: ScaleSize): Facts => ({
  devices: Object.fromEntries(
    Array.from({ length: devices }, (_, device) => device)
      .filter((device) => shardOf(device, shards) === shard)
      .map((device) => [
        idOf(device),
        { asn: 64_500 + (device % 6), region: `region-${device % 18}`, programVersion: '1.4.0' },
      ]),
  ),
  edges: {},
  applications: {},
});

type Feed = { device: number; bin: number; binMs: number; fromMs: number; isLate: boolean };

const feedDevice = (engine: Engine, random: Random, feed: Feed): number => {
  const { device, bin, binMs, fromMs, isLate } = feed;
  const deviceId = idOf(device);
  const edge = edgeOf(device);
  const edgeId = `edge-${edge}`;
  const site = Math.floor(device / 20);
  const lineMs = isLate && site % 50 === 7 ? 80 : 0;
  const linkMs = isLate && device % 90 === 4 ? 60 : 0;
  const nearMs = (): number => 20 + (device % 13) + lineMs + linkMs + 2 * random.unit();
  const farMs = (): number => 8 + 2 * random.unit();
  const run = { deviceId, via: 'tunnel', edgeId, ok: true, failureType: null } as const;
  const marks = { distorted: false, requested: false, lagMs: 1 } as const;
  for (let i = 0; i < applications; i += 1) {
    const app = (device + i * 7) % allApplications;
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
  const samples = binMs / sampleEveryMs;
  for (let i = 0; i < samples; i += 1) {
    const timeMs = fromMs + i * sampleEveryMs;
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
  const binsATrace = traceEveryMs / binMs;
  if (bin % binsATrace !== device % binsATrace) return applications + 2 * samples;
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
  return applications + 2 * samples + 1;
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

/** Those that devices of the fleet have, ten each. */
const allApplications = 50;

const feedEdge = (engine: Engine, random: Random, edge: number, fromMs: number): void => {
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
  for (let app = 0; app < allApplications; app += 1) {
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
