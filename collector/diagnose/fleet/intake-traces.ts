import { at, slotOf } from './columns.ts';
import type { FleetState } from './fleet-state.ts';
import { deviceOf, orNothing, takeLossRatio } from './intake-devices.ts';
import { kindOf } from './kinds.ts';
import type { Inlet } from './late-log.ts';
import { mint } from './mint.ts';
import type { OpenBin } from './open-bin.ts';
import { traceKinds } from './paths.ts';
import type { OnwardReading, PathReading, ReadHop } from './reading.ts';

/** Of one device in five minutes: a burst makes thirty. */
const mostTraces = { count: 64, perMs: 300_000 } as const;

export const takePath = (state: FleetState, bin: Inlet, run: PathReading): void => {
  const device = deviceOf(state, bin, run.deviceId);
  if (run.distorted || (!bin.isLate && !mayTrace(state, bin, device))) return;
  const isLeg1 = run.toEdgeId !== null;
  const target =
    run.toEdgeId === null
      ? mint(state, state.appNames, device, run.appId)
      : mint(state, state.edgeNames, device, run.toEdgeId);
  if (target === 0) return;
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

const mayTrace = (state: FleetState, bin: OpenBin, device: number): boolean => {
  const { traces } = bin.devices.page(device);
  const slot = slotOf(device);
  const most = mostTraces.count * Math.max(1, Math.ceil(state.binMs / mostTraces.perMs));
  traces[slot] = Math.min(65_535, at(traces, slot) + 1);
  return at(traces, slot) <= most;
};

export const takeOnward = (state: FleetState, bin: Inlet, sample: OnwardReading): void => {
  const edge = state.edgeNames.numberOf(sample.edgeId);
  const app = state.appNames.numberOf(sample.appId);
  const address = sample.address === null ? 0 : state.addresses.numberOf(sample.address);
  const place = state.places.rowOf(edge, app, address);
  const beside = sample.requested ?? false;
  if (!bin.isLate) bin.meet(place, 0);
  if (sample.connectMs !== null) {
    bin.sample(state.keys.rowOf(kindOf.ownConnect, place, 0), sample.connectMs, beside);
  }
  if (sample.dnsMs !== null) {
    bin.sample(state.keys.rowOf(kindOf.ownDns, place, 0), sample.dnsMs, beside);
  }
  if (!bin.isLate) {
    takeLossRatio(bin, placeLoss(state, place), sample.connectLossRatio, onwardConnects);
  }
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
  bin: Inlet,
  hops: readonly ReadHop[],
  traced: Traced,
): void => {
  const firstHop = bin.hops.count;
  // What an edge names is believed.
  const device = traced.kind === traceKinds.onward ? undefined : traced.owner;
  for (const hop of hops) addHop(state, bin, hop, device);
  const row = bin.traceRow();
  const page = bin.traces.page(row);
  const slot = slotOf(row);
  page.kind[slot] = traced.kind;
  page.owner[slot] = traced.owner;
  page.target[slot] = traced.target;
  page.time[slot] = traced.timeMs;
  page.rttMs[slot] = orNothing(traced.rttMs);
  page.sent[slot] = traced.sent;
  page.lossRatio[slot] = orNothing(traced.lossRatio);
  page.mtuBytes[slot] = traced.mtuBytes ?? 0;
  page.marks[slot] = (traced.blackHole ? 1 : 0) + (traced.beside ? 2 : 0);
  page.firstHop[slot] = firstHop;
  page.hops[slot] = hops.length;
};

const addHop = (state: FleetState, bin: Inlet, hop: ReadHop, device: number | undefined): void => {
  const row = bin.hops.add();
  const page = bin.hops.page(row);
  const slot = slotOf(row);
  page.ttl[slot] = hop.ttl;
  const { addresses } = state;
  const text = hop.address ?? '';
  page.address[slot] =
    device === undefined ? addresses.numberOf(text) : mint(state, addresses, device, text);
  page.asn[slot] = hop.asn ?? 0;
  page.sent[slot] = Math.min(255, hop.sentCount);
  page.received[slot] = Math.min(255, hop.receivedCount);
  page.rttMs[slot] = orNothing(hop.rttMedianMs);
  page.rttMinMs[slot] = orNothing(hop.rttMinMs);
};
