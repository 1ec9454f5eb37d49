import { beforeAll, describe, expect, test } from 'vitest';
import { createEngineMethod } from '#test/bench/diagnosis/engine-method.ts';
import { elementOf, type Finding, type Method } from '#test/bench/diagnosis/finding.ts';
import { scoreWorld } from '#test/bench/diagnosis/run.ts';
import {
  areaUnderCurve,
  brierScore,
  expectedCalibrationError,
  riskAt,
} from '#test/bench/diagnosis/scoring/calibration.ts';
import { isRightElement } from '#test/bench/diagnosis/scoring/elements.ts';
import { createReservoir } from '#test/bench/diagnosis/scoring/reservoir.ts';
import { type Summary, summarise } from '#test/bench/diagnosis/scoring/summary.ts';
import { factsOf, pairsOf } from '#test/bench/diagnosis/world-facts.ts';
import type { Fault, Truth } from '#test/simulator/truth.ts';
import { createWorld, type World } from '#test/simulator/world.ts';

const binMs = 300_000;

/** Half a day to learn, most of it before faults begin, and three hours with faults. */
const smallWorld = (): World =>
  createWorld({
    seed: 7,
    devices: 25,
    warmDays: 0.25,
    scoredDays: 0.4,
    faultsPerDay: 40,
    sampleSeconds: 300,
  });

/** Says the truth, which no method is given: only a test can make one. */
const oracleOf = (world: World, truthAt: (fromMs: number) => Truth): Method => {
  const faults = new Map<string, Fault>(world.faults.map((fault) => [fault.id, fault]));
  return {
    name: 'oracle',
    close: ({ fromMs }) => {
      const truth = truthAt(fromMs);
      return pairsOf(world).flatMap((pair) =>
        truth.label(pair.deviceId, pair.appId) === 'degraded' ? [perfect(pair, truth, faults)] : [],
      );
    },
  };
};

const perfect = (
  pair: { deviceId: string; appId: string },
  truth: Truth,
  faults: ReadonlyMap<string, Fault>,
): Finding => ({
  ...pair,
  state: 'named',
  confidence: 1,
  causes: truth.addedMs(pair.deviceId, pair.appId).flatMap(({ faultId, ms, segments }) => {
    const fault = faults.get(faultId);
    const [segment] = segments;
    if (fault === undefined || segment === undefined) return [];
    const { family, cause: kind, element, startMs } = fault;
    const [id = ''] = element.ids;
    const [stretch] = element.stretches;
    const named =
      stretch === undefined ? elementOf(id) : elementOf(id, { ...stretch, asn: element.asn });
    return [{ family, kind, segment, element: named, addedMs: ms, startedAt: startMs }];
  }),
});

const constant = (world: World): Method => ({
  name: 'always the server',
  close: () =>
    pairsOf(world).map((pair) => ({
      ...pair,
      state: 'named',
      confidence: 0.5,
      causes: [
        {
          family: 'application',
          kind: 'delay',
          segment: 'server',
          element: elementOf(pair.appId),
          addedMs: 100,
          startedAt: null,
        },
      ],
    })),
});

describe('the scorecard', () => {
  const summaries = new Map<string, Summary>();
  beforeAll(() => {
    const world = smallWorld();
    const sheets = scoreWorld({
      world,
      methods: [
        createEngineMethod('engine', { binMs, facts: factsOf(world) }),
        oracleOf(world, world.truthAt),
        constant(world),
        { name: 'silent', close: () => [] },
      ],
    });
    for (const sheet of sheets) summaries.set(sheet.method, summarise([sheet], binMs));
  }, 240_000);

  test('gives a method that knows the truth full marks', () => {
    const oracle = summaries.get('oracle');
    expect(oracle).toMatchObject({
      ...{ segment: 100, element: 100, selective: 100, asn: 100, missed: 0, unknown: 0 },
      ...{ falseAlarms: 0, decoys: 0, detected: 100, detectP90: 1, msError: 0, ece: 0 },
    });
    expect(oracle?.ticketCount).toBeGreaterThan(50);
    expect(oracle?.vectorError).toBeCloseTo(0, 6);
  });

  test('gives one that always says the same, and one that says nothing, next to none', () => {
    const same = summaries.get('always the server');
    expect(same?.segment).toBeLessThan(40);
    expect(same?.missed).toBe(0);
    // One alarm that never ends for nearly every pair of the 90, not one a bin.
    expect(same?.falseAlarms).toBeGreaterThan(10);
    expect(same?.falseAlarms).toBeLessThan(500);
    expect(summaries.get('silent')).toMatchObject({
      ...{ segment: 0, missed: 100, falseAlarms: 0, detected: 0 },
    });
  });

  test('finds the engine right in a small world, so that a break is noticed without the whole bench', () => {
    const engine = summaries.get('engine');
    expect(engine?.segment).toBeGreaterThan(85);
    expect(engine?.element).toBeGreaterThan(80);
    // On its first day the fleet does not know yet that noon is busier than night.
    expect(engine?.falseAlarms).toBeLessThan(350);
    expect(engine?.msError).toBeLessThan(25);
  });

  test('tells how far stated and true certainty lie apart', () => {
    const judged = (confidence: number, isRight: boolean) => ({ confidence, isRight, weight: 1 });
    const honest = [...Array(8).fill(judged(0.8, true)), ...Array(2).fill(judged(0.8, false))];
    expect(expectedCalibrationError(honest)).toBeCloseTo(0, 9);
    expect(brierScore(honest)).toBeCloseTo(0.16, 9);
    expect(areaUnderCurve(honest)).toBeCloseTo(0.5, 9);
    const sorted = [judged(0.9, true), judged(0.7, true), judged(0.6, false), judged(0.3, false)];
    expect(areaUnderCurve(sorted)).toBe(1);
    expect(areaUnderCurve(sorted.map((one) => ({ ...one, isRight: !one.isRight })))).toBe(0);
    expect(expectedCalibrationError([judged(0.9, false)])).toBeCloseTo(0.9, 9);
    expect(riskAt(sorted, 0.5)).toBe(0);
    expect(riskAt(sorted, 1)).toBe(0.5);
  });

  test('takes a stretch for right that holds the faulty link and is not too wide', () => {
    const path = ['gw', 'a', 'b', 'c', 'd', 'e', 'f'];
    const route = { first: path, second: [] };
    const truth = { ids: [], stretches: [{ from: 'b', to: 'c' }], mostNodes: 4, asn: 1 };
    const isRight = (from: string | null, to: string | null) =>
      isRightElement({ element: elementOf('x', { from, to }) }, truth, route);
    expect(isRight('b', 'c')).toBe(true);
    expect(isRight('a', 'd')).toBe(true);
    expect(isRight('a', 'e')).toBe(false);
    expect(isRight('c', 'd')).toBe(false);
    expect(isRight(null, 'c')).toBe(false);
    expect(isRight('q', 'c')).toBe(true);
    expect(isRight('b', 'q')).toBe(false);
  });

  test('samples the same tickets whatever order they come in', () => {
    const sampleOf = (draws: readonly number[]) => {
      const reservoir = createReservoir<number>(3);
      for (const draw of draws) reservoir.offer(draw, () => draw);
      return reservoir.values();
    };
    expect(sampleOf([0.9, 0.1, 0.5, 0.3, 0.7])).toEqual([0.1, 0.3, 0.5]);
    expect(sampleOf([0.3, 0.7, 0.5, 0.9, 0.1])).toEqual([0.1, 0.3, 0.5]);
  });
});
