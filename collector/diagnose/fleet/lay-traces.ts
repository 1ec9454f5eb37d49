import { at, slotOf } from './columns.ts';
import type { FleetState } from './fleet-state.ts';
import { kindOf } from './kinds.ts';
import type { OpenBin } from './open-bin.ts';
import { type TracedHop, traceKinds } from './paths.ts';

/** Finds the way of each trace of a bin and turns it into samples and counts of its hops. */
export const layTraces = (state: FleetState, bin: OpenBin): void => {
  const traces = Array.from({ length: bin.traces.count }, (_, row) => row);
  const hops = traces.map((row) => hopsOf(bin, row));
  traces.sort((a, b) => compareTraces(bin, hops, a, b));
  for (const row of traces) layTrace(state, bin, row, hops[row] ?? []);
};

const hopsOf = (bin: OpenBin, row: number): TracedHop[] => {
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
const compareTraces = (bin: OpenBin, hops: TracedHop[][], a: number, b: number): number => {
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

const layTrace = (
  state: FleetState,
  bin: OpenBin,
  row: number,
  hops: readonly TracedHop[],
): void => {
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
  bin.loss(at(page.loss, place), at(trace.sent, slot), at(trace.lost, slot));
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
  if (at(known.rttKey, at_) === 0) known.rttKey[at_] = keys.rowOf(kindOf.pathRtt, path, 0) + 1;
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
  bin: OpenBin,
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
    page.anyKey[slot] =
      1 +
      (kind === traceKinds.onward
        ? keys.rowOf(kindOf.onwardHop, owner, hop.address)
        : keys.rowOf(kindOf.deviceHop, owner, hop.address));
    page.loss[slot] = state.losses.rows.add();
  }
  if (hop.asn > 0) page.asn[slot] = hop.asn;
  if (at(page.loss, slot) > 0)
    bin.loss(at(page.loss, slot), hop.sent, Math.max(0, hop.sent - hop.received));
  if (Number.isNaN(hop.rttMs) || at(page.pathKey, slot) === 0) return;
  bin.sample(at(page.pathKey, slot) - 1, hop.rttMs, beside);
  bin.sample(at(page.anyKey, slot) - 1, hop.rttMs, beside);
};
