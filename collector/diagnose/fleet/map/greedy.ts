import type { Candidate, Fit, Model, Selected } from './candidate.ts';

/** Each round explains something; this many are more than any bin has. */
const defaultRounds = 4_000;
/** Sweeps that try to exchange or drop what was accepted. */
const refinementSweeps = 2;
/** An exchange must gain this many nats more, so that ties do not swing. */
const exchangeNats = 0.5;

type Standing<C extends Candidate> = Selected<C> & { fit: Fit; at: number; contested: boolean };

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
    if (!search.weighAgain(maximumRounds)) break;
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
  const fits: (Fit | null)[] = candidates.map((each) => model.fit(each));
  const taken = new Set<number>();
  let standing: Standing<C>[] = [];

  const gainOf = (at: number): number => {
    const fit = fits[at];
    if (fit === null || fit === undefined || taken.has(at)) return Number.NEGATIVE_INFINITY;
    return fit.gainNats - (candidates[at] as C).penaltyNats;
  };
  const refit = (around: readonly number[]): void => {
    for (const at of around) {
      fits[at] = model.fit(candidates[at] as C);
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

  const accept = (at: number): Standing<C> => {
    const candidate = candidates[at] as C;
    const fit = fits[at] as Fit;
    const gainNats = gainOf(at);
    const near = overlaps(at);
    const likely = near.filter((other) => other !== at && gainOf(other) > 0);
    const rivals = likely.filter((other) => candidates[other]?.elementId !== candidate.elementId);
    const before = rivals.map(gainOf);
    taken.add(at);
    model.explain(coveredBy(candidate), fit);
    refit(near);
    const rival = strongestRival(rivals, before, gainOf);
    const one: Standing<C> = {
      candidate,
      fit,
      at,
      magnitude: fit.magnitude,
      spread: fit.spread,
      gainNats,
      marginNats: gainNats - rival.contestedNats,
      runnerUp: rival.at === null ? null : (candidates[rival.at] as C),
      contested: likely.length > 0,
    };
    standing.push(one);
    return one;
  };
  const withdraw = (one: Standing<C>): void => {
    standing = standing.filter((other) => other !== one);
    taken.delete(one.at);
    model.restore(coveredBy(one.candidate), one.fit);
    refit(overlaps(one.at));
  };

  /** Accepts what gains most among these until nothing gains; what it accepted. */
  const fillFrom = (among: readonly number[], maximumRounds: number): Standing<C>[] => {
    const accepted: Standing<C>[] = [];
    while (standing.length < maximumRounds) {
      const best = bestOf(among);
      if (best < 0 || gainOf(best) <= 0) break;
      accepted.push(accept(best));
    }
    return accepted;
  };
  const all = candidates.map((_, at) => at);
  const fill = (maximumRounds: number): void => {
    fillFrom(all, maximumRounds);
  };

  /**
   * Whether anything was exchanged. Each cause is taken away and its surroundings are explained without
   * it: several narrow causes may explain together what a broad one, chosen first, explained worse.
   */
  const weighAgain = (maximumRounds: number): boolean => {
    let changed = false;
    for (const one of [...standing]) {
      if (!taken.has(one.at)) continue;
      if (!one.contested) continue;
      const near = overlaps(one.at).filter((other) => other !== one.at);
      withdraw(one);
      const gainNats = gainOf(one.at);
      const instead = fillFrom(near, maximumRounds);
      const insteadNats = instead.reduce((sum, other) => sum + other.gainNats, 0);
      if (insteadNats > Math.max(0, gainNats) + exchangeNats || gainNats <= 0) {
        changed = true;
        continue;
      }
      for (const other of instead.reverse()) withdraw(other);
      accept(one.at);
    }
    return changed;
  };

  const result = (): Selected<C>[] =>
    standing.map(({ fit: _fit, at: _at, contested: _contested, ...selected }) => selected);
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
  const { starts, owners } = byObservation(candidates, observationCount);
  const known = new Map<number, number[]>();
  return (at: number): number[] => {
    const seen = known.get(at);
    if (seen !== undefined) return seen;
    const near = new Set<number>([at]);
    for (const index of coveredBy(candidates[at])) {
      const end = starts[index + 1] as number;
      for (let i = starts[index] as number; i < end; i += 1) near.add(owners[i] as number);
    }
    const sorted = [...near].sort((a, b) => a - b);
    known.set(at, sorted);
    return sorted;
  };
};

/** The candidates of observation i are `owners[starts[i]]` to `owners[starts[i + 1]]`: there are millions. */
const byObservation = (candidates: readonly Candidate[], observationCount: number) => {
  const starts = new Uint32Array(observationCount + 1);
  for (const { members } of candidates) {
    for (const index of members) starts[index + 1] = (starts[index + 1] as number) + 1;
  }
  for (let i = 1; i < starts.length; i += 1) {
    starts[i] = (starts[i] as number) + (starts[i - 1] as number);
  }
  const next = starts.slice();
  const owners = new Uint32Array(starts[observationCount] as number);
  for (const [at, { members }] of candidates.entries()) {
    for (const index of members) {
      owners[next[index] as number] = at;
      next[index] = (next[index] as number) + 1;
    }
  }
  return { starts, owners };
};
