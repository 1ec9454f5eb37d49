import type { WorldOptions } from '#test/simulator/options.ts';
import { createWorld } from '#test/simulator/world.ts';
import { createEngineMethod, createLoneMethod } from './engine-method.ts';
import type { Method } from './finding.ts';
import { createSimpleMethods } from './methods/simple.ts';
import { scoreWorld } from './run.ts';
import type { Sheet } from './scoring/scoresheet.ts';
import { factsOf } from './world-facts.ts';

export const sectionNames = [
  'engine',
  'methods',
  'ablations',
  'stress',
  'lone',
  'scale',
  'confusion',
  'calibration',
  'run-judge',
] as const;
export type SectionName = (typeof sectionNames)[number];

export const engineName = 'whyslow';

export type Plan = {
  seeds: readonly number[];
  devices: number;
  warmDays: number;
  only: ReadonlySet<SectionName>;
};

export type Progress = (what: string, doneShare: number) => void;

/** One world that all its methods go through at once. */
export type Pass = {
  name: string;
  sheets: readonly Sheet[];
};

type World = ReturnType<typeof createWorld>;
type Options = NonNullable<Parameters<typeof createEngineMethod>[1]['options']>;

const ablations: { name: string; options: Options }[] = [
  { name: 'without the fleet', options: { fleet: false } },
  { name: 'symmetric errors of hops', options: { oneSidedHops: false } },
  { name: 'without seasonal baselines', options: { seasonal: false } },
  { name: 'without the lag control', options: { lagControl: false } },
  { name: 'without the fast pass', options: { fastPass: false } },
];

const stresses: { name: string; options: Partial<WorldOptions> }[] = [
  {
    name: '90 faults a day, 25 % of routers silent, 30 % of clocks a bin off',
    options: { faultsPerDay: 90, silentRatio: 0.25, skewedRatio: 0.3 },
  },
  {
    name: 'noisy: queues, bursts and drift × 1.5, missing bins × 2, half on another ECMP member',
    options: { noiseFactor: 1.5, missingFactor: 2, otherFlowRatio: 0.5 },
  },
];

export const runMain = (plan: Plan, progress: Progress): Sheet[] =>
  plan.seeds.flatMap((seed) =>
    runWorld(worldOf(plan, { seed }), progress, `seed ${seed}`, (world) => [
      engineOf(world, engineName),
      ...(plan.only.has('methods') ? createSimpleMethods(factsOf(world)) : []),
      ...(plan.only.has('ablations')
        ? ablations.map(({ name, options }) => engineOf(world, name, options))
        : []),
    ]),
  );

export const runStress = (plan: Plan, progress: Progress): Pass[] =>
  stresses.map(({ name, options }) => ({
    name,
    sheets: plan.seeds.flatMap((seed) =>
      runWorld(worldOf(plan, { seed, ...options }), progress, `stress, seed ${seed}`, (world) => [
        engineOf(world, name),
      ]),
    ),
  }));

const loneDevices = 40;

/** A small fleet of which each device is alone with its own engine: an office's and homes'. */
export const runLone = (plan: Plan, progress: Progress): Pass => {
  const name = `${loneDevices} devices, each alone`;
  const sheets = plan.seeds.flatMap((seed) => {
    const world = worldOf({ ...plan, devices: 50 }, { seed });
    const deviceIds = new Set(world.header.devices.slice(0, loneDevices).map(({ id }) => id));
    const method = createLoneMethod(name, { ...configOf(world), deviceIds });
    return scoreWorld({
      world,
      methods: [method],
      deviceIds,
      onBin: (share) => progress(`lone, seed ${seed}`, share),
    });
  });
  return { name, sheets };
};

const worldOf = (
  { devices, warmDays }: Pick<Plan, 'devices' | 'warmDays'>,
  options: Partial<WorldOptions> & { seed: number },
): World => createWorld({ devices, warmDays, scoredDays: 1, ...options });

const runWorld = (
  world: World,
  progress: Progress,
  what: string,
  methodsOf: (world: World) => Method[],
): Sheet[] =>
  scoreWorld({ world, methods: methodsOf(world), onBin: (share) => progress(what, share) });

const configOf = (world: World) => ({
  binMs: world.options.binSeconds * 1_000,
  facts: factsOf(world),
});

const engineOf = (world: World, name: string, options?: Options): Method =>
  createEngineMethod(name, { ...configOf(world), ...(options === undefined ? {} : { options }) });
