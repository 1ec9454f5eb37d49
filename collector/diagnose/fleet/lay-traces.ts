import { at, slotOf } from './columns.ts';
import type { FleetState } from './fleet-state.ts';
import { kindOf } from './kinds.ts';
import type { Inlet } from './late-log.ts';
import { canBeOf } from './losses.ts';
import { mayMint } from './mint.ts';
import { type TracedHop, traceKinds } from './paths.ts';

/** Finds the way of each trace of a bin and turns it into samples and counts of its hops. */
export const layTraces = (state: FleetState, bin: Inlet): void => {
  const traces = Array.from({ length: bin.traces.count }, (_, row) => row);
  const hops = traces.map((row) => hopsOf(bin, row));
  traces.sort((a, b) => compareTraces(bin, hops, a, b));
  for (const row of traces) {
    if (bin.isLate) bin.forBin(at(bin.traces.page(row).bin, slotOf(row)));
    layTrace(state, bin, row, hops[row] ?? []);
  }
};

const hopsOf = (bin: Inlet, row: number): TracedHop[] => {
  const page = bin.traces.page(row);
  const first = at(page.firstHop, slotOf(row));
  return Array.from({ length: at(page.hops, slotOf(row)) }, (_, i) => {
    const hop = bin.hops.page(first + i);
    const slot = slotOf(first + i);
    return {
      ttl: at(hop.ttl, slot),
      address: at(hop.address, slot),
      asn: at(hop.asn, slot),
      sent: at(hop.sent, slot),
      received: at(hop.received, slot),
      rttMs: at(hop.rttMs, slot),
      rttMinMs: at(hop.rttMinMs, slot),
    };
  });
};

/** By owner, target and time; of one moment, by content, so that arrival plays no part. */
const compareTraces = (bin: Inlet, hops: TracedHop[][], a: number, b: number): number => {
  const [left, right] = [bin.traces.page(a), bin.traces.page(b)];
  const [i, j] = [slotOf(a), slotOf(b)];
  return (
    at(left.kind, i) - at(right.kind, j) ||
    at(left.owner, i) - at(right.owner, j) ||
    at(left.target, i) - at(right.target, j) ||
    at(left.time, i) - at(right.time, j) ||
    compareHops(hops[a] ?? [], hops[b] ?? [])
  );
};

const compareHops = (a: TracedHop[], b: TracedHop[]): number => {
  if (a.length !== b.length) return a.length - b.length;
  for (const [i, hop] of a.entries()) {
    const other = b[i] as TracedHop;
    const order = hop.received - other.received || (hop.rttMs || 0) - (other.rttMs || 0);
    if (order !== 0) return order;
  }
  return 0;
};

/**
 * Hops are sent few packets; where the share lost cannot be of so many, the target was sent more, and so
 * were the targets that lost nothing: else they would clear a cause by fewer packets than accuse it.
 */
const takeEndLoss = (
  { losses }: FleetState,
  bin: Inlet,
  row: number,
  { sent, ratio }: { sent: number; ratio: number },
): void => {
  if (Number.isNaN(ratio)) return;
  const isMore = losses.packetsOf(row) > 0 || !canBeOf(ratio, sent);
  if (!canBeOf(ratio, sent)) losses.learnPackets(allTargets, ratio);
  const usual = losses.packetsOf(allTargets);
  const sentAll = ratio === 0 && usual <= mostToTarget ? Math.max(sent, usual) : sent;
  bin.loss(row, sentAll, Math.round(ratio * sent), isMore ? ratio : Number.NaN);
};
/** Nobody's row of losses keeps how many packets targets are sent. */
const allTargets = 0;
/** Shares of unlike numbers have a large common multiple, which is none of them. */
const mostToTarget = 20;

const layTrace = (state: FleetState, bin: Inlet, row: number, hops: readonly TracedHop[]): void => {
  const { paths, keys } = state;
  const trace = bin.traces.page(row);
  const slot = slotOf(row);
  const kind = at(trace.kind, slot);
  const owner = at(trace.owner, slot);
  const aim = at(trace.target, slot);
  const beside = (at(trace.marks, slot) & 2) !== 0;
  const rttMs = at(trace.rttMs, slot);
  const key = targetKey(state, kind, owner, aim);
  const target = paths.targetOf(key, kind, owner, aim);
  if (!Number.isNaN(rttMs)) bin.sample(key, rttMs, beside);
  const page = paths.targets.page(target);
  const place = slotOf(target);
  if (at(page.loss, place) === 0) page.loss[place] = state.losses.rows.add();
  takeEndLoss(state, bin, at(page.loss, place), {
    sent: at(trace.sent, slot),
    ratio: at(trace.lossRatio, slot),
  });
  const timeMs = at(trace.time, slot);
  const isNewest = timeMs >= at(page.time, place);
  if (isNewest) {
    page.time[place] = timeMs;
    page.mtuBytes[place] = at(trace.mtuBytes, slot);
    page.blackHole[place] = at(trace.marks, slot) & 1;
  }
  if (!hops.some(({ address }) => address > 0)) return;
  const path = paths.match(target, hops, bin.bin);
  if (isNewest) page.current[place] = path + 1;
  const known = paths.paths.page(path);
  const at_ = slotOf(path);
  if (at(known.traces, at_) === 0) {
    // The row may have been another way's.
    known.rttKey[at_] = keys.rowOf(kindOf.pathRtt, path, 0) + 1;
    keys.forget(at(known.rttKey, at_) - 1);
  }
  if (!Number.isNaN(rttMs)) bin.sample(at(known.rttKey, at_) - 1, rttMs, beside);
  known.bin[at_] = Math.max(at(known.bin, at_), bin.bin);
  known.traces[at_] = Math.min(65_535, at(known.traces, at_) + 1);
  for (const hop of hops) layHop(state, bin, { path, kind, owner, beside, hop });
};

/** The row of keys that stands for a target over all ways to it. */
export const targetKey = (
  { keys }: FleetState,
  kind: number,
  owner: number,
  target: number,
): number =>
  kind === traceKinds.onward
    ? keys.rowOf(kindOf.onwardRtt, owner, 0)
    : keys.rowOf(kindOf.deviceRtt, owner, target * 2 + kind);

const layHop = (
  state: FleetState,
  bin: Inlet,
  {
    path,
    kind,
    owner,
    beside,
    hop,
  }: {
    path: number;
    kind: number;
    owner: number;
    beside: boolean;
    hop: TracedHop;
  },
): void => {
  const { paths, keys } = state;
  const row = paths.hopRow(path, hop.ttl);
  const page = paths.hops.page(row);
  const slot = slotOf(row);
  const traces = at(paths.paths.page(path).traces, slotOf(path));
  const step = Math.max(0.03, 1 / traces);
  page.answers[slot] =
    at(page.answers, slot) + step * ((hop.received > 0 ? 1 : 0) - at(page.answers, slot));
  page.bin[slot] = bin.bin;
  page.sent[slot] = hop.sent;
  page.received[slot] = hop.received;
  page.rttMinMs[slot] = hop.rttMinMs;
  if (hop.address > 0 && at(page.address, slot) === 0) {
    page.address[slot] = hop.address;
    page.pathKey[slot] = keys.rowOf(kindOf.pathHop, path, hop.ttl) + 1;
    keys.forget(at(page.pathKey, slot) - 1);
    page.anyKey[slot] = anyKeyOf(state, kind, owner, hop.address) + 1;
    if (at(page.loss, slot) === 0) page.loss[slot] = state.losses.rows.add();
    else state.losses.clear(at(page.loss, slot));
  }
  if (hop.asn > 0) page.asn[slot] = hop.asn;
  if (at(page.loss, slot) > 0)
    bin.loss(at(page.loss, slot), hop.sent, Math.max(0, hop.sent - hop.received));
  if (Number.isNaN(hop.rttMs) || at(page.pathKey, slot) === 0) return;
  bin.sample(at(page.pathKey, slot) - 1, hop.rttMs, beside);
  if (at(page.anyKey, slot) > 0) bin.sample(at(page.anyKey, slot) - 1, hop.rttMs, beside);
};

/** Of an address on any way; -1: the device has brought up enough for today. */
const anyKeyOf = (state: FleetState, kind: number, owner: number, address: number): number => {
  const { keys } = state;
  if (kind === traceKinds.onward) return keys.rowOf(kindOf.onwardHop, owner, address);
  const known = keys.find(kindOf.deviceHop, owner, address);
  if (known >= 0) return known;
  return mayMint(state, owner) ? keys.rowOf(kindOf.deviceHop, owner, address) : -1;
};
