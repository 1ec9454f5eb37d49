import { ownRow, type Row } from '#test/bench/rows.ts';
import { ageNames } from './first-hours.ts';
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
import { scaleRows, scaleTable } from './report/scale.ts';
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
  'first-hours',
  'scale',
  'confusion',
  'calibration',
  'run-judge',
] as const;
export type SectionName = (typeof sectionNames)[number];

export type Plan = WorldSize & {
  seeds: readonly number[];
  only: ReadonlySet<SectionName>;
  scale: { devices: number; shards: number; binMs: number };
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
/** Each with an engine of its own, in the measurement of first hours. */
const newDevices = 20;

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
  const first = sheetsOf(({ kind }) => kind === 'first-hours');
  if (first.length > 0) addFirstHours(report, first);
  const measured = results.flatMap((one) => (one.kind === 'scale' ? [one.measurement] : []));
  if (measured.length > 0) addScale(report, measured);
  if (plan.only.has('run-judge')) report.rows.push(...measureRunJudge());
  return report;
};

const jobsOf = ({ seeds, only, devices, warmDays, scale }: Plan): Job[] => {
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
    ...(wants('first-hours') ? few : []).map(
      (seed): Job => ({ kind: 'first-hours', seed, devices: newDevices }),
    ),
    ...(wants('scale') ? scaleJobs(scale) : []),
  ];
};

const scaleJobs = ({ devices, shards, binMs }: Plan['scale']): Job[] =>
  Array.from({ length: shards }, (_, shard) => ({
    kind: 'scale',
    size: { devices, binMs, shard, shards },
  }));

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
    ownRow(`${title.toLowerCase()} (${name}): right segment`, '%', segment),
    ownRow(`${title.toLowerCase()} (${name}): right element`, '%', element),
    ownRow(`${title.toLowerCase()} (${name}): false alarms`, '/1,000 h', falseAlarms),
  );
};

/** Alone a device cannot tell everything: what it is held to is less. */
const addLone = (report: Report, sheets: readonly Sheet[]): void => {
  addTable(report, 'Alone', loneName, sheets);
  report.markdown.push('', ...kindTable(sheets));
  const { segment, unknown } = summed(sheets);
  report.rows.push(
    ownRow('alone: right segment, of all tickets', '%', segment, '≥ 86', segment >= 86),
    ownRow('alone: slow, and not named', '%', unknown),
  );
};

/** Each alone from its installation on, by how long it had been measured when the fault began. */
const addFirstHours = (report: Report, sheets: readonly Sheet[]): void => {
  const rows = ageNames.map((name) => ({
    name,
    sheets: sheets.filter((of) => of.method === name),
  }));
  report.markdown.push(...heading('First hours, alone', methodTable(rows, 60_000)));
  report.engineSheets.push(...sheets);
};

const addScale = (report: Report, measured: readonly ScaleMeasurement[]): void => {
  report.rows.push(...scaleRows(measured));
  report.markdown.push(...heading('Scale', scaleTable(measured)));
};

const summed = (sheets: readonly Sheet[]) => summarise(sheets, binMs);

const heading = (title: string, lines: readonly string[]): string[] => [
  '',
  `### ${title}`,
  '',
  ...lines,
];
