import type { Via } from '#contract/result.ts';
import type { Point } from '../store/schema.ts';
import { isBesidePlan } from './beside-plan.ts';
import { groupBy } from './group.ts';
import type { DiagnosisInput } from './input.ts';
import { toLooks } from './looks.ts';

type RunPoint = Point<'http'> | Point<'page_load'>;

/** The runs of one probe one way, oldest first, and those of them that are no evidence. */
export type Track<P extends RunPoint = Point<'http'>> = {
  probeId: string;
  via: Via;
  /** Runs that say something about the application: successes and failures; of bursts, looks. */
  runs: P[];
  /** Left out, and why. */
  excluded: { run: P; reason: string }[];
};

/** So many of the newest runs decide whether the application is reached through the tunnel. */
const runsForVia = 8;
/** A probe silent for longer than this and than three of its intervals is no longer planned. */
const silentMs = 10 * 60_000;

/** The tracks a verdict is about: through the tunnel where there is one, else straight. */
export const judgedTracks = (input: DiagnosisInput): Track[] => {
  // What the tunnel does not carry is not reached through it, whatever its probes are called.
  const isCarried = (run: Point<'http'>) => run.tags.failure_type !== 'tunnel.bypassed';
  const newest = input.http.filter(isCarried).slice(-runsForVia);
  const via = newest.some((run) => run.tags.via === 'tunnel') ? 'tunnel' : 'direct';
  return tracksOf(
    input.http.filter((run) => run.tags.via === via),
    input.nowMs,
  );
};

/** The straight runs beside them, for comparison; none when the straight ones are judged. */
export const comparisonTracks = (input: DiagnosisInput, judged: readonly Track[]): Track[] =>
  judged.some((track) => track.via === 'direct')
    ? []
    : tracksOf(
        input.http.filter((run) => run.tags.via === 'direct'),
        input.nowMs,
      );

export const tracksOf = <P extends RunPoint>(runs: readonly P[], nowMs: number): Track<P>[] =>
  [...groupBy(runs, (run) => `${run.tags.probe}\n${run.tags.via}`).values()]
    .filter((group) => stillPlanned(group, nowMs))
    .map((group) => toTrack(group));

const stillPlanned = (runs: readonly RunPoint[], nowMs: number): boolean => {
  const last = runs.at(-1)?.timeMs ?? 0;
  // Runs beside the plan are no interval apart from it.
  const planned = runs.filter((run) => !isBesidePlan(run));
  const lastPlanned = planned.at(-1)?.timeMs ?? last;
  const intervalMs = lastPlanned - (planned.at(-2)?.timeMs ?? lastPlanned);
  return nowMs - last <= Math.max(silentMs, 3 * intervalMs);
};

const toTrack = <P extends RunPoint>(runs: readonly P[]): Track<P> => {
  const track: Track<P> = {
    probeId: runs[0]?.tags.probe ?? '',
    via: runs[0]?.tags.via === 'tunnel' ? 'tunnel' : 'direct',
    runs: [],
    excluded: [],
  };
  for (const run of runs) {
    const reason = exclusion(run);
    if (reason === undefined) track.runs.push(run);
    else track.excluded.push({ run, reason });
  }
  return { ...track, runs: toLooks(track.runs) };
};

/** So many in a row that say nothing, and what was known before is no longer known now. */
const leftOutInARow = 3;

/** What the newest runs do not tell, and why; undefined where they tell something. */
export type LeftOut<P extends RunPoint = Point<'http'>> = { run: P; reason: string; count: number };

export const leftOutOf = <P extends RunPoint>({
  runs,
  excluded,
}: Track<P>): LeftOut<P> | undefined => {
  const lastMs = runs.at(-1)?.timeMs ?? 0;
  const since = excluded.filter(({ run }) => run.timeMs > lastMs);
  const newest = since.at(-1);
  if (newest === undefined || (runs.length > 0 && since.length < leftOutInARow)) return undefined;
  return { ...newest, count: since.length };
};

/** Why a run says nothing about the application; undefined when it does. */
const exclusion = (run: RunPoint): string | undefined => {
  if (run.fields.distorted === 1) return distortionWords(run.fields.distortion ?? '');
  const type = run.tags.failure_type;
  if (type === '') return undefined;
  if (type in ownFailures) return ownFailures[type as keyof typeof ownFailures];
  return run.fields.failure_source === 'none'
    ? `it failed for a reason that is not the application’s (${type})`
    : undefined;
};

const distortionWords = (distortion: string): string => {
  switch (distortion) {
    case 'agent-overloaded':
      return 'the agent was overloaded, so its timings are not to be trusted';
    case 'clock-jumped':
      return 'the clock was set during the run';
    case 'asleep':
      return 'the device slept during the run';
    default:
      return 'the run was distorted';
  }
};

/** Failures of the agent or its network as a whole: they would blame every application alike. */
const ownFailures = {
  'agent.overrun': 'the run before it had not ended',
  'agent.network_down': 'the device had no network',
  'agent.captive_portal': 'a captive portal answered',
  'agent.dns_hijacked': 'the network’s DNS answers for names that do not exist',
  'agent.not_permitted': 'the device did not permit the connection',
  'agent.out_of_resources': 'the device had no memory or file handles left',
  'agent.secret_missing': 'the agent has no such secret for a step of the page',
  'agent.internal': 'a fault in the agent',
  'browser.crashed': 'the browser crashed',
  'path.network_changed': 'the device changed networks',
  abandoned: 'the run was given up',
} as const;
