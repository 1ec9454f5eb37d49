import { createFold } from '#collector/diagnose/fold.ts';
import { toPoints } from '#collector/store/points.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import type { Verdict } from '#contract/verdict.ts';
import {
  calm,
  createNoise,
  deviceId,
  deviceSample,
  edgeSample,
  httpRun,
  minuteMs,
  onwardSample,
  type RunOptions,
  startMs,
  tunnelSample,
  type World,
} from './recording.ts';

/** One minute of a story: what the world is like, and what is special about the run. */
export type Minute = { world?: Partial<World>; run?: RunOptions; skip?: readonly Skip[] };
type Skip = 'tunnel' | 'device' | 'edge' | 'run';

export type Story = {
  seed?: number;
  /** Worlds of other applications probed on the same device, every minute. */
  others?: Record<string, Partial<World>>;
  via?: readonly ('tunnel' | 'direct')[];
  minutes: readonly Minute[];
};

export const many = (count: number, minute: Minute = {}): Minute[] =>
  Array.from({ length: count }, () => minute);

/** The records of a story in time order: samples 20 s before and after each run. */
export const recordsOf = (story: Story): TelemetryRecord[] => {
  const noise = createNoise(story.seed ?? 1);
  return story.minutes.flatMap((minute, index) => {
    const atMs = startMs + index * minuteMs;
    const world = { ...calm, ...minute.world };
    const left = new Set(minute.skip);
    const samples = (whenMs: number): TelemetryRecord[] => [
      ...(left.has('tunnel') ? [] : [tunnelSample(whenMs, world, noise)]),
      ...(left.has('device') ? [] : [deviceSample(whenMs, world, noise)]),
      ...(left.has('edge') ? [] : [edgeSample(whenMs, world)]),
    ];
    const others = Object.entries(story.others ?? {}).map(([appId, other], at) =>
      httpRun(atMs + 1_000 * (at + 1), { ...world, ...other }, noise, { appId }),
    );
    const runs = left.has('run')
      ? []
      : (story.via ?? ['tunnel']).map((via, at) =>
          httpRun(atMs + 20_000 + 2_000 * at, world, noise, { via, ...minute.run }),
        );
    return [
      ...samples(atMs),
      onwardSample(atMs, world),
      ...others,
      ...runs,
      ...samples(atMs + 40_000),
    ];
  });
};

export const names = {
  devices: { [deviceId]: 'LAPTOP-7' },
  applications: { payroll: 'Payroll' },
  edges: { 'edge-1': 'Amsterdam' },
};

/** Every verdict about the application under test, in order. */
export const verdictsOf = (records: readonly TelemetryRecord[], appId = 'payroll'): Verdict[] => {
  const fold = createFold(names);
  return records
    .map((record) => fold.add(toPoints(record, startMs)))
    .filter((verdict) => verdict !== undefined)
    .filter((verdict) => verdict.appId === appId);
};

export const tell = (story: Story): Verdict[] => verdictsOf(recordsOf(story));

export const lastOf = (verdicts: readonly Verdict[]): Verdict => {
  const last = verdicts.at(-1);
  if (last === undefined) throw new Error('the story gave no verdict');
  return last;
};
