import type { TelemetryRecord } from '#contract/telemetry.ts';
import type { Bench } from './bench.ts';
import { scheduleDecoys } from './decoys.ts';
import { openDevice } from './device-now.ts';
import { sampleDevice, sampleTunnel } from './device-samples.ts';
import { type EdgeUse, sampleEdge, sampleOnward } from './edge-samples.ts';
import { headerOf, type WorldHeader } from './header.ts';
import type { PlacedDecoy, PlacedFault } from './hit.ts';
import { runHttp } from './http-run.ts';
import { createTruths } from './judge-truth.ts';
import { type WorldOptions, withDefaults } from './options.ts';
import { runPage } from './page-run.ts';
import { createPopulation, type Device, type Population } from './population.ts';
import { binsOfDelay, isThere } from './presence.ts';
import { Random } from './random.ts';
import { dayMs, scheduleFaults } from './schedule.ts';
import { createTopology, type Topology } from './topology.ts';
import { traceStraight, traceToEdge } from './trace.ts';
import { createTravel } from './travel.ts';
import type { TrueRoute, Truth } from './truth.ts';
import { createWeather } from './weather.ts';

/** A page of each application is loaded in every third bin. */
const pageEvery = 3;

export type WorldBin = {
  fromMs: number;
  toMs: number;
  /** In the order of the time they were made; labels of devices with a wrong clock say another. */
  records: TelemetryRecord[];
  truth: Truth;
};

export type World = {
  options: WorldOptions;
  header: WorldHeader;
  faults: PlacedFault[];
  decoys: PlacedDecoy[];
  /** The same every time it is asked for. */
  bins(): Iterable<WorldBin>;
  truthAt(fromMs: number): Truth;
  routeOf(deviceId: string, appId: string, fromMs: number): TrueRoute;
  /** First bin in which there may be faults. */
  scoredFromMs: number;
  topology: Topology;
  population: Population;
};

/** A fleet of the description in design §16, a function of its options alone. */
export const createWorld = (given: Partial<WorldOptions> & { seed: number }): World => {
  const options = withDefaults(given);
  const topology = createTopology(options);
  const population = createPopulation(options, topology);
  layWays(topology, population);
  const faults = scheduleFaults(options, topology, population);
  const decoys = scheduleDecoys({ options, topology, population, faults });
  const truths = createTruths(options, topology, population, faults, decoys);
  return {
    options,
    header: headerOf(options, topology, population),
    faults,
    decoys,
    bins: () => runBins({ options, topology, population, truths }),
    truthAt: truths.at,
    routeOf: truths.routeOf,
    scoredFromMs: options.startMs + options.warmDays * dayMs,
    topology,
    population,
  };
};

/** Before anything is drawn for them: who asks first must not decide what links are like. */
const layWays = (topology: Topology, { devices }: Population): void => {
  for (const { site, leg, uses } of devices) {
    for (const { destination } of [leg, ...uses.flatMap(({ straight }) => straight ?? [])]) {
      for (const via of topology.choices(site.ispIndex, destination)) {
        for (const core of [0, 1]) {
          topology.firstLeg(site.line, site.ispIndex, core, destination, via);
        }
      }
    }
  }
};

type Parts = {
  options: WorldOptions;
  topology: Topology;
  population: Population;
  truths: ReturnType<typeof createTruths>;
};

function* runBins(parts: Parts): Generator<WorldBin> {
  const { options, topology, population, truths } = parts;
  const random = (stage: string) => new Random(options.seed, stage);
  const weather = createWeather(options, topology.network, random('weather'));
  const travel = createTravel(options, topology, weather, random('packets'));
  const nextId = createIds(options.seed);
  const certificates = certificatesOf(topology);
  const uses = edgeUsesOf(population);
  const devices = [...population.devices].sort((a, b) => a.offsetRatio - b.offsetRatio);
  const binMs = options.binSeconds * 1_000;
  const late = new Map<number, Timed[]>();
  const endMs = options.startMs + (options.warmDays + options.scoredDays) * dayMs;
  for (let fromMs = options.startMs; fromMs < endMs; fromMs += binMs) {
    const state = truths.stateAt(fromMs);
    weather.begin(fromMs);
    travel.begin(state);
    const bench: Bench = {
      ...{ options, topology, population, state, weather, travel, certificates, nextId },
      random: travel.random,
      ...{ fromMs, binMs, binNumber: Math.round((fromMs - options.startMs) / binMs) },
    };
    const records = measure(bench, devices, uses, late);
    yield { fromMs, toMs: fromMs + binMs, records, truth: truths.at(fromMs) };
  }
}

type Timed = { atMs: number; record: TelemetryRecord };

const measure = (
  bench: Bench,
  devices: Device[],
  uses: EdgeUse[],
  late: Map<number, Timed[]>,
): TelemetryRecord[] => {
  const { options, fromMs, topology, binNumber } = bench;
  const made: Timed[] = late.get(binNumber) ?? [];
  late.delete(binNumber);
  for (const device of devices) {
    if (!isThere(options, device, fromMs)) continue;
    const delay = binsOfDelay(options, device, fromMs);
    if (delay === 0) measureDevice(bench, device, made);
    else {
      const waiting = late.get(binNumber + delay) ?? [];
      measureDevice(bench, device, waiting);
      late.set(binNumber + delay, waiting);
    }
  }
  const sampleMs = options.sampleSeconds * 1_000;
  const lateMs = sampleMs * 0.99;
  for (let slotMs = fromMs; slotMs < fromMs + bench.binMs; slotMs += sampleMs) {
    for (const edge of topology.edges) {
      const own = uses.filter((use) => use.edge === edge);
      const atMs = slotMs + lateMs;
      made.push({ atMs, record: sampleEdge(bench, edge, own, atMs) });
    }
  }
  for (const use of uses) {
    const atMs = fromMs + bench.binMs / 2;
    made.push({ atMs, record: sampleOnward(bench, use, atMs) });
  }
  return made.sort((a, b) => a.atMs - b.atMs).map(({ record }) => record);
};

const measureDevice = (bench: Bench, device: Device, made: Timed[]): void => {
  const { options, fromMs, binMs, binNumber, travel } = bench;
  const now = openDevice(device, bench.state, travel, options);
  const sampleMs = options.sampleSeconds * 1_000;
  const slots = binMs / sampleMs;
  const labelMs = device.skewed ? binMs : 0;
  for (let slot = 0; slot < slots; slot++) {
    let atMs = Math.round(fromMs + (slot + device.offsetRatio * 0.8) * sampleMs);
    const keep = (make: (labelled: number) => TelemetryRecord) => {
      made.push({ atMs, record: make(atMs + labelMs) });
      atMs += Math.round(sampleMs * 0.012);
    };
    keep((at) => sampleDevice(bench, now, at));
    keep((at) => sampleTunnel(bench, now, at));
    if (slot !== device.key % slots) continue;
    keep((at) => traceToEdge(bench, now, at));
    for (const use of device.uses) {
      keep((at) => runHttp(bench, now, use, at));
      if (use.straight) keep((at) => traceStraight(bench, now, use, at));
      else if ((binNumber + use.appIndex) % pageEvery === 0) {
        keep((at) => runPage(bench, now, use, at));
      }
    }
  }
};

const createIds = (seed: number): (() => string) => {
  const first = (seed >>> 0).toString(16).padStart(8, '0');
  let count = 0;
  return () => {
    count += 1;
    return `${first}-0000-4000-8000-${count.toString(16).padStart(12, '0')}`;
  };
};

const certificatesOf = ({ applications }: Topology): Bench['certificates'] =>
  applications.map(({ host, tls }) => ({
    subject: host,
    issuer: 'Example CA',
    notAfter: Date.UTC(2027, 0, 1),
    protocol: `TLSv${tls}`,
  }));

const edgeUsesOf = ({ devices }: Population): EdgeUse[] => {
  const uses = new Map<string, EdgeUse>();
  for (const { edge, uses: own } of devices) {
    for (const { frontEnd, onward } of own) {
      if (!onward) continue;
      const key = `${edge.id}/${frontEnd.id}`;
      const known = uses.get(key) ?? { edge, frontEnd, way: onward, deviceCount: 0 };
      known.deviceCount += 1;
      uses.set(key, known);
    }
  }
  return [...uses].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, use]) => use);
};
