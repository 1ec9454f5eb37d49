import { describe, expect, it } from 'vitest';
import { distanceKm, maxMeasured, shortlist } from '#agent/tunnel/shortlist.ts';
import type { EdgeEntry } from '#contract/policy.ts';
import type { Position } from '#contract/scalar.ts';

const entry = (id: string, position?: Position): EdgeEntry => ({
  id,
  host: `${id}.test`,
  port: 443,
  serverName: `${id}.test`,
  location: id,
  ...(position ? { position } : {}),
});

/** 200 edges on a grid of ten latitudes and twenty longitudes. */
const world = Array.from({ length: 200 }, (_, index) =>
  entry(`e${String(index).padStart(3, '0')}`, {
    latitude: -60 + 12 * (index % 10),
    longitude: -180 + 18 * Math.floor(index / 10),
  }),
);
const oslo = { latitude: 59.9, longitude: 10.7 };
const none = { keep: [], rttMs: new Map<string, number>(), failed: new Set<string>() };
const ids = (edges: readonly EdgeEntry[]) => edges.map(({ id }) => id);
const reversed = [...world].reverse();

/** What a device at a place would measure: 1 ms for each 100 km there and back. */
const measuredFrom = (place: Position, edges: readonly EdgeEntry[]) =>
  new Map(edges.map((edge) => [edge.id, distanceKm(place, edge.position ?? place) / 50 + 1]));

describe('of 200 edges', () => {
  it('a device that knows where it stands measures the 16 nearest', () => {
    const chosen = shortlist({ ...none, edges: world, position: oslo });
    expect(chosen).toHaveLength(maxMeasured);
    const farthestKm = Math.max(
      ...chosen.map(({ position }) => distanceKm(oslo, position ?? oslo)),
    );
    const nearer = world.filter((each) => distanceKm(oslo, each.position ?? oslo) < farthestKm);
    expect(nearer.length).toBeLessThan(maxMeasured);
    expect(shortlist({ ...none, edges: reversed, position: oslo })).toEqual(chosen);
  });

  it('one that does not measures a spread over the map, the same in whatever order they come', () => {
    const chosen = shortlist({ ...none, edges: world });
    expect(chosen).toHaveLength(maxMeasured);
    expect(shortlist({ ...none, edges: reversed })).toEqual(chosen);
    for (const one of world) {
      const km = chosen.map((each) => distanceKm(each.position ?? oslo, one.position ?? oslo));
      expect(Math.min(...km)).toBeLessThan(5_000);
    }
  });

  it('and then the neighbours of the fastest, until it has the nearest of all', () => {
    let chosen = shortlist({ ...none, edges: world });
    for (let round = 0; round < 4; round++) {
      chosen = shortlist({ ...none, edges: world, rttMs: measuredFrom(oslo, chosen) });
    }
    const byDistance = [...world].sort(
      (a, b) => distanceKm(oslo, a.position ?? oslo) - distanceKm(oslo, b.position ?? oslo),
    );
    expect(ids(chosen)).toContain(byDistance[0]?.id);
    expect(shortlist({ ...none, edges: reversed, rttMs: measuredFrom(oslo, chosen) })).toEqual(
      shortlist({ ...none, edges: world, rttMs: measuredFrom(oslo, chosen) }),
    );
  });

  it('keeps the pinned one and the one in use, and looks at those that fail last', () => {
    const keep = ['e000', 'e199'];
    const nearest = ids(shortlist({ ...none, edges: world, position: oslo }));
    const failed = new Set(nearest.slice(0, 5));
    const chosen = ids(shortlist({ ...none, edges: world, position: oslo, keep, failed }));
    expect(chosen).toEqual(expect.arrayContaining(keep));
    expect(chosen).toHaveLength(maxMeasured);
    expect(chosen.filter((id) => failed.has(id))).toEqual([]);
  });

  it('those that say no position come after those that do', () => {
    const some = [...world.slice(0, 20), ...Array.from({ length: 20 }, (_, i) => entry(`a${i}`))];
    const chosen = shortlist({ ...none, edges: some, position: oslo });
    expect(chosen.every(({ position }) => position !== undefined)).toBe(true);
    expect(shortlist({ ...none, edges: some.slice(20).concat(some.slice(0, 3)) })).toHaveLength(
      maxMeasured,
    );
  });
});

it('few edges are all measured', () => {
  expect(shortlist({ ...none, edges: world.slice(0, 16), position: oslo })).toHaveLength(16);
});
