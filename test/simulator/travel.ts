import { type BinState, type Effect, legNow } from './bin-state.ts';
import type { Way } from './network.ts';
import type { WorldOptions } from './options.ts';
import type { Device, Leg } from './population.ts';
import type { Random } from './random.ts';
import type { Topology } from './topology.ts';
import type { Weather } from './weather.ts';

/** A way as it is in one bin: to hop i one samples from sums up to i. */
export type Passage = {
  way: Way;
  /** Of a detour: on the first link beyond the ISP. */
  extraMs: number;
  baseMs: Float64Array;
  /** Mean of the sum of queues, and the two factors of Wilson and Hilferty's gamma. */
  queueMs: Float64Array;
  shift: Float64Array;
  spread: Float64Array;
  /** A round trip up to hop i comes back. */
  passRatio: Float64Array;
  /** What faults add from a hop on. */
  added: { from: number; effect: Effect }[];
};

export type Travel = ReturnType<typeof createTravel>;

const spikeRatio = 0.0012;
const spikeMostMs = 250;

/** Round trips of single packets in one bin. */
export const createTravel = (
  { noiseFactor }: WorldOptions,
  topology: Topology,
  weather: Weather,
  random: Random,
) => {
  let state: BinState | undefined;
  const passages = new Map<Way, Passage[]>();
  const byLeg = new Map<Leg, Passage[]>();

  const open = (way: Way, extraMs: number): Passage => {
    const known = passages.get(way) ?? [];
    const found = known.find((passage) => passage.extraMs === extraMs);
    if (found) return found;
    const made = toPassage(way, state as BinState, weather, extraMs);
    passages.set(way, [...known, made]);
    return made;
  };

  return {
    random,
    begin(next: BinState) {
      state = next;
      passages.clear();
      byLeg.clear();
    },

    /** From a device's gateway on. `core` other than the leg's: another ECMP member. */
    firstLeg(device: Device, leg: Leg, core = leg.core): Passage {
      const byCore = byLeg.get(leg) ?? [];
      const known = byCore[core];
      if (known) return known;
      const now = legNow(state as BinState, device, leg);
      const { site } = device;
      const way = topology.firstLeg(site.line, site.ispIndex, core, leg.destination, now.leg.via);
      const made = open(way, now.extraMs[core] ?? 0);
      byCore[core] = made;
      byLeg.set(leg, byCore);
      return made;
    },

    /** From an edge on. */
    onward(way: Way): Passage {
      return open(way, 0);
    },

    /** Milliseconds there and back up to hop `at`. */
    roundTripMs(passage: Passage, at: number): number {
      const bell = (passage.shift[at] as number) + (passage.spread[at] as number) * random.normal();
      const queue = bell > 0 ? (passage.queueMs[at] as number) * bell * bell * bell : 0;
      let ms = (passage.baseMs[at] as number) + queue;
      if (random.unit() < spikeRatio * noiseFactor * (at + 1)) {
        ms += random.pareto(8, 1.5, spikeMostMs);
      }
      for (const { from, effect } of passage.added) if (from <= at) ms += drawMs(effect, random);
      return ms;
    },

    comesBack: (passage: Passage, at: number) => random.unit() < (passage.passRatio[at] as number),
  };
};

/** One packet's share of a fault: constant ± 20 %, or exponential (§16.2). */
export const drawMs = ({ ms, exponential }: Effect, random: Random): number => {
  if (ms === 0) return 0;
  return exponential ? random.exponential(ms) : ms * (0.8 + 0.4 * random.unit());
};

const toPassage = (way: Way, state: BinState, weather: Weather, extraMs: number): Passage => {
  const count = way.links.length;
  const make = () => new Float64Array(count);
  const passage: Passage = {
    way,
    extraMs,
    baseMs: make(),
    queueMs: make(),
    shift: make(),
    spread: make(),
    passRatio: make(),
    added: [],
  };
  let [base, mean, variance, pass] = [0, 0, 0, 1];
  for (const [i, link] of way.links.entries()) {
    const queueMs = weather.queueMs(link);
    base += Math.max(0.1, link.baseMs + weather.driftMs(link)) + (i === 4 ? extraMs : 0);
    mean += queueMs;
    variance += queueMs * queueMs;
    pass *= 1 - link.lossRatio;
    for (const effect of state.isQuiet ? [] : state.ofLink(link)) {
      pass *= 1 - effect.lossRatio;
      if (effect.ms > 0) passage.added.push({ from: i, effect });
    }
    setHop(passage, i, { base, mean, variance, pass });
  }
  return passage;
};

/** A sum of exponentials is close to a gamma of its mean and variance; its cube root to a normal. */
const setHop = (
  passage: Passage,
  i: number,
  { base, mean, variance, pass }: { base: number; mean: number; variance: number; pass: number },
): void => {
  const ninth = variance / (9 * mean * mean);
  passage.baseMs[i] = base;
  passage.queueMs[i] = mean;
  passage.shift[i] = 1 - ninth;
  passage.spread[i] = Math.sqrt(ninth);
  passage.passRatio[i] = pass;
};

export const lastHop = ({ way }: Passage): number => way.links.length - 1;
