import { type Row, rounded } from '#test/bench/rows.ts';
import {
  engineName,
  type Job,
  type JobResult,
  loneName,
  stresses,
  type WorldSize,
} from './jobs.ts';
import { type Progress, runJobs } from './pool.ts';
import { calibrationTable, confusionTable, kindTable, methodTable } from './report/markdown.ts';
import { rowsOf } from './report/targets.ts';
import { measureRunJudge } from './run-judge.ts';
import type { ScaleMeasurement } from './scale.ts';
import type { Sheet } from './scoring/scoresheet.ts';
import { summarise } from './scoring/summary.ts';

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

export type Plan = WorldSize & {
  seeds: readonly number[];
  only: ReadonlySet<SectionName>;
  scaleDevices: number;
};

export type Report = {
  rows: Row[];
  markdown: string[];
  /** Of the engine: on the ordinary worlds, where it had it harder, and alone. */
  engineSheets: Sheet[];
};

/** What a careful product does without a fleet: ours is put beside it. */
const peerName = 'one device, segment delta (B4)';
/** Worlds that what costs several engines is run on. */
const fewSeeds = 2;
const binMs = 300_000;

export const scoreAll = async (plan: Plan, progress: Progress): Promise<Report> => {
  const report: Report = { rows: [], markdown: [], engineSheets: [] };
  const jobs = jobsOf(plan);
  const results = await runJobs(jobs, progress);
  const sheetsOf = (isWanted: (job: Job) => boolean): Sheet[] =>
    jobs.flatMap((job, index) => (isWanted(job) ? toSheets(results[index]) : []));
  const fleet = sheetsOf(({ kind }) => kind === 'fleet');
  if (fleet.length > 0) addFleet(report, plan, fleet);
  for (const [index, { name }] of stresses.entries()) {
    const sheets = sheetsOf((job) => job.kind === 'stress' && job.index === index);
    if (sheets.length > 0) addTable(report, 'Stress', name, sheets);
  }
  const lone = sheetsOf(({ kind }) => kind === 'lone');
  if (lone.length > 0) addLone(report, lone);
  for (const result of results) if (result.kind === 'scale') addScale(report, result.measurement);
  if (plan.only.has('run-judge')) report.rows.push(...measureRunJudge());
  return report;
};

const jobsOf = ({ seeds, only, devices, warmDays, scaleDevices }: Plan): Job[] => {
  const few = seeds.slice(0, fewSeeds);
  const wants = (...names: SectionName[]) => names.some((name) => only.has(name));
  const worldOf = (seed: number) => ({ seed, devices, warmDays });
  return [
    ...(wants('engine', 'methods', 'ablations', 'confusion', 'calibration') ? seeds : []).map(
      (seed): Job => ({
        kind: 'fleet',
        world: worldOf(seed),
        methods: only.has('methods'),
        ablations: only.has('ablations') && few.includes(seed),
      }),
    ),
    ...(wants('stress') ? few : []).flatMap((seed): Job[] =>
      stresses.map((_, index) => ({ kind: 'stress', world: worldOf(seed), index })),
    ),
    ...(wants('lone') ? few : []).map((seed): Job => ({ kind: 'lone', world: worldOf(seed) })),
    ...(wants('scale') ? [{ kind: 'scale', devices: scaleDevices } satisfies Job] : []),
  ];
};

const toSheets = (result: JobResult | undefined): readonly Sheet[] =>
  result?.kind === 'sheets' ? result.sheets : [];

const addFleet = (report: Report, plan: Plan, sheets: readonly Sheet[]): void => {
  const names = [...new Set(sheets.map(({ method }) => method))];
  const of = (name: string) => sheets.filter(({ method }) => method === name);
  const own = of(engineName);
  const peer = of(peerName);
  report.engineSheets.push(...own);
  report.rows.push(...rowsOf(summed(own), peer.length === 0 ? undefined : summed(peer)));
  const lines = methodTable(
    names.map((name) => ({ name, sheets: of(name) })),
    binMs,
  );
  report.markdown.push(...heading('Methods', lines));
  if (plan.only.has('confusion')) {
    report.markdown.push(...heading('By kind of fault', kindTable(own)));
    report.markdown.push(...heading('Confusion, in tickets', confusionTable(own)));
  }
  if (plan.only.has('calibration'))
    report.markdown.push(...heading('Calibration', calibrationTable(own)));
};

const addTable = (report: Report, title: string, name: string, sheets: readonly Sheet[]): void => {
  report.markdown.push(...heading(title, methodTable([{ name, sheets }], binMs)));
  report.engineSheets.push(...sheets);
  const { segment, element, falseAlarms } = summed(sheets);
  report.rows.push(
    row(`${title.toLowerCase()} (${name}): right segment`, '%', segment),
    row(`${title.toLowerCase()} (${name}): right element`, '%', element),
    row(`${title.toLowerCase()} (${name}): false alarms`, '/1,000 h', falseAlarms),
  );
};

/** Alone a device cannot tell everything: what it is held to is less. */
const addLone = (report: Report, sheets: readonly Sheet[]): void => {
  addTable(report, 'Alone', loneName, sheets);
  report.markdown.push('', ...kindTable(sheets));
  const { segment, unknown } = summed(sheets);
  report.rows.push(
    row('alone: right segment, of all tickets', '%', segment, '≥ 86', segment >= 86),
    row('alone: slow, and not named', '%', unknown),
  );
};

const addScale = (report: Report, measured: ScaleMeasurement): void => {
  const { devices, applications, closeMostMs, residentBytes, readingMicros } = measured;
  const of = `${devices} devices × ${applications} applications`;
  const bytes = residentBytes / 1e9;
  report.rows.push(
    row(
      `${of}: closing a bin, the slowest`,
      's',
      closeMostMs / 1_000,
      '≤ 30',
      closeMostMs <= 30_000,
    ),
    row(`${of}: memory of the process`, 'GB', bytes, '≤ 1', bytes <= 1),
    row(`${of}: taking in a reading`, 'µs', readingMicros),
  );
};

const row = (
  name: string,
  unit: string,
  ours: number,
  target = '',
  met: boolean | null = null,
): Row => ({ name, unit, ours: rounded(ours), peer: null, ratio: null, target, met });

const summed = (sheets: readonly Sheet[]) => summarise(sheets, binMs);

const heading = (title: string, lines: readonly string[]): string[] => [
  '',
  `### ${title}`,
  '',
  ...lines,
];
