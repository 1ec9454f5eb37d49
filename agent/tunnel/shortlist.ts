import type { EdgeEntry } from '#contract/policy.ts';
import type { Position } from '#contract/scalar.ts';

/** Edges that are measured, of which each costs a session and a ping a second. */
export const maxMeasured = 16;

/** Beside the fastest and its neighbours: the next best, far enough away to be a standby. */
const keptBest = 4;

/**
 * Which edges of a catalogue to measure; all, where they are few. Else the nearest ones if the device
 * knows where it stands. If not: first a spread over the map, and once that has been measured the
 * neighbours of the fastest. The same facts give the same list, in whatever order the edges come.
 */
export const shortlist = (facts: {
  edges: readonly EdgeEntry[];
  position?: Position | undefined;
  /** The pinned edge and the one in use: always on the list. */
  keep: readonly string[];
  /** Measured round trips; empty before the first. */
  rttMs: ReadonlyMap<string, number>;
  /** Could not be reached: looked at last. */
  failed: ReadonlySet<string>;
}): EdgeEntry[] => {
  const { edges, position } = facts;
  if (edges.length <= maxMeasured) return [...edges];
  const byId = [...edges].sort((a, b) => (a.id < b.id ? -1 : 1));
  const kept = byId.filter(({ id }) => facts.keep.includes(id));
  const hopeful = byId.filter((edge) => !kept.includes(edge) && !facts.failed.has(edge.id));
  const failed = byId.filter((edge) => !kept.includes(edge) && facts.failed.has(edge.id));
  const wanted = position ? nearestTo(position, hopeful) : unplaced(hopeful, kept, facts.rttMs);
  return [...kept, ...wanted, ...failed].slice(0, maxMeasured);
};

const unplaced = (
  hopeful: readonly EdgeEntry[],
  kept: readonly EdgeEntry[],
  rttMs: ReadonlyMap<string, number>,
): EdgeEntry[] => {
  const measured = [...kept, ...hopeful]
    .flatMap((edge) => {
      const ms = rttMs.get(edge.id);
      return ms === undefined ? [] : [{ edge, ms }];
    })
    .sort((a, b) => a.ms - b.ms)
    .map(({ edge }) => edge);
  const centre = measured.find(({ position }) => position !== undefined)?.position;
  if (!centre) return spread(hopeful);
  const best = measured.slice(0, keptBest).filter((edge) => !kept.includes(edge));
  return [...best, ...nearestTo(centre, hopeful).filter((edge) => !best.includes(edge))];
};

/** By distance; those that say no position come last. */
const nearestTo = (from: Position, edges: readonly EdgeEntry[]): EdgeEntry[] =>
  edges
    .map((edge) => ({ edge, km: edge.position ? distanceKm(from, edge.position) : unknownKm }))
    .sort((a, b) => a.km - b.km)
    .map(({ edge }) => edge);

const unknownKm = 1e6;

/** Farthest-point order: each next one is the farthest from all before it, so that any beginning of it is spread. */
const spread = (edges: readonly EdgeEntry[]): EdgeEntry[] => {
  const left = edges.map((edge) => ({ edge, km: Number.POSITIVE_INFINITY }));
  const taken: EdgeEntry[] = [];
  while (left.length > 0 && taken.length < maxMeasured) {
    const farthest = left.reduce((best, each) => (each.km > best.km ? each : best));
    left.splice(left.indexOf(farthest), 1);
    taken.push(farthest.edge);
    const from = farthest.edge.position;
    for (const each of left) {
      // Nobody knows how far the ones without a position are: they come after all others.
      const to = each.edge.position;
      each.km = from && to ? Math.min(each.km, distanceKm(from, to)) : to ? each.km : -1;
    }
  }
  return taken;
};

const earthRadiusKm = 6_371;
const radians = (degrees: number): number => (degrees * Math.PI) / 180;

/** Along the great circle (haversine). */
export const distanceKm = (a: Position, b: Position): number => {
  const half = (degrees: number) => Math.sin(radians(degrees) / 2) ** 2;
  const h =
    half(b.latitude - a.latitude) +
    Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * half(b.longitude - a.longitude);
  return 2 * earthRadiusKm * Math.asin(Math.min(1, Math.sqrt(h)));
};
