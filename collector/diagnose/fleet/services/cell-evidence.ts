import type { BinView, Cell } from '../bin-view.ts';
import type { Observation } from '../map/delay-model.ts';
import { createDisturbances, type Disturbance } from './disturbance.ts';
import { placeKeys, placeOf } from './place.ts';

/** From so many samples on, one bin's median speaks for itself. */
const enoughSamples = 12;
/** Below, a second bin is asked; of so few devices, a third. */
const fewSamples = 5;
/** Share of medians that something else has moved, by how many samples they rest on. */
const contamination = { enough: 1e-5, some: 3e-4, few: 4e-3 } as const;
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
  const isLasting = createLasting(view);

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

  return {
    /** Rests on this bin where many samples agree, else on this and the one before. */
    persistent(cell: Cell): Observation | null {
      const { delta } = cell;
      const count = delta.sampleCount;
      if (count >= enoughSamples) {
        return observe(cell, delta.fastMs, scaleOf(cell, delta.scaleMs, 1), contamination.enough);
      }
      if (delta.persistentMs === null) return null;
      const scaleMs = scaleOf(cell, delta.persistentScaleMs, persistentScale);
      const lasting = count < fewSamples && isLasting(cell, delta.persistentMs);
      return observe(
        cell,
        delta.persistentMs,
        scaleMs,
        lasting
          ? contamination.enough
          : count >= fewSamples
            ? contamination.some
            : contamination.few,
      );
    },
    /** Rests on this bin alone; what many cells share needs no second one. */
    fast(cell: Cell): Observation {
      const count = cell.delta.sampleCount;
      return observe(
        cell,
        cell.delta.fastMs,
        scaleOf(cell, cell.delta.scaleMs, 1),
        count >= enoughSamples
          ? contamination.enough
          : count >= fewSamples
            ? contamination.some
            : contamination.few,
      );
    },
  };
};
export type CellEvidence = ReturnType<typeof createCellEvidence>;

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
const retransmittedMedian = (cell: Cell, { lossRatio }: Disturbance): number => {
  if (lossRatio === 0) return 0;
  const chance = Math.min(0.6, packetsOfPart * lossRatio);
  const count = Math.min(25, Math.max(1, cell.delta.sampleCount));
  return Math.min(0.6, atLeastHalf(count, chance));
};

/** P(more than half of n), binomial; an even half counts half. */
const atLeastHalf = (count: number, chance: number): number => {
  let sum = 0;
  let ways = 1;
  for (let k = 0; k <= count; k += 1) {
    const each = ways * chance ** k * (1 - chance) ** (count - k);
    if (2 * k > count) sum += each;
    else if (2 * k === count) sum += each / 2;
    ways = (ways * (count - k)) / (k + 1);
  }
  return sum;
};

/** Share of the part's rise that the whole answer's must show in each of three bins. */
const shownShare = 0.5;
const binsShown = 3;

/**
 * Few devices, so no other device vouches for what they saw: one request in thirty takes two to four
 * times as long. Whether the whole answer was slower in three bins in a row tells the two apart.
 */
const createLasting = (view: BinView) => {
  let totals: Map<string, (readonly (number | null)[])[]> | undefined;
  return (cell: Cell, riseMs: number): boolean => {
    totals ??= recentTotalsByPlace(view);
    const known = placeKeys(cell)
      .map((key) => totals?.get(key))
      .find((found) => found !== undefined);
    const lasting = (known ?? []).filter((recent) => {
      const three = recent.slice(0, binsShown);
      return (
        three.length === binsShown && three.every((ms) => ms !== null && ms >= shownShare * riseMs)
      );
    });
    return 2 * lasting.length > cell.deviceCount;
  };
};

const recentTotalsByPlace = (view: BinView): Map<string, (readonly (number | null)[])[]> => {
  const few = new Set(
    view.cells
      .filter((cell) => cell.delta.sampleCount < fewSamples)
      .flatMap((cell) => placeKeys(cell)),
  );
  const totals = new Map<string, (readonly (number | null)[])[]>();
  for (const index of view.ailing) {
    for (const application of view.device(index).applications) {
      for (const key of placeKeys(placeOf(application))) {
        if (!few.has(key)) continue;
        const known = totals.get(key);
        if (known === undefined) totals.set(key, [application.recentTotals]);
        else known.push(application.recentTotals);
      }
    }
  }
  return totals;
};
