import { at, slotOf } from './columns.ts';
import type { FleetState } from './fleet-state.ts';
import { deviceOf, noteEdge, orNothing } from './intake-devices.ts';
import { kindOf } from './kinds.ts';
import type { Inlet } from './late-log.ts';
import { mint } from './mint.ts';
import type { OpenBin } from './open-bin.ts';
import type { HttpReading, PageReading } from './reading.ts';

export const takeHttp = (state: FleetState, bin: Inlet, run: HttpReading): void => {
  const device = deviceOf(state, bin, run.deviceId);
  const app = mint(state, state.appNames, device, run.appId);
  if (app === 0) return;
  const edge = run.edgeId === null ? 0 : mint(state, state.edgeNames, device, run.edgeId);
  const pair = pairOf(state, device, app, run.via);
  if (!bin.isLate) noteRun(state, bin, run, { device, edge, pair });
  if (run.distorted || !run.ok || run.totalMs === null) return;
  bin.sample(pair, run.totalMs, run.requested);
  if (run.via === 'tunnel') takeTunnelled(state, bin, run, { device, app, edge, pair });
  else takeStraight(state, bin, run, { device, app, pair });
};

const noteRun = (
  state: FleetState,
  bin: OpenBin,
  run: HttpReading,
  { device, edge, pair }: { device: number; edge: number; pair: number },
): void => {
  const row = bin.runRow(pair);
  // No evidence, but used: a device too busy to measure is slow for its user all the same.
  if (run.distorted) return;
  const page = bin.runs.page(row);
  const slot = slotOf(row);
  page.runs[slot] = at(page.runs, slot) + 1;
  if (run.via === 'tunnel') noteEdge(bin, device, edge, run.timeMs);
  if (!run.ok) noteFailure(state, bin, row, device, run);
  else {
    page.ok[slot] = at(page.ok, slot) + 1;
    if (run.totalMs !== null && isNewer(page, slot, run))
      keepRun(state, bin, row, { run, device, edge });
  }
};

const pairOf = (state: FleetState, device: number, app: number, via: 'tunnel' | 'direct'): number =>
  state.keys.rowOf(kindOf.total, device, app * 2 + (via === 'tunnel' ? 0 : 1));

type RunPage = ReturnType<OpenBin['runs']['page']>;

const noteFailure = (
  state: FleetState,
  bin: OpenBin,
  row: number,
  device: number,
  run: HttpReading | PageReading,
): void => {
  const page = bin.runs.page(row);
  const slot = slotOf(row);
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
  failure[slot] = mint(state, state.words, device, type);
};

/** Of two runs that began in the same millisecond the longer counts, whichever came first. */
const isNewer = (page: RunPage, slot: number, run: HttpReading): boolean =>
  run.timeMs > at(page.time, slot) ||
  (run.timeMs === at(page.time, slot) && Math.fround(run.totalMs ?? 0) > at(page.lasted, slot));

const keepRun = (
  state: FleetState,
  bin: OpenBin,
  row: number,
  { run, device, edge }: { run: HttpReading; device: number; edge: number },
): void => {
  const page = bin.runs.page(row);
  const slot = slotOf(row);
  const { words, addresses } = state;
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
  page.edgeWaited[slot] = orNothing(run.edge?.waitedMs ?? null);
  page.bodyBytes[slot] = run.bodyBytes;
  page.probe[slot] = mint(state, words, device, run.probeId);
  page.dnsSource[slot] = mint(state, words, device, run.dnsSource ?? '');
  page.remoteAddress[slot] = mint(state, addresses, device, run.remoteAddress ?? '');
  page.edgeAddress[slot] = mint(state, addresses, device, run.edge?.address ?? '');
  page.tlsProtocol[slot] = mint(state, words, device, run.tlsProtocol ?? '');
  page.edge[slot] = edge;
  page.marks[slot] = (run.edge === null ? 0 : 1) + (run.requested ? 2 : 0);
};

/** Slow-start rounds beyond the first window of ten segments (RFC 6928). */
export const extraRounds = (bodyBytes: number): number =>
  Math.max(0, Math.ceil(Math.log2(1 + bodyBytes / 14_600)) - 1);

/** Round trips of a TLS handshake: one since 1.3 (RFC 8446 section 2), two before (RFC 5246 section 7.3). */
export const handshakeRounds = (tlsProtocol: string | null | undefined): number =>
  tlsProtocol === 'TLSv1.2' || tlsProtocol === 'TLSv1.1' || tlsProtocol === 'TLSv1' ? 2 : 1;

/** CONNECT less what the edge took of it is the first leg's round trip; its own dial the second's. */
const takeTunnelled = (
  state: FleetState,
  bin: Inlet,
  run: HttpReading,
  of: { device: number; app: number; edge: number; pair: number },
): void => {
  const { edge, proxyConnectMs } = run;
  if (edge === null || proxyConnectMs === null || of.edge === 0) return;
  const onwardMs = edge.connectMs ?? 0;
  const besideMs = (edge.queueMs ?? 0) + (edge.dnsMs ?? 0) + (edge.waitedMs ?? 0);
  const leg1Ms = Math.max(0, proxyConnectMs - besideMs - onwardMs);
  bin.sample(state.keys.rowOf(kindOf.runRoundTrip, of.device, of.edge), leg1Ms, run.requested);
  const address = mint(state, state.addresses, of.device, edge.address ?? '');
  const place = state.places.rowOf(of.edge, of.app, address);
  if (!bin.isLate) meet(bin, place, of, run.timeMs);
  const cell = { state, bin, place, beside: run.requested };
  pool(cell, kindOf.inEdge, edge.queueMs);
  pool(cell, kindOf.dns, edge.dnsMs);
  if (edge.connectMs === null) return;
  pool(cell, kindOf.runConnect, edge.connectMs);
  const roundTripMs = leg1Ms + onwardMs;
  if (run.tlsMs !== null) {
    pool(cell, kindOf.tls, run.tlsMs - handshakeRounds(run.tlsProtocol) * roundTripMs);
  }
  if (run.waitMs !== null) pool(cell, kindOf.server, run.waitMs - roundTripMs);
  if (run.receiveMs !== null) {
    pool(cell, kindOf.transfer, run.receiveMs - extraRounds(run.bodyBytes) * onwardMs);
  }
};

/** No closure for each run: there are millions. */
const pool = (
  { state, bin, place, beside }: { state: FleetState; bin: Inlet; place: number; beside: boolean },
  kind: number,
  ms: number | null,
): void => {
  if (ms !== null) bin.sample(state.keys.rowOf(kind, place, 0), ms, beside);
};

/** The pair's newest run that told where it was served; of two of one moment either, but the same. */
const meet = (
  bin: OpenBin,
  place: number,
  { device, pair }: { device: number; pair: number },
  timeMs: number,
): void => {
  bin.meet(place, device);
  const row = bin.runRow(pair);
  const page = bin.runs.page(row);
  const slot = slotOf(row);
  const isNewest = timeMs > at(page.placeTime, slot);
  if (!isNewest && (timeMs < at(page.placeTime, slot) || place < at(page.place, slot))) return;
  page.place[slot] = place + 1;
  page.placeTime[slot] = timeMs;
};

const takeStraight = (
  state: FleetState,
  bin: Inlet,
  run: HttpReading,
  of: { device: number; app: number; pair: number },
): void => {
  const { connectMs } = run;
  const address = mint(state, state.addresses, of.device, run.remoteAddress ?? '');
  const place = state.places.rowOf(0, of.app, address);
  if (!bin.isLate) meet(bin, place, of, run.timeMs);
  const cell = { state, bin, place, beside: run.requested };
  pool(cell, kindOf.dns, run.dnsMs);
  if (connectMs === null) return;
  bin.sample(state.keys.rowOf(kindOf.directConnect, of.device, of.app), connectMs, run.requested);
  if (run.tlsMs !== null) {
    pool(cell, kindOf.tls, run.tlsMs - handshakeRounds(run.tlsProtocol) * connectMs);
  }
  if (run.waitMs !== null) pool(cell, kindOf.server, run.waitMs - connectMs);
  if (run.receiveMs !== null) {
    pool(cell, kindOf.transfer, run.receiveMs - extraRounds(run.bodyBytes) * connectMs);
  }
};

export const takePage = (state: FleetState, bin: Inlet, run: PageReading): void => {
  const device = deviceOf(state, bin, run.deviceId);
  if (run.distorted) return;
  const app = mint(state, state.appNames, device, run.appId);
  if (app === 0) return;
  if (!bin.isLate) noteLoad(state, bin, run, { device, app });
  const paintMs = run.lcpMs ?? run.loadMs;
  if (!run.ok || paintMs === null) return;
  const slowestMs = run.thirdParties.reduce((most, { longestMs }) => Math.max(most, longestMs), 0);
  const renderMs = paintMs - (run.ttfbMs ?? 0) - slowestMs;
  bin.sample(state.keys.rowOf(kindOf.render, device, app), renderMs, run.requested);
  bin.sample(state.keys.rowOf(kindOf.pageTotal, device, app), paintMs, run.requested);
  for (const { host, longestMs } of run.thirdParties) {
    const third = mint(state, state.thirdParties, device, `${run.appId}\t${host}`);
    if (third === 0) continue;
    bin.sample(state.keys.rowOf(kindOf.thirdParty, third, app), longestMs, run.requested);
    if (!bin.isLate) bin.visit(third, device);
  }
};

const noteLoad = (
  state: FleetState,
  bin: OpenBin,
  run: PageReading,
  { device, app }: { device: number; app: number },
): void => {
  const row = bin.runRow(pairOf(state, device, app, run.via));
  const page = bin.runs.page(row);
  const slot = slotOf(row);
  page.pages[slot] = at(page.pages, slot) + 1;
  if (run.ok) page.okPages[slot] = at(page.okPages, slot) + 1;
  else noteFailure(state, bin, row, device, run);
};
