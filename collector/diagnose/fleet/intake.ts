import { at, slotOf } from './columns.ts';
import type { FleetState } from './fleet-state.ts';
import { kindOf } from './kinds.ts';
import { createOpenBin, type OpenBin } from './open-bin.ts';
import { traceKinds } from './paths.ts';
import type {
  DeviceReading,
  EdgeReading,
  HttpReading,
  OnwardReading,
  PageReading,
  PathReading,
  ReadHop,
  Reading,
  TunnelReading,
} from './reading.ts';

/** Puts a reading into the bin it falls into, as numbers. */
export const takeIn = (state: FleetState, reading: Reading): void => {
  const bin = binFor(state, reading.timeMs);
  if (bin === undefined) return;
  switch (reading.kind) {
    case 'http':
      return takeHttp(state, bin, reading);
    case 'page':
      return takePage(state, bin, reading);
    case 'path':
      return takePath(state, bin, reading);
    case 'tunnel':
      return takeTunnel(state, bin, reading);
    case 'device':
      return takeDevice(state, bin, reading);
    case 'edge':
      return takeEdge(state, bin, reading);
    case 'onward':
      return takeOnward(state, bin, reading);
  }
};

/** A clock this far ahead is taken at its word; what is further ahead belongs to the open bin. */
const aheadMs = 120_000;
/** Nothing is learned from what is older, nor from a clock further ahead. */
const oldestMs = 7 * 86_400_000;
const furthestMs = 86_400_000;

const binFor = (state: FleetState, timeMs: number): OpenBin | undefined => {
  const bin = Math.floor(timeMs / state.binMs);
  const { closedThrough } = state;
  if (closedThrough < 0) return ofList(state.open, bin);
  const behindMs = (closedThrough - bin) * state.binMs;
  if (behindMs > oldestMs || -behindMs > furthestMs) return undefined;
  if (behindMs >= 0) return ofList(state.late, bin);
  const furthest = closedThrough + 1 + Math.ceil(aheadMs / state.binMs);
  return ofList(state.open, bin > furthest ? closedThrough + 1 : bin);
};

const ofList = (list: Map<number, OpenBin>, bin: number): OpenBin => {
  const known = list.get(bin);
  if (known) return known;
  const made = createOpenBin(bin);
  list.set(bin, made);
  return made;
};

const deviceOf = (state: FleetState, bin: OpenBin, deviceId: string): number => {
  const device = state.deviceNames.numberOf(deviceId);
  const page = bin.devices.page(bin.deviceRow(device));
  page.seen[slotOf(device)] = 1;
  return device;
};

const orNothing = (ms: number | null): number => (ms === null ? Number.NaN : ms);

const takeHttp = (state: FleetState, bin: OpenBin, run: HttpReading): void => {
  const device = deviceOf(state, bin, run.deviceId);
  if (run.distorted) return;
  const app = state.appNames.numberOf(run.appId);
  const edge = run.edgeId === null ? 0 : state.edgeNames.numberOf(run.edgeId);
  const pair = pairOf(state, device, app, run.via);
  const row = bin.runRow(pair);
  const page = bin.runs.page(row);
  const slot = slotOf(row);
  page.runs[slot] = at(page.runs, slot) + 1;
  if (run.via === 'tunnel') noteEdge(bin, device, edge, run.timeMs);
  if (!run.ok) return noteFailure(state, page, slot, run);
  page.ok[slot] = at(page.ok, slot) + 1;
  if (run.totalMs === null) return;
  bin.sample(pair, run.totalMs, run.requested);
  if (isNewer(page, slot, run)) keepRun(state, page, slot, run, edge);
  if (run.via === 'tunnel') takeTunnelled(state, bin, run, { device, app, edge });
  else takeStraight(state, bin, run, { device, app });
};

export const pairOf = (
  state: FleetState,
  device: number,
  app: number,
  via: 'tunnel' | 'direct',
): number => state.keys.rowOf(kindOf.total, device, app * 2 + (via === 'tunnel' ? 0 : 1));

type RunPage = ReturnType<OpenBin['runs']['page']>;

const noteFailure = (
  state: FleetState,
  page: RunPage,
  slot: number,
  run: HttpReading | PageReading,
): void => {
  const [time, failure] =
    run.kind === 'http'
      ? [page.failureTime, page.failure]
      : [page.pageFailureTime, page.pageFailure];
  const type = run.failureType ?? '';
  const isLater =
    run.timeMs > at(time, slot) ||
    (run.timeMs === at(time, slot) && type > state.words.textOf(at(failure, slot)));
  if (!isLater) return;
  time[slot] = run.timeMs;
  failure[slot] = state.words.numberOf(type);
};

/** Of two runs that began in the same millisecond the longer counts, whichever came first. */
const isNewer = (page: RunPage, slot: number, run: HttpReading): boolean =>
  run.timeMs > at(page.time, slot) ||
  (run.timeMs === at(page.time, slot) && Math.fround(run.totalMs ?? 0) > at(page.lasted, slot));

const keepRun = (
  state: FleetState,
  page: RunPage,
  slot: number,
  run: HttpReading,
  edge: number,
): void => {
  page.time[slot] = run.timeMs;
  page.lasted[slot] = run.totalMs ?? 0;
  page.dns[slot] = orNothing(run.dnsMs);
  page.connect[slot] = orNothing(run.connectMs);
  page.proxyConnect[slot] = orNothing(run.proxyConnectMs);
  page.tls[slot] = orNothing(run.tlsMs);
  page.wait[slot] = orNothing(run.waitMs);
  page.receive[slot] = orNothing(run.receiveMs);
  page.lag[slot] = orNothing(run.lagMs);
  page.edgeQueue[slot] = orNothing(run.edge?.queueMs ?? null);
  page.edgeDns[slot] = orNothing(run.edge?.dnsMs ?? null);
  page.edgeConnect[slot] = orNothing(run.edge?.connectMs ?? null);
  page.bodyBytes[slot] = run.bodyBytes;
  page.probe[slot] = state.words.numberOf(run.probeId);
  page.dnsSource[slot] = state.words.numberOf(run.dnsSource ?? '');
  page.remoteAddress[slot] = state.addresses.numberOf(run.remoteAddress ?? '');
  page.edgeAddress[slot] = state.addresses.numberOf(run.edge?.address ?? '');
  page.edge[slot] = edge;
  page.marks[slot] = (run.edge === null ? 0 : 1) + (run.requested ? 2 : 0);
};

/** Slow-start rounds beyond the first window of ten segments (RFC 6928). */
export const extraRounds = (bodyBytes: number): number =>
  Math.max(0, Math.ceil(Math.log2(1 + bodyBytes / 14_600)) - 1);

/** CONNECT less what the edge took of it is the first leg's round trip; its own dial the second's. */
const takeTunnelled = (
  state: FleetState,
  bin: OpenBin,
  run: HttpReading,
  of: { device: number; app: number; edge: number },
): void => {
  const { edge, proxyConnectMs } = run;
  if (edge === null || proxyConnectMs === null || of.edge === 0) return;
  const onwardMs = edge.connectMs ?? 0;
  const leg1Ms = Math.max(0, proxyConnectMs - (edge.queueMs ?? 0) - (edge.dnsMs ?? 0) - onwardMs);
  bin.sample(state.keys.rowOf(kindOf.runRoundTrip, of.device, of.edge), leg1Ms, run.requested);
  const address = edge.address === null ? 0 : state.addresses.numberOf(edge.address);
  const place = state.places.rowOf(of.edge, of.app, address);
  bin.meet(place, of.device);
  const pool = (kind: number, ms: number | null): void => {
    if (ms !== null) bin.sample(state.keys.rowOf(kind, place, 0), ms, run.requested);
  };
  pool(kindOf.inEdge, edge.queueMs);
  pool(kindOf.dns, edge.dnsMs);
  if (edge.connectMs === null) return;
  pool(kindOf.runConnect, edge.connectMs);
  const roundTripMs = leg1Ms + onwardMs;
  if (run.tlsMs !== null) pool(kindOf.tls, run.tlsMs - roundTripMs);
  if (run.waitMs !== null) pool(kindOf.server, run.waitMs - roundTripMs);
  if (run.receiveMs !== null) {
    pool(kindOf.transfer, run.receiveMs - extraRounds(run.bodyBytes) * onwardMs);
  }
};

const takeStraight = (
  state: FleetState,
  bin: OpenBin,
  run: HttpReading,
  of: { device: number; app: number },
): void => {
  const { connectMs } = run;
  const address = run.remoteAddress === null ? 0 : state.addresses.numberOf(run.remoteAddress);
  const place = state.places.rowOf(0, of.app, address);
  bin.meet(place, of.device);
  const pool = (kind: number, ms: number | null): void => {
    if (ms !== null) bin.sample(state.keys.rowOf(kind, place, 0), ms, run.requested);
  };
  pool(kindOf.dns, run.dnsMs);
  if (connectMs === null) return;
  bin.sample(state.keys.rowOf(kindOf.directConnect, of.device, of.app), connectMs, run.requested);
  if (run.tlsMs !== null) pool(kindOf.tls, run.tlsMs - connectMs);
  if (run.waitMs !== null) pool(kindOf.server, run.waitMs - connectMs);
  if (run.receiveMs !== null) {
    pool(kindOf.transfer, run.receiveMs - extraRounds(run.bodyBytes) * connectMs);
  }
};

const takePage = (state: FleetState, bin: OpenBin, run: PageReading): void => {
  const device = deviceOf(state, bin, run.deviceId);
  if (run.distorted) return;
  const app = state.appNames.numberOf(run.appId);
  const row = bin.runRow(pairOf(state, device, app, run.via));
  const page = bin.runs.page(row);
  const slot = slotOf(row);
  page.pages[slot] = at(page.pages, slot) + 1;
  if (!run.ok) return noteFailure(state, page, slot, run);
  page.okPages[slot] = at(page.okPages, slot) + 1;
  const paintMs = run.lcpMs ?? run.loadMs;
  if (paintMs === null) return;
  const slowestMs = run.thirdParties.reduce((most, { longestMs }) => Math.max(most, longestMs), 0);
  const renderMs = paintMs - (run.ttfbMs ?? 0) - slowestMs;
  bin.sample(state.keys.rowOf(kindOf.render, device, app), renderMs, run.requested);
  bin.sample(state.keys.rowOf(kindOf.pageTotal, device, app), paintMs, run.requested);
  for (const { host, longestMs } of run.thirdParties) {
    const third = state.thirdParties.numberOf(`${run.appId}\t${host}`);
    bin.sample(state.keys.rowOf(kindOf.thirdParty, third, app), longestMs, run.requested);
  }
};

const takeTunnel = (state: FleetState, bin: OpenBin, sample: TunnelReading): void => {
  const device = deviceOf(state, bin, sample.deviceId);
  const page = bin.devices.page(device);
  const slot = slotOf(device);
  const edge = sample.edgeId === null ? 0 : state.edgeNames.numberOf(sample.edgeId);
  page.reconnects[slot] = Math.min(65_535, at(page.reconnects, slot) + sample.reconnectCount);
  noteTunnel(page, slot, edge, sample);
  const beside = sample.requested ?? false;
  const take = (kind: number, ms: number | null): void => {
    if (ms !== null) bin.sample(state.keys.rowOf(kind, device, edge), ms, beside);
  };
  if (edge > 0) {
    take(kindOf.tunnel, sample.up ? sample.controlRttMs : null);
    take(kindOf.queue, sample.up ? sample.queueMs : null);
    take(kindOf.underlay, sample.underlayRttMs);
  }
  const rows = lossRowsOf(state, device);
  bin.loss(at(rows.page.tunnelLoss, rows.slot), sample.pingSentCount, sample.pingLostCount);
  takeLossRatio(bin, at(rows.page.underlayLoss, rows.slot), sample.udpLossRatio, datagrams);
};
/** Datagrams of one underlay measurement, pings of one of the gateway: only shares are told. */
const datagrams = 10;
const gatewayPings = 5;

const takeLossRatio = (bin: OpenBin, row: number, ratio: number | null, sent: number): void => {
  if (ratio !== null) bin.loss(row, sent, Math.round(ratio * sent));
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

const noteEdge = (bin: OpenBin, device: number, edge: number, timeMs: number): void => {
  const page = bin.devices.page(device);
  const slot = slotOf(device);
  if (edge === 0 || timeMs < at(page.runTime, slot)) return;
  page.runEdge[slot] =
    timeMs === at(page.runTime, slot) ? Math.max(edge, at(page.runEdge, slot)) : edge;
  page.runTime[slot] = timeMs;
};

/** A device's own row, with rows to count its losses in. */
export const lossRowsOf = (state: FleetState, device: number) => {
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

const takeDevice = (state: FleetState, bin: OpenBin, sample: DeviceReading): void => {
  const device = deviceOf(state, bin, sample.deviceId);
  const beside = sample.requested ?? false;
  bin.sample(state.keys.rowOf(kindOf.lag, device, 0), sample.lagMs, beside);
  if (sample.gatewayRttMs !== null) {
    bin.sample(state.keys.rowOf(kindOf.gateway, device, 0), sample.gatewayRttMs, beside);
  }
  const rows = lossRowsOf(state, device);
  takeLossRatio(bin, at(rows.page.gatewayLoss, rows.slot), sample.gatewayLossRatio, gatewayPings);
  noteDevice(state, bin.devices.page(device), slotOf(device), sample);
};

const noteDevice = (
  state: FleetState,
  page: DevicePage,
  slot: number,
  sample: DeviceReading,
): void => {
  if (sample.timeMs <= at(page.deviceTime, slot)) return;
  page.deviceTime[slot] = sample.timeMs;
  page.cpuRatio[slot] = orNothing(sample.cpuRatio);
  page.memoryRatio[slot] = orNothing(sample.memoryUsedRatio);
  page.signalDbm[slot] = orNothing(sample.signalDbm);
  page.linkType[slot] = sample.linkType === null ? 0 : linkTypes.indexOf(sample.linkType) + 1;
  page.site[slot] = sample.siteId === null ? 0 : state.words.numberOf(sample.siteId);
};

const takeEdge = (state: FleetState, bin: OpenBin, sample: EdgeReading): void => {
  const edge = state.edgeNames.numberOf(sample.edgeId);
  const page = bin.edges.page(bin.edgeRow(edge));
  const slot = slotOf(edge);
  page.seen[slot] = 1;
  bin.sample(state.keys.rowOf(kindOf.edgeLag, edge, 0), sample.lagMs, false);
  if (sample.queueMs !== null) {
    bin.sample(state.keys.rowOf(kindOf.edgeQueue, edge, 0), sample.queueMs, false);
  }
  if (sample.timeMs <= at(page.time, slot)) return;
  page.time[slot] = sample.timeMs;
  page.cpuRatio[slot] = orNothing(sample.cpuRatio);
  page.sessions[slot] = sample.sessionCount;
};

const takePath = (state: FleetState, bin: OpenBin, run: PathReading): void => {
  const device = deviceOf(state, bin, run.deviceId);
  if (run.distorted) return;
  const isLeg1 = run.toEdgeId !== null;
  const target =
    run.toEdgeId === null
      ? state.appNames.numberOf(run.appId)
      : state.edgeNames.numberOf(run.toEdgeId);
  addTrace(state, bin, run.hops, {
    kind: isLeg1 ? traceKinds.leg1 : traceKinds.direct,
    owner: device,
    target,
    timeMs: run.timeMs,
    rttMs: run.rttMedianMs,
    sent: run.sentCount,
    lossRatio: run.lossRatio,
    mtuBytes: run.mtuBytes,
    blackHole: run.mtuBlackHole,
    beside: run.requested,
  });
};

const takeOnward = (state: FleetState, bin: OpenBin, sample: OnwardReading): void => {
  const edge = state.edgeNames.numberOf(sample.edgeId);
  const app = state.appNames.numberOf(sample.appId);
  const address = sample.address === null ? 0 : state.addresses.numberOf(sample.address);
  const place = state.places.rowOf(edge, app, address);
  const beside = sample.requested ?? false;
  bin.meet(place, 0);
  if (sample.connectMs !== null) {
    bin.sample(state.keys.rowOf(kindOf.ownConnect, place, 0), sample.connectMs, beside);
  }
  if (sample.dnsMs !== null) {
    bin.sample(state.keys.rowOf(kindOf.ownDns, place, 0), sample.dnsMs, beside);
  }
  takeLossRatio(bin, placeLoss(state, place), sample.connectLossRatio, onwardConnects);
  if (sample.hops.length === 0 && sample.rttMedianMs === null) return;
  addTrace(state, bin, sample.hops, {
    kind: traceKinds.onward,
    owner: place,
    target: 0,
    timeMs: sample.timeMs,
    rttMs: sample.rttMedianMs,
    sent: sample.sentCount,
    lossRatio: sample.lossRatio,
    mtuBytes: sample.mtuBytes ?? null,
    blackHole: sample.mtuBlackHole ?? false,
    beside,
  });
};
const onwardConnects = 10;

const placeLoss = (state: FleetState, place: number): number => {
  const page = state.places.rows.page(place);
  const slot = slotOf(place);
  if (at(page.loss, slot) === 0) page.loss[slot] = state.losses.rows.add();
  return at(page.loss, slot);
};

type Traced = {
  kind: number;
  owner: number;
  target: number;
  timeMs: number;
  rttMs: number | null;
  sent: number;
  lossRatio: number | null;
  mtuBytes: number | null;
  blackHole: boolean;
  beside: boolean;
};

/** Ways are told apart when the bin is closed: which one a trace took may depend on others. */
const addTrace = (
  state: FleetState,
  bin: OpenBin,
  hops: readonly ReadHop[],
  traced: Traced,
): void => {
  const firstHop = bin.hops.count;
  for (const hop of hops) addHop(state, bin, hop);
  const row = bin.traces.add();
  const page = bin.traces.page(row);
  const slot = slotOf(row);
  page.kind[slot] = traced.kind;
  page.owner[slot] = traced.owner;
  page.target[slot] = traced.target;
  page.time[slot] = traced.timeMs;
  page.rttMs[slot] = orNothing(traced.rttMs);
  page.sent[slot] = traced.lossRatio === null ? 0 : traced.sent;
  page.lost[slot] = Math.round((traced.lossRatio ?? 0) * traced.sent);
  page.mtuBytes[slot] = traced.mtuBytes ?? 0;
  page.marks[slot] = (traced.blackHole ? 1 : 0) + (traced.beside ? 2 : 0);
  page.firstHop[slot] = firstHop;
  page.hops[slot] = hops.length;
};

const addHop = (state: FleetState, bin: OpenBin, hop: ReadHop): void => {
  const row = bin.hops.add();
  const page = bin.hops.page(row);
  const slot = slotOf(row);
  page.ttl[slot] = hop.ttl;
  page.address[slot] = hop.address === null ? 0 : state.addresses.numberOf(hop.address);
  page.asn[slot] = hop.asn ?? 0;
  page.sent[slot] = Math.min(255, hop.sentCount);
  page.received[slot] = Math.min(255, hop.receivedCount);
  page.rttMs[slot] = orNothing(hop.rttMedianMs);
  page.rttMinMs[slot] = orNothing(hop.rttMinMs);
};
