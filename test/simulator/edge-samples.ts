import type { EdgeSample, OnwardSample } from '#contract/telemetry.ts';
import type { Bench } from './bench.ts';
import { medianOf, rounded, sumOf } from './device-now.ts';
import { drawServerMs, edgeDnsMs, edgeQueueMs } from './http-run.ts';
import type { Place, Way } from './network.ts';
import type { FrontEnd } from './topology.ts';
import { traceBody } from './trace.ts';
import { lastHop, type Passage } from './travel.ts';

/** Flows of which a sample's medians are drawn, at most. */
const mostFlows = 9;
const connects = 10;

/** One application as devices use it over one edge. */
export type EdgeUse = { edge: Place; frontEnd: FrontEnd; way: Way; deviceCount: number };

export const sampleEdge = (
  bench: Bench,
  edge: Place,
  uses: readonly EdgeUse[],
  atMs: number,
): EdgeSample => {
  const { travel, state, weather } = bench;
  const { random } = travel;
  const deviceCount = uses.reduce((sum, use) => sum + use.deviceCount, 0);
  const isBusy = state.disguise('edge-cpu', edge.id) !== undefined;
  const works = state.at('edge-queue', edge.id) ?? state.at('edge-tunnel', edge.id);
  const applications = bench.topology.applications
    .map((_, appIndex) => uses.filter(({ frontEnd }) => frontEnd.appIndex === appIndex))
    .filter((own) => own.length > 0)
    .map((own) => sampleApplication(bench, edge, own));
  const cpu =
    0.15 +
    0.25 * weather.office() +
    random.between(0, 0.1) +
    (isBusy ? 0.4 : 0) +
    (works ? 0.5 : 0);
  return {
    kind: 'edge',
    id: bench.nextId(),
    edgeId: edge.id,
    at: atMs,
    cpuRatio: rounded(Math.min(1, cpu)),
    memoryBytes: 400_000_000,
    eventLoopDelayMs: rounded(random.exponential(1) + 0.1 * sumOf(works, travel)),
    sessionCount: deviceCount * 4,
    streamCount: deviceCount,
    deviceCount,
    upBytes: deviceCount * 10_000,
    downBytes: deviceCount * 200_000,
    flowCount: deviceCount,
    refusedCount: 0,
    dialFailedCount: 0,
    queueMs: median(mostFlows, () => edgeQueueMs(bench, edge.id)),
    dnsMs: middleOf(applications.map(({ dnsMs }) => dnsMs)),
    connectMs: middleOf(applications.map(({ connectMs }) => connectMs)),
    applications,
  };
};

/** All front ends of one application together: an edge reports by application. */
const sampleApplication = (bench: Bench, edge: Place, uses: readonly EdgeUse[]) => {
  const appIndex = uses[0]?.frontEnd.appIndex ?? 0;
  const application = bench.topology.applications[appIndex];
  if (!application) throw new Error('no such application');
  const flowCount = uses.reduce((sum, use) => sum + use.deviceCount, 0);
  const count = Math.min(mostFlows, flowCount);
  const passages = uses.map(({ way }) => bench.travel.onward(way));
  const trip = (i: number) => {
    const passage = passages[i % passages.length] as Passage;
    return bench.travel.roundTripMs(passage, lastHop(passage));
  };
  const server = (i: number) => {
    const frontEndId = uses[i % uses.length]?.frontEnd.id ?? '';
    return drawServerMs(bench, application, appIndex, frontEndId);
  };
  return {
    appId: application.id,
    flowCount,
    dnsMs: median(count, () => edgeDnsMs(bench, edge.id, appIndex)),
    connectMs: median(count, trip),
    firstByteMs: median(count, (i) => trip(i) + server(i)),
  };
};

/** What an edge measures by itself of one front end that its devices use. */
export const sampleOnward = (bench: Bench, use: EdgeUse, atMs: number): OnwardSample => {
  const { travel, topology } = bench;
  const { edge, frontEnd, way } = use;
  const passage = travel.onward(way);
  const times = Array.from({ length: connects }, () => connectOnce(bench, passage));
  const came = times.filter((ms) => ms !== null);
  const application = topology.applications[frontEnd.appIndex];
  return {
    kind: 'onward',
    id: bench.nextId(),
    edgeId: edge.id,
    appId: application?.id ?? '',
    at: atMs,
    dnsMs: rounded(edgeDnsMs(bench, edge.id, frontEnd.appIndex)),
    connectMs: medianOf(came),
    connectLossRatio: rounded(1 - came.length / connects),
    path: traceBody(bench, passage, () => 0.05, [], application?.host ?? '', 'tcp'),
    pathMissing: '',
  };
};

const connectOnce = ({ travel }: Bench, passage: Passage): number | null => {
  const last = lastHop(passage);
  return travel.comesBack(passage, last) ? travel.roundTripMs(passage, last) : null;
};

const median = (count: number, value: (i: number) => number): number | null =>
  medianOf(Array.from({ length: count }, (_, i) => value(i)));

const middleOf = (values: (number | null)[]): number | null =>
  medianOf(values.filter((value) => value !== null));
