import type { Delta, LossCount, TraceView } from './bin-view.ts';
import { at, slotOf } from './columns.ts';
import { deltaOf, isMeasured, type Look } from './delta.ts';
import { isMature, isReady } from './owners.ts';

/** The way that the newest trace to a target took; null: none was made of late. */
export const traceView = (look: Look, targetKey: number): TraceView | null => {
  const { state, bin } = look;
  const target = targetKey < 0 ? undefined : state.paths.find(targetKey);
  if (target === undefined) return null;
  const page = state.paths.targets.page(target);
  const path = at(page.current, slotOf(target)) - 1;
  if (path < 0) return null;
  const known = state.paths.paths.page(path);
  if (bin - at(known.bin, slotOf(path)) > state.how.longestGap) return null;
  return new LazyTrace(look, { target, path, targetKey });
};

/** Made piece by piece, as most traces are looked at for their addresses only. */
class LazyTrace implements TraceView {
  readonly hops: TraceView['hops'];
  readonly mtuBlackHole: boolean;
  readonly mtuBytes: number | null;
  readonly #look: Look;
  readonly #of: { target: number; path: number; targetKey: number };
  #rtt: Delta | null | undefined;

  constructor(look: Look, of: { target: number; path: number; targetKey: number }) {
    const page = look.state.paths.targets.page(of.target);
    const slot = slotOf(of.target);
    this.#look = look;
    this.#of = of;
    this.hops = hopViews(look, of.path);
    this.mtuBlackHole = at(page.blackHole, slot) === 1;
    this.mtuBytes = at(page.mtuBytes, slot) === 0 ? null : at(page.mtuBytes, slot);
  }

  get signature(): string {
    return this.hops.map(({ address }) => address ?? '*').join(' ');
  }
  get changedAtMs(): number | null {
    return changedAtMs(this.#look, this.#of.target, this.#of.path);
  }
  get loss(): LossCount | null {
    const { state, bin } = this.#look;
    const { loss } = state.paths.targets.page(this.#of.target);
    return state.losses.read(at(loss, slotOf(this.#of.target)), bin);
  }
  get rtt(): Delta | null {
    if (this.#rtt === undefined) {
      const { path, targetKey } = this.#of;
      const rttKey = at(this.#look.state.paths.paths.page(path).rttKey, slotOf(path)) - 1;
      this.#rtt = better(deltaOf(this.#look, rttKey), deltaOf(this.#look, targetKey));
    }
    return this.#rtt;
  }
}

/** A history of this very way, where it is as long as the one over all ways; else that. */
const better = (own: Delta | null, any: Delta | null): Delta | null => {
  if (own === null || any === null) return own ?? any;
  return own.ready || !any.ready ? own : any;
};

type HopView = TraceView['hops'][number];

const hopViews = (look: Look, path: number): TraceView['hops'] => {
  const { state } = look;
  const page = state.paths.paths.page(path);
  const first = at(page.firstHop, slotOf(path));
  const hops: HopView[] = [];
  for (let i = 0; i < at(page.hops, slotOf(path)); i += 1) {
    hops.push(new LazyHop(look, first + i, i + 1));
  }
  return hops;
};

class LazyHop implements HopView {
  readonly ttl: number;
  readonly address: string | null;
  readonly asn: number | null;
  readonly sentCount: number;
  readonly receivedCount: number;
  readonly rttMinMs: number | null;
  readonly answers: number;
  readonly #look: Look;
  readonly #row: number;
  #delta: Delta | null | undefined;
  #loss: LossCount | null | undefined;

  constructor(look: Look, row: number, ttl: number) {
    const { state, bin } = look;
    const hop = state.paths.hops.page(row);
    const slot = slotOf(row);
    const isNow = hop.bin[slot] === bin;
    const address = hop.address[slot] as number;
    const asn = hop.asn[slot] as number;
    const rttMinMs = hop.rttMinMs[slot] as number;
    this.#look = look;
    this.#row = row;
    this.ttl = ttl;
    this.address = address === 0 ? null : state.addresses.textOf(address);
    this.asn = asn === 0 ? null : asn;
    this.sentCount = isNow ? (hop.sent[slot] as number) : 0;
    this.receivedCount = isNow ? (hop.received[slot] as number) : 0;
    this.rttMinMs = isNow && !Number.isNaN(rttMinMs) ? rttMinMs : null;
    this.answers = hop.answers[slot] as number;
  }

  get delta(): Delta | null {
    if (this.#delta === undefined) {
      const hop = this.#look.state.paths.hops.page(this.#row);
      const slot = slotOf(this.#row);
      this.#delta = hopDelta(this.#look, at(hop.pathKey, slot) - 1, at(hop.anyKey, slot) - 1);
    }
    return this.#delta;
  }
  get rttMedianMs(): number | null {
    return this.delta?.nowMs ?? null;
  }
  get loss(): LossCount | null {
    if (this.#loss === undefined) {
      const { state, bin } = this.#look;
      const { loss } = state.paths.hops.page(this.#row);
      this.#loss = state.losses.read(at(loss, slotOf(this.#row)), bin);
    }
    return this.#loss;
  }
}

/**
 * While all is new (a device's first hours) a way first seen after the others would soon count as
 * normal: then the longer history decides, that of the address on any way.
 */
const hopDelta = (look: Look, pathKey: number, anyKey: number): Delta | null => {
  const { state, bin } = look;
  if (pathKey < 0) return null;
  if (!isMeasured(look, anyKey)) return deltaOf(look, pathKey);
  const isKnown = isReady(state, anyKey, bin);
  if (isKnown && isYoungBeside(look, pathKey, anyKey)) return deltaOf(look, anyKey);
  const isOwn = isMeasured(look, pathKey) && (!isKnown || isReady(state, pathKey, bin));
  return deltaOf(look, isOwn ? pathKey : anyKey);
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
