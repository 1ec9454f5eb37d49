import { subOf } from './baseline.ts';
import type { ApplicationView, Delta, DeviceView, LossCount, TraceView } from './bin-view.ts';
import { rareHoldsMs } from './close-bin.ts';
import { at, slotOf } from './columns.ts';
import { deltaFor, deltaOf, keyOf, type Look, recentOf } from './delta.ts';
import { linkTypes } from './intake-devices.ts';
import { extraRounds, handshakeRounds } from './intake-runs.ts';
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
  runsOf(device: number): Uint32Array;
};

/** Made piece by piece when it is asked for: most of what is known of most devices is never looked at. */
export const deviceView = (look: DeviceLook, device: number): DeviceView =>
  new LazyDevice(look, device);

class LazyDevice implements DeviceView {
  readonly index: number;
  readonly deviceId: string;
  readonly facts: DeviceFacts;
  readonly edgeId: string | null;
  readonly siteId: string | undefined;
  readonly region: string | null;
  readonly linkType: string | null;
  readonly isHot: boolean;
  readonly recentBins: number;
  readonly firstSeenMs: number;
  readonly lagExtraMs: number;
  readonly sameFlow: boolean;
  readonly cpuRatio: number | null;
  readonly memoryUsedRatio: number | null;
  readonly signalDbm: number | null;
  readonly reconnectCount: number;
  readonly #look: DeviceLook;
  readonly #edge: number;
  /** What was asked for already; undefined: not yet. */
  #lag: Delta | null | undefined;
  #gateway: Delta | null | undefined;
  #underlay: Delta | null | undefined;
  #tunnel: Delta | null | undefined;
  #queue: Delta | null | undefined;
  #runRoundTrip: Delta | null | undefined;
  #trace: TraceView | null | undefined;
  #applications: readonly ApplicationView[] | undefined;

  constructor(look: DeviceLook, device: number) {
    const { state, bin } = look;
    const page = state.devices.page(device);
    const slot = slotOf(device);
    const site = at(page.site, slot);
    const isNow = at(page.bin, slot) === bin;
    this.#look = look;
    this.#edge = at(page.edge, slot);
    this.index = device;
    this.deviceId = state.deviceNames.textOf(device);
    this.facts = look.factsOf(this.deviceId);
    this.edgeId = this.#edge === 0 ? null : state.edgeNames.textOf(this.#edge);
    this.siteId = this.facts.site ?? (site === 0 ? undefined : state.words.textOf(site));
    this.region = this.facts.region ?? null;
    this.linkType = linkTypes[at(page.linkType, slot) - 1] ?? null;
    this.isHot = isNow && (at(page.marks, slot) & hotMark) !== 0;
    const behind = Math.min(8, bin - at(page.bin, slot));
    this.recentBins = bitsOf((at(page.history, slot) << behind) & 7);
    this.firstSeenMs = at(page.firstBin, slot) * state.binMs;
    this.lagExtraMs = isNow ? at(page.lagExtraMs, slot) : 0;
    // Nothing said: an agent of before, whose probes left by the tunnel's way in most networks.
    this.sameFlow = at(page.sameFlow, slot) !== 1;
    this.cpuRatio = known(at(page.cpuRatio, slot));
    this.memoryUsedRatio = known(at(page.memoryRatio, slot));
    this.signalDbm = known(at(page.signalDbm, slot));
    this.reconnectCount = isNow ? at(page.reconnects, slot) : 0;
  }

  get asn(): number | null {
    return this.facts.asn ?? this.trace?.hops.find(({ asn }) => asn !== null)?.asn ?? null;
  }
  get lag(): Delta | null {
    if (this.#lag === undefined) this.#lag = this.#delta('lag', 0);
    return this.#lag;
  }
  get gateway(): Delta | null {
    if (this.#gateway === undefined) this.#gateway = this.#delta('gateway', 0);
    return this.#gateway;
  }
  get underlay(): Delta | null {
    if (this.#underlay === undefined) this.#underlay = this.#delta('underlay', this.#edge);
    return this.#underlay;
  }
  get tunnel(): Delta | null {
    if (this.#tunnel === undefined) this.#tunnel = this.#delta('tunnel', this.#edge);
    return this.#tunnel;
  }
  get queue(): Delta | null {
    if (this.#queue === undefined) this.#queue = this.#delta('queue', this.#edge);
    return this.#queue;
  }
  get runRoundTrip(): Delta | null {
    if (this.#runRoundTrip === undefined) {
      this.#runRoundTrip = this.#delta('runRoundTrip', this.#edge);
    }
    return this.#runRoundTrip;
  }
  get gatewayLoss(): LossCount | null {
    return this.#loss('gatewayLoss');
  }
  get underlayLoss(): LossCount | null {
    return this.#loss('underlayLoss');
  }
  get tunnelLoss(): LossCount | null {
    return this.#loss('tunnelLoss');
  }
  get trace(): TraceView | null {
    if (this.#trace === undefined) {
      const sub = this.#edge * 2 + traceKinds.leg1;
      this.#trace = traceView(this.#look, keyOf(this.#look, kindOf.deviceRtt, this.index, sub));
    }
    return this.#trace;
  }
  get applications(): readonly ApplicationView[] {
    this.#applications ??= applicationViews(this.#look, this.index);
    return this.#applications;
  }

  #delta(kind: keyof typeof kindOf, sub: number): Delta | null {
    return deltaFor(this.#look, kind, this.index, sub);
  }

  #loss(which: 'gatewayLoss' | 'underlayLoss' | 'tunnelLoss'): LossCount | null {
    const { state, bin } = this.#look;
    return state.losses.read(at(state.devices.page(this.index)[which], slotOf(this.index)), bin);
  }
}

const bitsOf = (bits: number): number => (bits & 1) + ((bits >> 1) & 1) + ((bits >> 2) & 1);
const known = (value: number): number | null => (Number.isNaN(value) ? null : value);

const applicationViews = (look: DeviceLook, device: number): ApplicationView[] => {
  const byApp = new Map<string, Rows>();
  for (const row of look.runsOf(device)) {
    const sub = subOfRun(look, row);
    const appId = look.state.appNames.textOf(sub >> 1);
    const rows = byApp.get(appId) ?? {};
    rows[(sub & 1) === 0 ? 'tunnel' : 'direct'] = row;
    byApp.set(appId, rows);
  }
  return [...byApp]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([appId, rows]) => new LazyApplication(look, device, appId, rows));
};
type Rows = { tunnel?: number; direct?: number };

const subOfRun = ({ state, open }: DeviceLook, row: number): number => {
  const pair = at(open.runs.page(row).pair, slotOf(row));
  return subOf(at(state.keys.rows.page(pair).what, slotOf(pair)));
};

class LazyApplication implements ApplicationView {
  readonly appId: string;
  readonly via: 'tunnel' | 'direct';
  readonly edgeId: string | null;
  readonly runCount: number;
  readonly okCount: number;
  readonly failureType: string | null;
  readonly #look: DeviceLook;
  readonly #device: number;
  readonly #app: number;
  readonly #row: number;
  readonly #pair: number;
  readonly #edge: number;
  #newestRun: HttpReading | null | undefined;
  #total: Delta | null | undefined;
  #directTrace: TraceView | null | undefined;

  constructor(look: DeviceLook, device: number, appId: string, rows: Rows) {
    const { state, open } = look;
    const row = (rows.tunnel ?? rows.direct) as number;
    const edge = at(state.devices.page(device).edge, slotOf(device));
    this.#look = look;
    this.#device = device;
    this.#app = state.appNames.find(appId);
    this.#row = row;
    this.#pair = at(open.runs.page(row).pair, slotOf(row));
    this.#edge = edge;
    this.appId = appId;
    this.via = rows.tunnel === undefined ? 'direct' : 'tunnel';
    this.edgeId = this.via === 'direct' || edge === 0 ? null : state.edgeNames.textOf(edge);
    const { runCount, okCount, failureType } = countsOf(look, row);
    this.runCount = runCount;
    this.okCount = okCount;
    this.failureType = failureType;
  }

  get frontEnd(): string | null {
    const { open, state } = this.#look;
    const page = open.runs.page(this.#row);
    const address = this.via === 'tunnel' ? page.edgeAddress : page.remoteAddress;
    return state.addresses.textOf(at(address, slotOf(this.#row)) || this.#lastAddress()) || null;
  }
  get newestRun(): HttpReading | null {
    if (this.#newestRun === undefined) {
      const { appId, via } = this;
      this.#newestRun = newestRunOf(this.#look, this.#device, appId, via, this.#row);
    }
    return this.#newestRun;
  }
  get total(): Delta | null {
    if (this.#total === undefined) this.#total = deltaOf(this.#look, this.#pair);
    return this.#total;
  }
  get recentTotals(): readonly (number | null)[] {
    return recentOf(this.#look, this.#pair);
  }
  get directConnect(): Delta | null {
    return this.#delta('directConnect');
  }
  get directTrace(): TraceView | null {
    if (this.#directTrace === undefined) {
      const sub = this.#app * 2 + traceKinds.direct;
      this.#directTrace = traceView(
        this.#look,
        keyOf(this.#look, kindOf.deviceRtt, this.#device, sub),
      );
    }
    return this.#directTrace;
  }
  get roundTrips(): ApplicationView['roundTrips'] {
    return roundTripsOf(this.#look, this.#row, this.via);
  }
  get render(): Delta | null {
    return this.#newest('render');
  }
  get pageTotal(): Delta | null {
    return this.#newest('pageTotal');
  }

  /** Of a run that got nowhere: where the pair was served before, if others still are or were today. */
  #lastAddress(): number {
    const { state, bin } = this.#look;
    const place = at(state.keys.rows.page(this.#pair).place, slotOf(this.#pair)) - 1;
    if (place < 0) return 0;
    const page = state.places.rows.page(place);
    const slot = slotOf(place);
    const isToday = (bin - at(page.bin, slot)) * state.binMs <= holdsMs;
    const isSameEdge = at(page.edge, slot) === (this.edgeId === null ? 0 : this.#edge);
    return isToday && isSameEdge ? at(page.address, slot) : 0;
  }

  #delta(kind: keyof typeof kindOf): Delta | null {
    return deltaFor(this.#look, kind, this.#device, this.#app);
  }

  /** Of this bin's loads, or those before. */
  #newest(kind: 'render' | 'pageTotal'): Delta | null {
    const { state, bin } = this.#look;
    const key = keyOf(this.#look, kindOf[kind], this.#device, this.#app);
    if (key < 0) return null;
    const newest = at(state.keys.rows.page(key).bin, slotOf(key));
    const holds = newest <= bin && (bin - newest) * state.binMs <= rareHoldsMs;
    return holds ? deltaOf({ ...this.#look, bin: newest }, key) : null;
  }
}

const holdsMs = 86_400_000;

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
  const { words, addresses } = state;
  const marks = at(page.marks, slot);
  return {
    kind: 'http',
    timeMs,
    deviceId: state.deviceNames.textOf(device),
    appId,
    probeId: state.words.textOf(at(page.probe, slot)),
    via,
    edgeId: state.edgeNames.textOf(at(page.edge, slot)) || null,
    ok: true,
    failureType: null,
    distorted: false,
    requested: (marks & 2) !== 0,
    lagMs: exact(at(page.lag, slot)),
    totalMs: exact(at(page.lasted, slot)),
    dnsMs: exact(at(page.dns, slot)),
    dnsSource: words.textOf(at(page.dnsSource, slot)) || null,
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
            waitedMs: exact(at(page.edgeWaited, slot)),
            address: addresses.textOf(at(page.edgeAddress, slot)) || null,
          },
    tlsProtocol: words.textOf(at(page.tlsProtocol, slot)) || null,
    remoteAddress: addresses.textOf(at(page.remoteAddress, slot)) || null,
  };
};

/** One for each phase that waits for an answer from the other end, as the ledger counts them. */
const roundTripsOf = (
  { open, state }: DeviceLook,
  row: number,
  via: 'tunnel' | 'direct',
): ApplicationView['roundTrips'] => {
  const page = open.runs.page(row);
  const slot = slotOf(row);
  const isPlain = at(page.time, slot) > 0 && Number.isNaN(at(page.tls, slot));
  const handshake = handshakeRounds(state.words.textOf(at(page.tlsProtocol, slot)));
  const trips = isPlain ? 2 : 2 + handshake;
  const rounds = extraRounds(at(page.bodyBytes, slot));
  return via === 'tunnel'
    ? { leg1: trips, leg2: trips + rounds, direct: 0 }
    : { leg1: 0, leg2: 0, direct: trips + rounds };
};
