import type { Delta, TraceView } from './bin-view.ts';
import { at, slotOf } from './columns.ts';
import { deltaOf, type Look } from './delta.ts';
import { isMature } from './owners.ts';

/** The way that the newest trace to a target took; null: none was made of late. */
export const traceView = (look: Look, targetKey: number): TraceView | null => {
  const { state, bin } = look;
  const target = targetKey < 0 ? undefined : state.paths.find(targetKey);
  if (target === undefined) return null;
  const page = state.paths.targets.page(target);
  const slot = slotOf(target);
  const path = at(page.current, slot) - 1;
  if (path < 0) return null;
  const known = state.paths.paths.page(path);
  if (bin - at(known.bin, slotOf(path)) > state.how.longestGap) return null;
  const rttKey = at(known.rttKey, slotOf(path)) - 1;
  const hops = hopViews(look, path);
  return {
    signature: hops.map(({ address }) => address ?? '*').join(' '),
    changedAtMs: changedAtMs(look, target, path),
    hops,
    loss: state.losses.read(at(page.loss, slot), bin),
    rtt: better(deltaOf(look, rttKey), deltaOf(look, targetKey)),
    mtuBlackHole: at(page.blackHole, slot) === 1,
    mtuBytes: at(page.mtuBytes, slot) === 0 ? null : at(page.mtuBytes, slot),
  };
};

/** A history of this very way, where it is as long as the one over all ways; else that. */
const better = (own: Delta | null, any: Delta | null): Delta | null => {
  if (own === null || any === null) return own ?? any;
  return own.ready || !any.ready ? own : any;
};

const hopViews = (look: Look, path: number): TraceView['hops'] => {
  const { state } = look;
  const page = state.paths.paths.page(path);
  const first = at(page.firstHop, slotOf(path));
  return Array.from({ length: at(page.hops, slotOf(path)) }, (_, i) =>
    hopView(look, first + i, i + 1),
  );
};

const hopView = (look: Look, row: number, ttl: number): TraceView['hops'][number] => {
  const { state, bin } = look;
  const hop = state.paths.hops.page(row);
  const slot = slotOf(row);
  const isNow = at(hop.bin, slot) === bin;
  const address = at(hop.address, slot);
  const delta = hopDelta(look, at(hop.pathKey, slot) - 1, at(hop.anyKey, slot) - 1);
  const rttMinMs = at(hop.rttMinMs, slot);
  return {
    ttl,
    address: address === 0 ? null : state.addresses.textOf(address),
    asn: at(hop.asn, slot) === 0 ? null : at(hop.asn, slot),
    sentCount: isNow ? at(hop.sent, slot) : 0,
    receivedCount: isNow ? at(hop.received, slot) : 0,
    rttMedianMs: delta?.nowMs ?? null,
    rttMinMs: isNow && !Number.isNaN(rttMinMs) ? rttMinMs : null,
    delta,
    answers: at(hop.answers, slot),
    loss: state.losses.read(at(hop.loss, slot), bin),
  };
};

/**
 * While all is new (a device's first hours) a way first seen after the others would soon count as
 * normal: then the longer history decides, that of the address on any way.
 */
const hopDelta = (look: Look, pathKey: number, anyKey: number): Delta | null => {
  if (pathKey < 0) return null;
  const own = deltaOf(look, pathKey);
  const any = deltaOf(look, anyKey);
  return any?.ready && isYoungBeside(look, pathKey, anyKey) ? any : better(own, any);
};

const isYoungBeside = ({ state, bin }: Look, pathKey: number, anyKey: number): boolean => {
  const own = state.keys.rows.page(pathKey);
  const any = state.keys.rows.page(anyKey);
  if (2 * at(own.learned, slotOf(pathKey)) >= at(any.learned, slotOf(anyKey))) return false;
  return (bin - at(own.firstBin, slotOf(pathKey))) * state.binMs < 12 * 3_600_000;
};

/** When a way that is not yet normal took the place of one that is; null: nothing changed. */
const changedAtMs = (look: Look, target: number, path: number): number | null => {
  const { state, bin } = look;
  const matured = (one: number): boolean => {
    const page = state.paths.paths.page(one);
    const key = at(page.rttKey, slotOf(one)) - 1;
    const isLong = at(page.traces, slotOf(one)) >= 8;
    return isLong && (key < 0 || isMature(state, key, bin));
  };
  if (matured(path) || !state.paths.pathsOf(target).some(matured)) return null;
  return at(state.paths.paths.page(path).firstBin, slotOf(path)) * state.binMs;
};
