import { parseArgs } from 'node:util';
import type { Accepted } from '#collector/diagnose/fleet/accepted.ts';
import { createEngine } from '#collector/diagnose/fleet/engine.ts';
import { readingOf } from '#collector/diagnose/fleet/reading-of-record.ts';
import {
  confidenceOf,
  type Features,
  featuresOf,
  weights as presentWeights,
} from '#collector/diagnose/fleet/verdict/confidence.ts';
import type { Verdict } from '#contract/verdict.ts';
import type { Fault } from '#test/simulator/truth.ts';
import { createWorld, type World, type WorldBin } from '#test/simulator/world.ts';
import {
  areaUnderCurve,
  brierScore,
  expectedCalibrationError,
  type Judgement,
} from './scoring/calibration.ts';
import { judge } from './scoring/judge.ts';
import { createNetworks, factsOf } from './world-facts.ts';

/**
 * Fits the weights of the verdicts' confidence on simulated tickets: logistic regression, every
 * fault counts as much as any other. Seeds 4–6 and 41–43 are the ones for it.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '4,5,6,41,42,43' },
    devices: { type: 'string', default: '500' },
    'warm-days': { type: 'string', default: '1' },
  },
});

type Example = { features: Features; isRight: boolean; fault: Fault };

const main = (): void => {
  const examples = values.seeds.split(',').flatMap((seed) => {
    const found = examplesOf(
      createWorld({
        seed: Number(seed),
        devices: Number(values.devices),
        warmDays: Number(values['warm-days']),
      }),
    );
    console.error(`seed ${seed}: ${found.length} tickets with a cause`);
    return found;
  });
  const weighted = [...byFault(examples).values()].flatMap((all) => {
    const every = Math.ceil(all.length / mostOfFault);
    const some = all.filter((_, at) => at % every === 0);
    return some.map((one) => ({ ...one, weight: 1 / some.length }));
  });
  console.error(`${weighted.length} examples, ${byFault(examples).size} faults`);
  const fitted = regress(weighted);
  console.log(JSON.stringify(fitted, null, 2));
  const right = weighted
    .filter(({ isRight }) => isRight)
    .reduce((sum, { weight }) => sum + weight, 0);
  console.log(`right: ${((100 * right) / byFault(examples).size).toFixed(1)} % of faults’ tickets`);
  for (const [name, weights] of Object.entries({ before: presentWeights, after: fitted })) {
    const judged = judgementsOf(weighted, weights);
    console.log(
      `${name}: calibration error ${expectedCalibrationError(judged).toFixed(4)}, Brier ${brierScore(judged).toFixed(4)}, AUC ${areaUnderCurve(judged).toFixed(3)}`,
    );
  }
};

const byFault = (examples: readonly Example[]): Map<Fault, Example[]> => {
  const groups = new Map<Fault, Example[]>();
  for (const one of examples) {
    const group = groups.get(one.fault) ?? [];
    groups.set(one.fault, group);
    group.push(one);
  }
  return groups;
};

const examplesOf = (world: World): Example[] => {
  const networks = createNetworks(world);
  const faults = new Map(world.faults.map((fault) => [fault.id, fault]));
  const binMs = world.options.binSeconds * 1_000;
  const engine = createEngine({ binMs, facts: factsOf(world) });
  const examples: Example[] = [];
  for (const bin of world.bins()) {
    networks.learn(bin.records);
    for (const record of bin.records) {
      const reading = readingOf(record);
      if (reading !== undefined) engine.observe(reading);
    }
    const outcome = engine.advanceTo(bin.toMs).at(-1);
    if (outcome === undefined || bin.fromMs < world.scoredFromMs) continue;
    for (const verdict of outcome.verdicts) {
      const example = exampleOf({
        world,
        bin,
        verdict,
        accepted: outcome.accepted,
        faults,
        networks,
      });
      if (example !== undefined) examples.push(example);
    }
  }
  return examples;
};

const exampleOf = ({
  world,
  bin,
  verdict,
  accepted,
  faults,
  networks,
}: {
  world: World;
  bin: WorldBin;
  verdict: Verdict;
  accepted: readonly Accepted[];
  faults: ReadonlyMap<string, Fault>;
  networks: ReturnType<typeof createNetworks>;
}): Example | undefined => {
  const { deviceId, appId, causes = [] } = verdict;
  const [first] = causes;
  if (first === undefined || bin.truth.label(deviceId, appId) !== 'degraded') return undefined;
  const impacts = bin.truth.addedMs(deviceId, appId).flatMap((impact) => {
    const fault = faults.get(impact.faultId);
    return fault === undefined ? [] : [{ impact, fault }];
  });
  const fault = impacts[0]?.fault;
  if (fault === undefined || bin.fromMs < fault.startMs + 2 * (bin.toMs - bin.fromMs)) return;
  const top = accepted.find(
    (one) =>
      one.family === first.family &&
      one.segment === first.segment &&
      (one.kind === 'loss'
        ? Math.abs((one.lossRatio ?? 0) - (first.lossRatio ?? 1)) < 1e-4
        : Math.abs(one.addedMs - (first.perRoundTripMs ?? 0)) < 1e-3),
  );
  if (top === undefined) return undefined;
  const parts = causes.map(({ addedMs }) => ({ blame: top, ms: addedMs }));
  const slowFromMs = Math.max(30, 0.07 * (verdict.baselineMs ?? 0));
  const ticket = {
    seed: world.options.seed,
    fault,
    deviceId,
    appId,
    fromMs: bin.fromMs,
    impacts,
    route: world.routeOf(deviceId, appId, bin.fromMs),
  };
  const finding = { deviceId, appId, state: 'named' as const, causes, confidence: null, verdict };
  return {
    features: featuresOf({ parts, slowFromMs }, top),
    isRight: judge(ticket, finding, networks).isSegmentRight,
    fault,
  };
};

const names = Object.keys(presentWeights) as (keyof Features)[];
/** Keeps weights from running away where all examples are right. */
const ridge = 0.5;
const rounds = 1_500;
const step = 1;
/** Of one fault; the first of each device and application tell as much as all. */
const mostOfFault = 40;

/** Gradient descent: there are seven weights, so nothing cleverer is needed. */
const regress = (
  examples: readonly (Example & { weight: number })[],
): Record<keyof Features, number> => {
  const fitted = { ...presentWeights };
  const total = examples.reduce((sum, { weight }) => sum + weight, 0);
  for (let round = 0; round < rounds; round += 1) {
    const slope = Object.fromEntries(names.map((name) => [name, 0])) as typeof fitted;
    for (const { features, isRight, weight } of examples) {
      const off = weight * ((isRight ? 1 : 0) - chanceOf(features, fitted));
      for (const name of names) slope[name] += off * features[name];
    }
    for (const name of names) {
      const back = name === 'one' ? 0 : ridge * fitted[name];
      fitted[name] += (step * (slope[name] - back)) / total;
    }
  }
  for (const name of names) fitted[name] = Math.round(fitted[name] * 1_000) / 1_000;
  return fitted;
};

const chanceOf = (features: Features, weights: Record<keyof Features, number>): number =>
  confidenceOf(features, false, weights);

const judgementsOf = (
  examples: readonly (Example & { weight: number })[],
  weights: Record<keyof Features, number>,
): Judgement[] =>
  examples.map(({ features, isRight, weight }) => ({
    confidence: chanceOf(features, weights),
    isRight,
    weight,
  }));

main();
