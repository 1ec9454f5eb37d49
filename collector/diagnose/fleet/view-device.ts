import { at, slotOf } from './columns.ts';
import type { ApplicationView, DeviceView } from './bin-view.ts';
import { subOf } from './baseline.ts';
import { deltaFor, deltaOf, keyOf, type Look, recentOf } from './delta.ts';
import { extraRounds, linkTypes } from './intake.ts';
import { kindOf } from './kinds.ts';
import { hotMark } from './marks.ts';
import type { OpenBin } from './open-bin.ts';
import { traceKinds } from './paths.ts';
import type { DeviceFacts, HttpReading } from './reading.ts';
import { traceView } from './view-trace.ts';

export type DeviceLook = Look & {
  open: OpenBin;
  factsOf(deviceId: string): DeviceFacts;
  /** Rows of the bin's runs of a device. */
  runsOf(device: number): readonly number[];
};

export const deviceView = (look: DeviceLook, device: number): DeviceView => {
  const { state, bin } = look;
  const page = state.devices.page(device);
  const slot = slotOf(device);
  const deviceId = state.deviceNames.textOf(device);
  const facts = look.factsOf(deviceId);
  const edge = at(page.edge, slot);
  const trace = traceView(look, keyOf(look, kindOf.deviceRtt, device, edge * 2 + traceKinds.leg1));
  const loss = (row: number) => state.losses.read(row, bin);
  const isNow = at(page.bin, slot) === bin;
  const site = at(page.site, slot);
  return {
    index: device,
    deviceId,
    facts,
    edgeId: edge === 0 ? null : state.edgeNames.textOf(edge),
    siteId: facts.site ?? (site === 0 ? undefined : state.words.textOf(site)),
    asn: facts.asn ?? trace?.hops.find(({ asn }) => asn !== null)?.asn ?? null,
    region: facts.region ?? null,
    linkType: linkTypes[at(page.linkType, slot) - 1] ?? null,
    isHot: isNow && (at(page.marks, slot) & hotMark) !== 0,
    recentBins: bitsOf((at(page.history, slot) << Math.min(8, bin - at(page.bin, slot))) & 7),
    firstSeenMs: at(page.firstBin, slot) * state.binMs,
    lag: deltaFor(look, 'lag', device, 0),
    lagExtraMs: isNow ? at(page.lagExtraMs, slot) : 0,
    gateway: deltaFor(look, 'gateway', device, 0),
    underlay: deltaFor(look, 'underlay', device, edge),
    tunnel: deltaFor(look, 'tunnel', device, edge),
    queue: deltaFor(look, 'queue', device, edge),
    runRoundTrip: deltaFor(look, 'runRoundTrip', device, edge),
    // Nothing said: an agent of before, whose probes left by the tunnel's way in most networks.
    sameFlow: at(page.sameFlow, slot) !== 1,
    gatewayLoss: loss(at(page.gatewayLoss, slot)),
    underlayLoss: loss(at(page.underlayLoss, slot)),
    tunnelLoss: loss(at(page.tunnelLoss, slot)),
    cpuRatio: known(at(page.cpuRatio, slot)),
    memoryUsedRatio: known(at(page.memoryRatio, slot)),
    signalDbm: known(at(page.signalDbm, slot)),
    reconnectCount: isNow ? at(page.reconnects, slot) : 0,
    trace,
    applications: applicationViews(look, device),
  };
};

const bitsOf = (bits: number): number => (bits & 1) + ((bits >> 1) & 1) + ((bits >> 2) & 1);
const known = (value: number): number | null => (Number.isNaN(value) ? null : value);

const applicationViews = (look: DeviceLook, device: number): ApplicationView[] => {
  const byApp = new Map<string, { tunnel?: number; direct?: number }>();
  for (const row of look.runsOf(device)) {
    const sub = subOfRun(look, row);
    const appId = look.state.appNames.textOf(sub >> 1);
    const rows = byApp.get(appId) ?? {};
    rows[(sub & 1) === 0 ? 'tunnel' : 'direct'] = row;
    byApp.set(appId, rows);
  }
  return [...byApp]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([appId, rows]) => applicationView(look, device, appId, rows));
};

const subOfRun = ({ state, open }: DeviceLook, row: number): number => {
  const pair = at(open.runs.page(row).pair, slotOf(row));
  return subOf(at(state.keys.rows.page(pair).what, slotOf(pair)));
};

const applicationView = (
  look: DeviceLook,
  device: number,
  appId: string,
  rows: { tunnel?: number; direct?: number },
): ApplicationView => {
  const { state, open } = look;
  const via = rows.tunnel === undefined ? 'direct' : 'tunnel';
  const row = (rows.tunnel ?? rows.direct) as number;
  const page = open.runs.page(row);
  const slot = slotOf(row);
  const app = state.appNames.find(appId);
  const pair = at(page.pair, slot);
  const newestRun = newestRunOf(look, device, appId, via, row);
  const counts = countsOf(look, row);
  const edge = at(state.devices.page(device).edge, slotOf(device));
  return {
    appId,
    via,
    edgeId: via === 'direct' || edge === 0 ? null : state.edgeNames.textOf(edge),
    frontEnd: (via === 'tunnel' ? newestRun?.edge?.address : newestRun?.remoteAddress) ?? null,
    ...counts,
    newestRun,
    total: deltaOf(look, pair),
    recentTotals: recentOf(look, pair),
    directConnect: deltaFor(look, 'directConnect', device, app),
    directTrace: traceView(
      look,
      keyOf(look, kindOf.deviceRtt, device, app * 2 + traceKinds.direct),
    ),
    roundTrips: roundTripsOf(newestRun, via),
    render: deltaFor(look, 'render', device, app),
    pageTotal: deltaFor(look, 'pageTotal', device, app),
  };
};

/** Page loads are counted only where nothing else is: a browser's trouble is not the application's. */
const countsOf = (
  { state, open }: DeviceLook,
  row: number,
): Pick<ApplicationView, 'runCount' | 'okCount' | 'failureType'> => {
  const page = open.runs.page(row);
  const slot = slotOf(row);
  const isHttp = at(page.runs, slot) > 0;
  const okCount = at(isHttp ? page.ok : page.okPages, slot);
  const failure = state.words.textOf(at(isHttp ? page.failure : page.pageFailure, slot));
  return {
    runCount: at(isHttp ? page.runs : page.pages, slot),
    okCount,
    failureType: okCount > 0 || failure === '' ? null : failure,
  };
};

/** Kept in half the bits: to the microsecond up to 16 s. */
const exact = (value: number): number | null =>
  Number.isNaN(value) ? null : Math.round(value * 1_000) / 1_000;

const newestRunOf = (
  { state, open }: DeviceLook,
  device: number,
  appId: string,
  via: 'tunnel' | 'direct',
  row: number,
): HttpReading | null => {
  const page = open.runs.page(row);
  const slot = slotOf(row);
  const timeMs = at(page.time, slot);
  if (timeMs === 0) return null;
  const text = (number: number): string | null => (number === 0 ? null : state.words.textOf(number));
  const address = (number: number): string | null =>
    number === 0 ? null : state.addresses.textOf(number);
  const edge = at(page.edge, slot);
  const marks = at(page.marks, slot);
  return {
    kind: 'http',
    timeMs,
    deviceId: state.deviceNames.textOf(device),
    appId,
    probeId: state.words.textOf(at(page.probe, slot)),
    via,
    edgeId: edge === 0 ? null : state.edgeNames.textOf(edge),
    ok: true,
    failureType: null,
    distorted: false,
    requested: (marks & 2) !== 0,
    lagMs: exact(at(page.lag, slot)),
    totalMs: exact(at(page.lasted, slot)),
    dnsMs: exact(at(page.dns, slot)),
    dnsSource: text(at(page.dnsSource, slot)),
    connectMs: exact(at(page.connect, slot)),
    proxyConnectMs: exact(at(page.proxyConnect, slot)),
    tlsMs: exact(at(page.tls, slot)),
    waitMs: exact(at(page.wait, slot)),
    receiveMs: exact(at(page.receive, slot)),
    bodyBytes: at(page.bodyBytes, slot),
    edge:
      (marks & 1) === 0
        ? null
        : {
            queueMs: exact(at(page.edgeQueue, slot)),
            dnsMs: exact(at(page.edgeDns, slot)),
            connectMs: exact(at(page.edgeConnect, slot)),
            address: address(at(page.edgeAddress, slot)),
          },
    remoteAddress: address(at(page.remoteAddress, slot)),
  };
};

/** One for each phase that waits for an answer from the other end, as the ledger counts them. */
const roundTripsOf = (
  run: HttpReading | null,
  via: 'tunnel' | 'direct',
): ApplicationView['roundTrips'] => {
  const exchanges = run === null || run.tlsMs !== null ? 2 : 1;
  const trips = 1 + exchanges;
  const rounds = extraRounds(run?.bodyBytes ?? 0);
  return via === 'tunnel'
    ? { leg1: trips, leg2: trips + rounds, direct: 0 }
    : { leg1: 0, leg2: 0, direct: trips + rounds };
};
