import type { Candidate, Fit, Model, Selected } from './candidate.ts';

/** Each round explains something; this many are more than any bin has. */
const defaultRounds = 4_000;
/** Sweeps that try to exchange or drop what was accepted. */
const refinementSweeps = 2;
/** An exchange must gain this many nats more, so that ties do not swing. */
const exchangeNats = 0.5;

type Standing<C extends Candidate> = Selected<C> & { fit: Fit; at: number };

/**
 * Picks the candidate that explains most beyond its penalty, takes what it explains off the
 * observations, and repeats until nothing gains. What was accepted early is then weighed again
 * beside the rest and exchanged or dropped where another explains it better.
 */
export const selectCauses = <C extends Candidate>({
  model,
  candidates,
  observationCount,
  refine = true,
  maximumRounds = defaultRounds,
}: {
  model: Model;
  candidates: readonly C[];
  observationCount: number;
  refine?: boolean;
  maximumRounds?: number;
}): Selected<C>[] => {
  const sorted = [...candidates].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const search = createSearch(model, sorted, observationCount);
  search.fill(maximumRounds);
  for (let sweep = 0; refine && sweep < refinementSweeps; sweep += 1) {
    if (!search.weighAgain()) break;
    search.fill(maximumRounds);
  }
  return search.result();
};

const createSearch = <C extends Candidate>(
  model: Model,
  candidates: readonly C[],
  observationCount: number,
) => {
  const overlaps = indexOverlaps(candidates, observationCount);
  const fits: (Fit | null)[] = candidates.map((each) => model.fit(each.members, each.minimum));
  const taken = new Set<number>();
  let standing: Standing<C>[] = [];

  const gainOf = (at: number): number => {
    const fit = fits[at];
    if (fit === null || fit === undefined || taken.has(at)) return Number.NEGATIVE_INFINITY;
    return fit.gainNats - (candidates[at] as C).penaltyNats;
  };
  const refit = (around: readonly number[]): void => {
    for (const at of around) {
      const { members, minimum } = candidates[at] as C;
      fits[at] = model.fit(members, minimum);
    }
  };
  const bestOf = (among: Iterable<number>): number => {
    let best = -1;
    let bestGain = Number.NEGATIVE_INFINITY;
    for (const at of among) {
      const gain = gainOf(at);
      if (gain > bestGain) [best, bestGain] = [at, gain];
    }
    return best;
  };

  const accept = (at: number): void => {
    const candidate = candidates[at] as C;
    const fit = fits[at] as Fit;
    const gainNats = gainOf(at);
    const rivals = overlaps(at).filter(
      (other) => gainOf(other) > 0 && candidates[other]?.elementId !== candidate.elementId,
    );
    const before = rivals.map(gainOf);
    taken.add(at);
    model.explain(coveredBy(candidate), fit);
    refit(overlaps(at));
    const rival = strongestRival(rivals, before, gainOf);
    standing.push({
      candidate,
      fit,
      at,
      magnitude: fit.magnitude,
      spread: fit.spread,
      gainNats,
      marginNats: gainNats - rival.contestedNats,
      runnerUp: rival.at === null ? null : (candidates[rival.at] as C),
    });
  };
  const withdraw = (one: Standing<C>): void => {
    standing = standing.filter((other) => other !== one);
    taken.delete(one.at);
    model.restore(coveredBy(one.candidate), one.fit);
    refit(overlaps(one.at));
  };

  const fill = (maximumRounds: number): void => {
    const all = candidates.map((_, at) => at);
    while (standing.length < maximumRounds) {
      const best = bestOf(all);
      if (best < 0 || gainOf(best) <= 0) return;
      accept(best);
    }
  };

  /** Whether anything was exchanged or dropped. Alone in its surroundings a cause stands as it is. */
  const weighAgain = (): boolean => {
    let changed = false;
    for (const one of [...standing]) {
      const near = overlaps(one.at);
      if (!near.some((other) => other !== one.at && taken.has(other))) continue;
      withdraw(one);
      const best = bestOf(near);
      if (best < 0 || gainOf(best) <= 0) {
        changed = true;
        continue;
      }
      const exchanged = best !== one.at && gainOf(best) > gainOf(one.at) + exchangeNats;
      changed ||= exchanged;
      accept(exchanged || gainOf(one.at) <= 0 ? best : one.at);
    }
    return changed;
  };

  const result = (): Selected<C>[] =>
    standing.map(({ fit: _fit, at: _at, ...selected }) => selected);
  return { fill, weighAgain, result };
};

/**
 * The candidate that would have explained most of the same. What it still gains once the accepted one
 * is taken off is another cause beside it and contests nothing.
 */
const strongestRival = (
  rivals: readonly number[],
  before: readonly number[],
  gainAfter: (at: number) => number,
): { at: number | null; contestedNats: number } => {
  let strongest: { at: number | null; contestedNats: number } = { at: null, contestedNats: 0 };
  for (const [position, at] of rivals.entries()) {
    const contestedNats = (before[position] as number) - Math.max(0, gainAfter(at));
    if (contestedNats > strongest.contestedNats) strongest = { at, contestedNats };
  }
  return strongest;
};

const coveredBy = (candidate: Candidate | undefined): Int32Array =>
  candidate?.covers ?? candidate?.members ?? new Int32Array();

/** For each candidate those that share an observation with it, itself among them, ascending. */
const indexOverlaps = <C extends Candidate>(candidates: readonly C[], observationCount: number) => {
  const byObservation: number[][] = Array.from({ length: observationCount }, () => []);
  for (const [at, { members }] of candidates.entries()) {
    for (const index of members) byObservation[index]?.push(at);
  }
  const known = new Map<number, number[]>();
  return (at: number): number[] => {
    const seen = known.get(at);
    if (seen !== undefined) return seen;
    const near = new Set<number>([at]);
    for (const index of coveredBy(candidates[at])) {
      for (const other of byObservation[index] ?? []) near.add(other);
    }
    const sorted = [...near].sort((a, b) => a - b);
    known.set(at, sorted);
    return sorted;
  };
};
