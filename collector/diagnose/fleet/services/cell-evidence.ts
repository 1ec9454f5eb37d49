import type { BinView, Cell } from '../bin-view.ts';
import type { Observation } from '../map/delay-model.ts';
import { createDisturbances, type Disturbance } from './disturbance.ts';
import { lastingSingles } from './singles.ts';

/** From so many samples on, one bin's median speaks for itself. */
const enoughSamples = 12;
/** Below, each sample speaks for itself, and more bins are asked. */
const fewSamples = 5;
/** One request in thirty takes two to four times as long: so often half of few are such. */
const slowRequests = 0.03;
/** Share of medians that something else has moved: of one bin at least, of two, of half a dozen. */
const contamination = { lookup: 0.01, few: 4e-3, once: 1e-5, twice: 1e-7, lasting: 1e-8 } as const;
/** Of this bin's rise, what the bin before shows too. */
const twiceShare = 0.5;
/** A jump of several devices at once, so far beyond their scatter, needs no second bin. */
const clear = { samples: 8, devices: 4, scales: 8 } as const;
/** One sample shows a cause's scatter in full. */
const singleSpread = 1.2;
/** Below, look-ups are as good as always cached; a cached one scatters so much, waiting for the edge. */
const leastMisses = 0.03;
const cachedScaleMs = 2;
/** One that no cache answers differs by a third from the next, though few have been seen. */
const missScatter = 0.35;
/** From so many samples on, a median follows single delays little. */
const steadySamples = 5;
/** Scale of a median of n samples from their mean absolute deviation, with slack for its error. */
const medianScale = 1.4;
/** The smaller of two bins' differences scatters less. */
const persistentScale = 0.83;
/** Of a rise of the way, so much is left as noise after the round trips were taken off. */
const leftOfWay = 0.7;
/** A cell met only by devices whose own network is off weighs this much less. */
const hotDiscount = 0.6;
/** Request and answer, and both segments of each, may be lost and come a timeout later (RFC 6298). */
const packetsOfPart = 2;

/** Turns cells into observations: what a bin says of a part, and how far it can be trusted. */
export const createCellEvidence = (view: BinView) => {
  const disturbanceOf = createDisturbances(view);

  const observe = (
    cell: Cell,
    valueMs: number,
    scaleMs: number,
    contaminated: number,
  ): Observation => {
    const disturbance = disturbanceOf(cell, cell.deviceCount);
    const { tripRiseMs, tripUsualMs } = disturbance;
    const isTwice = cell.part === 'tls' && cell.delta.normalMs >= secondTripShare * tripUsualMs;
    return {
      residualMs: isTwice ? lessSecondTrip(valueMs, tripRiseMs) : valueMs,
      scaleMs: Math.hypot(
        scaleMs,
        jitterMs(cell, disturbance),
        tripScatter[cell.part] * tripRiseMs,
      ),
      weight: 1 - hotDiscount * disturbance.hotShare,
      contamination: Math.max(contaminated, retransmittedMedian(cell, disturbance)),
      reference: true,
      // The middle of few samples follows a cause that scatters: a queue's, by all of it.
      spreadShare: Math.max(1, Math.sqrt(steadySamples / Math.max(1, cell.delta.sampleCount))),
    };
  };

  /** No other vouches for it: one request in thirty takes two to four times as long. */
  const single = (cell: Cell, valueMs: number): Observation => {
    const { delta, sampleSpreadMs, misses } = cell;
    const one = { ...cell, delta: { ...delta, sampleCount: 1 } };
    const ownMs = Math.max(delta.scaleMs / 2, sampleSpreadMs);
    const hasMisses = misses !== undefined && misses.share > leastMisses;
    const scaleMs = hasMisses ? Math.max(delta.scaleMs, cachedScaleMs) : ownMs;
    // None seen yet, though they may come: what they take is not known either.
    const isUnseen = hasMisses && misses.ms === 0;
    const oddLookups = isUnseen ? misses.share : contamination.lookup;
    return {
      ...observe(one, valueMs, scaleMs, hasMisses ? oddLookups : slowRequests),
      spreadShare: singleSpread,
      ...(hasMisses && !isUnseen
        ? {
            slower: {
              share: misses.share,
              ms: misses.ms,
              scaleMs: Math.max(misses.spreadMs, ownMs / 2, missScatter * misses.ms),
            },
          }
        : {}),
    };
  };

  return {
    /** Rests on this bin where many samples agree, else on this and the one before; of few on each. */
    persistent(cell: Cell): Observation[] {
      const { delta } = cell;
      const { sampleCount: count, persistentMs, persistentScaleMs } = delta;
      const scaleMs = scaleOf(cell, delta.scaleMs, 1);
      if (count >= enoughSamples || isClear(cell, scaleMs)) {
        const isTwice = persistentMs !== null && persistentMs >= twiceShare * delta.fastMs;
        const share = isTwice ? chanceTwice(cell) : chance(count);
        return [observe(cell, delta.fastMs, scaleMs, share)];
      }
      const few = singlesOf(cell);
      if (few !== undefined) return few.map((ms) => single(cell, ms));
      if (persistentMs === null) return [];
      const lesserMs = scaleOf(cell, persistentScaleMs, persistentScale);
      return [observe(cell, persistentMs, lesserMs, chanceTwice(cell))];
    },
    /** Rests on this bin alone; what many cells share needs no second one. */
    fast(cell: Cell): Observation {
      const { delta } = cell;
      const scaleMs = scaleOf(cell, delta.scaleMs, 1);
      return observe(cell, delta.fastMs, scaleMs, chance(delta.sampleCount));
    },
    /** Rests on half a dozen bins: what is too small for one is seen in their mean. */
    lasting(cell: Cell): Observation | null {
      if (cell.lasting === null || isFew(cell)) return null;
      const { ms, scaleShare } = cell.lasting;
      const scaleMs = scaleShare * scaleOf(cell, cell.delta.scaleMs, 1);
      const share = cell.deviceCount < fewSamples ? chance(fewSamples) : contamination.lasting;
      return observe(cell, ms, scaleMs, share);
    },
  };
};
/** None of many samples vouches for another. */
const isFew = ({ delta, singlesMs }: Cell): boolean =>
  delta.sampleCount < fewSamples && singlesMs !== undefined;

/** Of few samples those that a finding rests on, newest first, as differences from normal; else undefined. */
export const singlesOf = (cell: Cell): readonly number[] | undefined =>
  isFew(cell) ? lastingSingles(cell.singlesMs ?? []) : undefined;

export type CellEvidence = ReturnType<typeof createCellEvidence>;

const isClear = ({ delta, deviceCount }: Cell, scaleMs: number): boolean =>
  delta.sampleCount >= clear.samples &&
  deviceCount >= clear.devices &&
  delta.fastMs > clear.scales * scaleMs;

/** That the middle of a bin's samples, or of two bins', is off for no reason that lasts. */
const chance = (count: number): number =>
  count < fewSamples
    ? contamination.few
    : Math.max(contamination.once, atLeastHalf(Math.min(mostCounted, count), slowRequests));
/** Few devices' samples are those of three bins: the second hardly says more. */
const chanceTwice = ({ delta, deviceCount }: Cell): number => {
  const once = chance(delta.sampleCount);
  return deviceCount < fewSamples ? once : Math.max(contamination.twice, once ** 1.5);
};

/**
 * One round trip was taken off the handshake; TLS 1.2 takes two, and a run does not say which it is. So
 * where as much as a second one usually is left, a rise that a slower way would make by itself is not
 * counted.
 */
const secondTripShare = 0.7;

const lessSecondTrip = (valueMs: number, tripRiseMs: number): number =>
  valueMs <= 0 ? valueMs : Math.max(0, valueMs - tripRiseMs);

/** What is left of a slower way that scatters, after one round trip's worth was taken off. */
const tripScatter = { 'in-edge': 0, dns: 0, tls: 0.3, server: 0.2, transfer: 0.4 } as const;

const scaleOf = (cell: Cell, ownMs: number, share: number): number =>
  Math.max(
    ownMs,
    (share * medianScale * cell.sampleSpreadMs) / Math.sqrt(Math.max(1, cell.delta.sampleCount)),
  );

const jitterMs = (cell: Cell, { hotShare, jitterMs: each }: Disturbance): number =>
  (leftOfWay * each * hotShare) / Math.sqrt(Math.max(1, cell.delta.sampleCount));

/**
 * Chance that the middle one of n samples waited for a lost packet to be sent again. On a way that
 * loses, a server looks slow by timeouts in single runs; that is the way's doing.
 */
const retransmittedMedian = (
  cell: Cell,
  { losingShare, lossRatio, farLossRatio }: Disturbance,
): number => {
  if (lossRatio === 0 && farLossRatio === 0) return 0;
  const count = Math.min(mostCounted, Math.max(1, cell.delta.sampleCount));
  const losing = Math.round(losingShare * count);
  const far = chancesOf(count - losing, waitsOf(farLossRatio));
  const near = chancesOf(losing, waitsOf(lossRatio + farLossRatio));
  let sum = 0;
  for (const [a, first] of near.entries()) {
    for (const [b, second] of far.entries()) sum += halfOf(count, a + b) * first * second;
  }
  return Math.min(0.6, sum);
};

const waitsOf = (lossRatio: number): number => Math.min(0.6, packetsOfPart * lossRatio);
const mostCounted = 25;

/** P(more than half of n), binomial; an even half counts half. */
const atLeastHalf = (count: number, share: number): number =>
  chancesOf(count, share).reduce((sum, each, hit) => sum + halfOf(count, hit) * each, 0);
const halfOf = (count: number, hit: number): number =>
  2 * hit > count ? 1 : 2 * hit === count ? 0.5 : 0;

/** P(none of n), P(one), …, binomial. */
const chancesOf = (count: number, share: number): number[] => {
  let ways = 1;
  return Array.from({ length: count + 1 }, (_, hit) => {
    const each = ways * share ** hit * (1 - share) ** (count - hit);
    ways = (ways * (count - hit)) / (hit + 1);
    return each;
  });
};
