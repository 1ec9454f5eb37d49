import { describe, expect, it } from 'vitest';
import type { Candidate } from '#collector/diagnose/fleet/map/candidate.ts';
import { createDelayModel, type Observation } from '#collector/diagnose/fleet/map/delay-model.ts';
import { selectCauses } from '#collector/diagnose/fleet/map/greedy.ts';

const endToEnd = (residualMs: number): Observation => ({
  residualMs,
  scaleMs: 1,
  weight: 1,
  contamination: 0.004,
  reference: true,
  spreadShare: 1,
});
const hop = (residualMs: number): Observation => ({
  residualMs,
  scaleMs: 1,
  weight: 0.45,
  contamination: 0.12,
  reference: false,
  spreadShare: 0.75,
});
const candidate = (key: string, members: number[], penaltyNats = 9): Candidate => ({
  key,
  elementId: key,
  members: Int32Array.from(members),
  penaltyNats,
  minimum: 4,
});

const select = (observations: Observation[], candidates: Candidate[], oneSided = true) =>
  selectCauses({
    model: createDelayModel({ observations, oneSided }),
    candidates,
    observationCount: observations.length,
  });

describe('greedy selection', () => {
  it('prefers one broad cause to many narrow ones', () => {
    const observations = [30, 31, 29, 30, 32, 28].map(endToEnd);
    const narrow = observations.map((_, at) => candidate(`narrow-${at}`, [at]));
    const found = select(observations, [...narrow, candidate('broad', [0, 1, 2, 3, 4, 5])]);
    expect(found.map((one) => one.candidate.key)).toEqual(['broad']);
    expect(found[0]?.magnitude).toBeCloseTo(30, 0);
  });

  it('asks what lies next to a cause how much it adds, where that is known', () => {
    const model = createDelayModel({ observations: [40, 300, 290].map(endToEnd), oneSided: true });
    const all = candidate('wifi', [0, 1, 2]);
    expect(model.fit(all)?.magnitude).toBeGreaterThan(280);
    expect(model.fit({ ...all, nearest: Int32Array.of(0) })?.magnitude).toBe(40);
  });

  it('is not misled by one hop whose slowness does not go on', () => {
    const observations = [hop(0), hop(80), hop(0), endToEnd(0), endToEnd(0)];
    expect(select(observations, [candidate('from-hop-2', [1, 2, 3, 4])])).toEqual([]);
  });

  it('finds a second cause under a first that it overlaps', () => {
    const observations = [20, 21, 20, 19, 22, 20, 19, 60, 61, 59].map(endToEnd);
    const found = select(observations, [
      candidate('all', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
      candidate('right', [7, 8, 9]),
      candidate('one', [7]),
    ]);
    const added = new Map(found.map((one) => [one.candidate.key, Math.round(one.magnitude)]));
    expect(added).toEqual(
      new Map([
        ['all', 20],
        ['right', 40],
      ]),
    );
  });

  it('gives up a broad cause that several narrow ones explain better', () => {
    // Three homes with slow radios: the gateway of each is slow too, which no common network explains.
    const observations = Array.from({ length: 12 }, () => endToEnd(50));
    const homes = [0, 1, 2].map((at) =>
      candidate(
        `wifi-${at}`,
        [0, 1, 2, 3].map((of) => 4 * at + of),
      ),
    );
    const network = candidate('network', [1, 2, 3, 5, 6, 7, 9, 10, 11], 16);
    const found = select(observations, [...homes, network]);
    expect(found.map((one) => one.candidate.key).sort()).toEqual(['wifi-0', 'wifi-1', 'wifi-2']);
  });

  it('names the runner-up and by how much it lost', () => {
    const observations = [30, 31, 29, 30].map(endToEnd);
    const found = select(observations, [
      candidate('wide', [0, 1, 2, 3]),
      candidate('half', [0, 1, 2]),
    ]);
    expect(found[0]?.runnerUp?.key).toBe('half');
    expect(found[0]?.marginNats).toBeGreaterThan(0);
    expect(found[0]?.marginNats).toBeLessThan(found[0]?.gainNats ?? 0);
  });

  it('does not depend on the order of its candidates', () => {
    const observations = [30, 31, 29, 3, 25].map(endToEnd);
    const candidates = [
      candidate('a', [0, 1, 2]),
      candidate('b', [0, 1, 2]),
      candidate('c', [2, 3, 4]),
      candidate('d', [4]),
    ];
    expect(select(observations, candidates.toReversed())).toEqual(select(observations, candidates));
  });

  it('takes a hop’s negative shift for evidence only when errors are one-sided', () => {
    const observations = [hop(-40), hop(30), endToEnd(30)];
    const members = [0, 1, 2];
    const oneSided = select(observations, [candidate('c', members, 0)]);
    const symmetric = select(observations, [candidate('c', members, 0)], false);
    expect(oneSided[0]?.gainNats).not.toBe(symmetric[0]?.gainNats);
  });
});
