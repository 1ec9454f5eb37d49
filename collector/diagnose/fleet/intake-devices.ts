import { at, slotOf } from './columns.ts';
import type { FleetState } from './fleet-state.ts';
import { kindOf } from './kinds.ts';
import type { Inlet } from './late-log.ts';
import { mint } from './mint.ts';
import type { OpenBin } from './open-bin.ts';
import type { DeviceReading, EdgeReading, TunnelReading } from './reading.ts';

export const deviceOf = (state: FleetState, bin: Inlet, deviceId: string): number => {
  const device = state.deviceNames.numberOf(deviceId);
  if (bin.isLate) return device;
  const page = bin.devices.page(bin.deviceRow(device));
  page.seen[slotOf(device)] = 1;
  return device;
};

/** Not measured, as a number. */
export const orNothing = (ms: number | null): number => (ms === null ? Number.NaN : ms);

export const takeTunnel = (state: FleetState, bin: Inlet, sample: TunnelReading): void => {
  const device = deviceOf(state, bin, sample.deviceId);
  const edge = sample.edgeId === null ? 0 : mint(state, state.edgeNames, device, sample.edgeId);
  const beside = sample.requested ?? false;
  if (edge > 0) {
    const own = { state, bin, device, edge, beside };
    if (sample.up) {
      take(own, kindOf.tunnel, sample.controlRttMs);
      take(own, kindOf.queue, sample.queueMs);
    }
    take(own, kindOf.underlay, sample.underlayRttMs);
  }
  if (bin.isLate) return;
  const page = bin.devices.page(device);
  const slot = slotOf(device);
  page.reconnects[slot] = Math.min(65_535, at(page.reconnects, slot) + sample.reconnectCount);
  if (edge > 0) noteTunnel(page, slot, edge, sample);
  const rows = lossRowsOf(state, device);
  bin.loss(at(rows.page.tunnelLoss, rows.slot), sample.pingSentCount, sample.pingLostCount);
  takeLossRatio(bin, at(rows.page.underlayLoss, rows.slot), sample.udpLossRatio, datagrams);
};

type Timed = { state: FleetState; bin: Inlet; device: number; edge: number; beside: boolean };

const take = ({ state, bin, device, edge, beside }: Timed, kind: number, ms: number | null) => {
  if (ms !== null) bin.sample(state.keys.rowOf(kind, device, edge), ms, beside);
};

/** Of a measurement without loss: datagrams of a sample, pings of the gateway. */
const datagrams = 12;
const gatewayPings = 3;

/** Only the share is told; of how many packets, others of the same sort say. */
export const takeLossRatio = (
  bin: Inlet,
  row: number,
  ratio: number | null,
  usualSent: number,
): void => {
  if (ratio !== null) bin.loss(row, usualSent, Math.round(ratio * usualSent), ratio);
};

type DevicePage = ReturnType<OpenBin['devices']['page']>;

const noteTunnel = (page: DevicePage, slot: number, edge: number, sample: TunnelReading): void => {
  const sameFlow = sample.sameFlow === null ? 0 : sample.sameFlow ? 2 : 1;
  const time = at(page.tunnelTime, slot);
  if (sample.timeMs < time) return;
  const isTie = sample.timeMs === time;
  page.tunnelTime[slot] = sample.timeMs;
  page.edge[slot] = isTie ? Math.max(edge, at(page.edge, slot)) : edge;
  page.sameFlow[slot] = isTie ? Math.max(sameFlow, at(page.sameFlow, slot)) : sameFlow;
};

export const noteEdge = (bin: OpenBin, device: number, edge: number, timeMs: number): void => {
  const page = bin.devices.page(device);
  const slot = slotOf(device);
  if (edge === 0 || timeMs < at(page.runTime, slot)) return;
  page.runEdge[slot] =
    timeMs === at(page.runTime, slot) ? Math.max(edge, at(page.runEdge, slot)) : edge;
  page.runTime[slot] = timeMs;
};

/** A device's own row, with rows to count its losses in. */
const lossRowsOf = (state: FleetState, device: number) => {
  while (state.devices.count <= device) state.devices.add();
  const page = state.devices.page(device);
  const slot = slotOf(device);
  if (at(page.tunnelLoss, slot) === 0) {
    page.gatewayLoss[slot] = state.losses.rows.add();
    page.underlayLoss[slot] = state.losses.rows.add();
    page.tunnelLoss[slot] = state.losses.rows.add();
  }
  return { page, slot };
};

export const linkTypes = ['wired', 'wifi', 'loopback', 'other'] as const;

export const takeDevice = (state: FleetState, bin: Inlet, sample: DeviceReading): void => {
  const device = deviceOf(state, bin, sample.deviceId);
  const beside = sample.requested ?? false;
  bin.sample(state.keys.rowOf(kindOf.lag, device, 0), sample.lagMs, beside);
  if (sample.gatewayRttMs !== null) {
    bin.sample(state.keys.rowOf(kindOf.gateway, device, 0), sample.gatewayRttMs, beside);
  }
  if (bin.isLate) return;
  const rows = lossRowsOf(state, device);
  takeLossRatio(bin, at(rows.page.gatewayLoss, rows.slot), sample.gatewayLossRatio, gatewayPings);
  noteDevice(state, bin, device, sample);
};

/** Of two of one moment the busier counts, whichever came first. */
const isNewest = (
  sample: { timeMs: number; cpuRatio: number | null },
  knownTime: number,
  knownRatio: number,
): boolean =>
  sample.timeMs > knownTime ||
  (sample.timeMs === knownTime && (sample.cpuRatio ?? 0) > (knownRatio || 0));

const noteDevice = (
  state: FleetState,
  bin: OpenBin,
  device: number,
  sample: DeviceReading,
): void => {
  const page = bin.devices.page(device);
  const slot = slotOf(device);
  if (!isNewest(sample, at(page.deviceTime, slot), at(page.cpuRatio, slot))) return;
  page.deviceTime[slot] = sample.timeMs;
  page.cpuRatio[slot] = orNothing(sample.cpuRatio);
  page.memoryRatio[slot] = orNothing(sample.memoryUsedRatio);
  page.signalDbm[slot] = orNothing(sample.signalDbm);
  page.linkType[slot] = sample.linkType === null ? 0 : linkTypes.indexOf(sample.linkType) + 1;
  page.site[slot] = sample.siteId === null ? 0 : mint(state, state.words, device, sample.siteId);
};

export const takeEdge = (state: FleetState, bin: Inlet, sample: EdgeReading): void => {
  const edge = state.edgeNames.numberOf(sample.edgeId);
  bin.sample(state.keys.rowOf(kindOf.edgeLag, edge, 0), sample.lagMs, false);
  if (sample.queueMs !== null) {
    bin.sample(state.keys.rowOf(kindOf.edgeQueue, edge, 0), sample.queueMs, false);
  }
  if (bin.isLate) return;
  const page = bin.edges.page(bin.edgeRow(edge));
  const slot = slotOf(edge);
  page.seen[slot] = 1;
  if (!isNewest(sample, at(page.time, slot), at(page.cpuRatio, slot))) return;
  page.time[slot] = sample.timeMs;
  page.cpuRatio[slot] = orNothing(sample.cpuRatio);
  page.sessions[slot] = sample.sessionCount;
};
