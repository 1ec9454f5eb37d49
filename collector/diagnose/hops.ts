import type { Hop } from '#contract/body/path.ts';

/** From where on a path is slower, or slower than it was. */
export type HopStep = {
  /** Last hop before the rise; null: the rise is at the first hop that answers. */
  last: Hop | null;
  first: Hop;
  riseMs: number;
  /** Compared with earlier traces, or the largest step within this one. */
  comparedWith: 'past' | 'itself';
};

/** A rise below this is within the noise of routers that answer from their slow path. */
const leastRiseMs = 5;

/** Hops as stored; a cut-off text is no evidence. */
export const storedHops = (text: string | null): Hop[] => {
  if (text === null) return [];
  try {
    return JSON.parse(text) as Hop[];
  } catch {
    return [];
  }
};

/**
 * The first hop from which the delay rises and stays. A late hop proves nothing, as routers answer
 * time-exceeded from a slow path and rate-limit it: what counts is the floor, the least any hop
 * from here on takes. A silent hop is passed over.
 */
export const firstRaisedHop = (
  now: readonly Hop[],
  past: readonly (readonly Hop[])[],
): HopStep | undefined => {
  const floors = floorByTtl(now);
  const pastFloors = past.map(floorByTtl);
  const comparedWith = pastFloors.length === 0 ? 'itself' : 'past';
  const answering = now.filter((hop) => floors.has(hop.ttl) && hop.rttMinMs !== null);
  const rises = answering.map((hop) => (floors.get(hop.ttl) ?? 0) - least(pastFloors, hop.ttl));
  const endMs = rises.at(-1) ?? 0;
  if (endMs < leastRiseMs) return undefined;
  const index = comparedWith === 'past' ? firstStaying(rises) : largestStep(rises);
  const first = answering[index];
  if (first === undefined) return undefined;
  const riseMs = comparedWith === 'past' ? endMs : (rises[index] ?? 0) - (rises[index - 1] ?? 0);
  return { last: answering[index - 1] ?? null, first, riseMs, comparedWith };
};

/** Hops that answered late although a later hop did not: named so that nobody blames them. */
export const lateButInnocent = (hops: readonly Hop[]): Hop[] => {
  const floors = floorByTtl(hops);
  return hops.filter(
    (hop) =>
      hop.rttMedianMs !== null && hop.rttMedianMs - (floors.get(hop.ttl) ?? 0) > 4 * leastRiseMs,
  );
};

const floorByTtl = (hops: readonly Hop[]): Map<number, number> => {
  const floors = new Map<number, number>();
  let floorMs = Number.POSITIVE_INFINITY;
  for (const hop of [...hops].reverse()) {
    floorMs = Math.min(floorMs, hop.rttMinMs ?? Number.POSITIVE_INFINITY);
    if (Number.isFinite(floorMs)) floors.set(hop.ttl, floorMs);
  }
  return floors;
};

/** The best this hop did before: the least over the earlier traces; 0 where it was not seen. */
const least = (past: readonly Map<number, number>[], ttl: number): number => {
  const known = past.map((floors) => floors.get(ttl)).filter((ms) => ms !== undefined);
  return known.length === 0 ? 0 : Math.min(...known);
};

/** First index from which at least half of the end's rise is there at every later hop. */
const firstStaying = (rises: readonly number[]): number => {
  const halfMs = (rises.at(-1) ?? 0) / 2;
  return rises.findLastIndex((riseMs) => riseMs < halfMs) + 1;
};

const largestStep = (rises: readonly number[]): number => {
  let index = 0;
  let largestMs = rises[0] ?? 0;
  for (let i = 1; i < rises.length; i += 1) {
    const stepMs = (rises[i] ?? 0) - (rises[i - 1] ?? 0);
    if (stepMs > largestMs) {
      largestMs = stepMs;
      index = i;
    }
  }
  return index;
};
