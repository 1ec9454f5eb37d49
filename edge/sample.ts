import { randomUUID } from 'node:crypto';
import type { EdgeSample } from '#contract/telemetry.ts';
import { flowFields } from './flow-account.ts';
import type { ForwarderCounts, ForwarderReading } from './forwarder.ts';
import { median } from './median.ts';
import { noCounts, type Reading } from './meter.ts';

/**
 * One edge's sample from its processes' readings: counts, CPU and memory are added, of delays the
 * worst is told. `supervisor` carries no flows, but its CPU and memory are the edge's too.
 */
export const toEdgeSample = (parts: {
  edgeId: string;
  at: number;
  gauges: ForwarderCounts;
  workers: readonly ForwarderReading[];
  supervisor?: Reading;
}): EdgeSample => {
  const workers = parts.workers.map(({ work }) => work);
  const all = parts.supervisor === undefined ? workers : [...workers, parts.supervisor];
  const delays = workers.map(({ eventLoopDelayMs }) => eventLoopDelayMs);
  const middle = (kind: keyof Reading['values']) =>
    median(workers.flatMap(({ values }) => values[kind]));
  const { sessionCount, streamCount, deviceCount } = parts.gauges;
  return {
    kind: 'edge',
    id: randomUUID(),
    edgeId: parts.edgeId,
    at: parts.at,
    cpuRatio: cpuOf(all).length === 0 ? null : sum(cpuOf(all)),
    memoryBytes: sum(memoryOf(all)),
    eventLoopDelayMs: Math.max(0, ...delays),
    ...{ sessionCount, streamCount, deviceCount },
    ...sumCounts(workers),
    queueMs: middle('queueMs'),
    dnsMs: middle('dnsMs'),
    connectMs: middle('connectMs'),
    ...flowFields(parts.workers.map(({ flows }) => flows)),
    workerCount: workers.length,
    workerCpuMaxRatio: cpuOf(workers).length === 0 ? null : Math.max(...cpuOf(workers)),
    workerMemoryMaxBytes: Math.max(0, ...memoryOf(workers)),
    workerLoopDelayMeanMs: sum(delays) / Math.max(1, delays.length),
    udpFlowCount: sum(workers.map(({ udpFlowCount }) => udpFlowCount)),
    clientlessSessionCount: parts.gauges.clientlessSessionCount,
  };
};

const cpuOf = (readings: readonly Reading[]): number[] =>
  readings.flatMap(({ cpuRatio }) => (cpuRatio === null ? [] : [cpuRatio]));

const memoryOf = (readings: readonly Reading[]): number[] =>
  readings.map(({ memoryBytes }) => memoryBytes);

const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);

const sumCounts = (readings: readonly Reading[]): Reading['counts'] => {
  const total = noCounts();
  for (const { counts } of readings) {
    for (const kind of Object.keys(total) as (keyof typeof total)[]) total[kind] += counts[kind];
  }
  return total;
};
