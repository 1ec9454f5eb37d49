import { at, slotOf } from './columns.ts';
import type { FleetState } from './fleet-state.ts';
import { deviceOf, orNothing, takeLossRatio } from './intake-devices.ts';
import { kindOf } from './kinds.ts';
import type { OpenBin } from './open-bin.ts';
import { traceKinds } from './paths.ts';
import type { OnwardReading, PathReading, ReadHop } from './reading.ts';

export const takePath = (state: FleetState, bin: OpenBin, run: PathReading): void => {
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

export const takeOnward = (state: FleetState, bin: OpenBin, sample: OnwardReading): void => {
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
