import { type Evidence, type Segment, segmentNames, segments } from '#contract/verdict.ts';
import type { Point } from '../store/schema.ts';
import type { JudgedRun } from './baseline.ts';
import type { Cause, Scene } from './causes/cause.ts';
import { causes } from './causes/causes.ts';
import { groupBy } from './group.ts';
import { roundMs } from './statistics.ts';
import type { Track } from './tracks.ts';
import { atMost, capital, sayCount, sayMs } from './wording.ts';
import { isNormal } from './words.ts';

/** As many as the contract lets through. */
const mostEvidence = 40;

/** The numbers that speak for and against, the blamed segment's first. */
export const evidenceOf = (
  scene: Scene,
  blamed: readonly Segment[],
  tracks: readonly Track[],
): Evidence[] => {
  const order = [...blamed, ...segments.filter((segment) => !blamed.includes(segment))];
  const lines = order.flatMap((segment) => partLine(scene.run, segment, blamed));
  const looks = order.flatMap((segment) => {
    const cause: Cause = causes[segment];
    return cause.looks(scene);
  });
  return clean([...lines, ...residualLine(scene.run), ...looks, ...runLines(tracks)]);
};

export const clean = (lines: readonly Evidence[]): Evidence[] =>
  lines.slice(0, mostEvidence).map((line) => ({
    ...line,
    text: atMost(400, line.text),
    value: line.value === null ? null : roundMs(line.value),
    baseline: line.baseline === null ? null : roundMs(line.baseline),
  }));

/** One line of the ledger, said: against, cleared, or beside the point. */
const partLine = (run: JudgedRun, segment: Segment, blamed: readonly Segment[]): Evidence[] => {
  const ms = run.parts[segment];
  const baselineMs = run.baselineMs[segment];
  if (ms === null) return [];
  const topMs = blamed[0] === undefined ? 0 : (run.added[blamed[0]] ?? 0);
  const against = blamed.includes(segment);
  const finding = against ? 'against' : isNormal(run, segment, topMs) ? 'cleared' : 'context';
  const normal = baselineMs === null ? 'nothing to compare with' : `normally ${sayMs(baselineMs)}`;
  return [
    {
      finding,
      segment,
      text: `${capital(partName(run, segment))}: ${sayMs(ms)}, ${normal}.`,
      value: ms,
      baseline: baselineMs,
      unit: 'ms',
    },
  ];
};

/** A straight run has no edge: its path ends at the application. */
const partName = (run: JudgedRun, segment: Segment): string =>
  run.via === 'direct' && segment === 'client-edge'
    ? 'the network path to the application'
    : segmentNames[segment];

/** Unexplained time below this is not worth a line. */
const quietResidualMs = 1;

const residualLine = (run: JudgedRun): Evidence[] =>
  Math.abs(run.residualMs) < quietResidualMs
    ? []
    : [
        {
          finding: 'context',
          segment: null,
          text: `${sayMs(run.residualMs)} of the total could not be given to any part.`,
          value: run.residualMs,
          baseline: run.reference.from === 'none' ? null : run.reference.residualMs,
          unit: 'ms',
        },
      ];

/** What was left out and what failed: runs that were looked at without counting as timings. */
export const runLines = (
  tracks: readonly { runs: Track['runs'] | Point<'page_load'>[]; excluded: { reason: string }[] }[],
): Evidence[] => {
  const excluded = groupBy(
    tracks.flatMap((track) => track.excluded),
    (each) => each.reason,
  );
  const left: Evidence[] = [...excluded].map(([reason, runs]) => ({
    finding: 'context',
    segment: null,
    text: `${sayCount(runs.length, 'run')} left out: ${reason}.`,
    value: runs.length,
    baseline: null,
    unit: 'runs',
  }));
  const all = tracks.flatMap((track): readonly { fields: { ok: number | null } }[] => track.runs);
  const failed = all.filter((run) => run.fields.ok !== 1).length;
  if (failed === 0) return left;
  const text = `${failed} of ${sayCount(all.length, 'run')} in the window failed.`;
  return [
    ...left,
    { finding: 'context', segment: null, text, value: failed, baseline: null, unit: 'runs' },
  ];
};
