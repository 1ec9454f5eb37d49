import type { WorldOptions } from '#test/simulator/options.ts';
import { createWorld, type World } from '#test/simulator/world.ts';
import { createEngineMethod, createLoneMethod } from './engine-method.ts';
import type { Method } from './finding.ts';
import { scoreFirstHours } from './first-hours.ts';
import { createSimpleMethods } from './methods/simple.ts';
import { scoreWorld } from './run.ts';
import { measureScale, type ScaleMeasurement, type ScaleSize } from './scale.ts';
import type { Sheet } from './scoring/scoresheet.ts';
import { factsOf } from './world-facts.ts';

/** One world, or one measurement: what one process does at a time. Plain data, sent to it. */
export type Job =
  | {
      kind: 'fleet';
      world: WorldSize & { seed: number };
      methods: boolean;
      ablations: boolean;
    }
  | { kind: 'stress'; world: WorldSize & { seed: number }; index: number }
  | { kind: 'lone'; world: WorldSize & { seed: number } }
  | { kind: 'first-hours'; seed: number; devices: number }
  | { kind: 'scale'; size: ScaleSize };

export type WorldSize = { devices: number; warmDays: number };

export type JobResult =
  | { kind: 'sheets'; sheets: Sheet[] }
  | { kind: 'scale'; measurement: ScaleMeasurement };

export const engineName = 'whyslow';

type EngineOptions = NonNullable<Parameters<typeof createEngineMethod>[1]['options']>;

const ablations: { name: string; options: EngineOptions }[] = [
  { name: 'without the fleet', options: { fleet: false } },
  { name: 'symmetric errors of hops', options: { oneSidedHops: false } },
  { name: 'without seasonal baselines', options: { seasonal: false } },
  { name: 'without the lag control', options: { lagControl: false } },
  { name: 'without the fast pass', options: { fastPass: false } },
];

export const stresses: { name: string; options: Partial<WorldOptions> }[] = [
  {
    name: '90 faults a day, 25 % of routers silent, 30 % of clocks a bin off',
    options: { faultsPerDay: 90, silentRatio: 0.25, skewedRatio: 0.3 },
  },
  {
    name: 'noise × 1.5, decoys × 4, missing bins × 2, half of the traces on any ECMP member',
    options: { noiseFactor: 1.5, decoysPerDay: 96, missingFactor: 2, otherFlowRatio: 0.5 },
  },
];

const loneDevices = 40;
export const loneName = `${loneDevices} devices, each alone`;

export const nameOf = (job: Job): string => {
  if (job.kind === 'scale') return `scale, shard ${job.size.shard + 1} of ${job.size.shards}`;
  return `${job.kind}, seed ${job.kind === 'first-hours' ? job.seed : job.world.seed}`;
};

export const runJob = (job: Job, onBin: (doneShare: number) => void): JobResult => {
  switch (job.kind) {
    case 'scale':
      return { kind: 'scale', measurement: measureScale(job.size) };
    case 'first-hours':
      return { kind: 'sheets', sheets: scoreFirstHours(job, onBin) };
    case 'fleet': {
      const world = createWorld({ ...job.world, scoredDays: 1 });
      return sheetsOf(world, methodsOf(world, job), onBin);
    }
    case 'stress': {
      const stress = stresses[job.index];
      const world = createWorld({ ...job.world, scoredDays: 1, ...stress?.options });
      return sheetsOf(world, [engineOf(world, stress?.name ?? '')], onBin);
    }
    case 'lone':
      return runLone(job.world, onBin);
  }
};

/** A small fleet of which each device is alone with its own engine: an office's and homes'. */
const runLone = (
  { seed, warmDays }: WorldSize & { seed: number },
  onBin: (doneShare: number) => void,
): JobResult => {
  const world = createWorld({ seed, devices: 50, warmDays, scoredDays: 1 });
  const deviceIds = new Set(world.header.devices.slice(0, loneDevices).map(({ id }) => id));
  const method = createLoneMethod(loneName, { ...configOf(world), deviceIds });
  return sheetsOf(world, [method], onBin, deviceIds);
};

const sheetsOf = (
  world: World,
  methods: readonly Method[],
  onBin: (doneShare: number) => void,
  deviceIds?: ReadonlySet<string>,
): JobResult => ({ kind: 'sheets', sheets: scoreWorld({ world, methods, deviceIds, onBin }) });

const methodsOf = (world: World, job: Extract<Job, { kind: 'fleet' }>): Method[] => [
  engineOf(world, engineName),
  ...(job.methods ? createSimpleMethods(factsOf(world)) : []),
  ...(job.ablations ? ablations.map(({ name, options }) => engineOf(world, name, options)) : []),
];

const configOf = (world: World) => ({
  binMs: world.options.binSeconds * 1_000,
  facts: factsOf(world),
});

const engineOf = (world: World, name: string, options?: EngineOptions): Method =>
  createEngineMethod(name, { ...configOf(world), ...(options === undefined ? {} : { options }) });
