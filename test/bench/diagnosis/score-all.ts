import type { Row } from '#test/bench/rows.ts';
import { calibrationTable, confusionTable, kindTable, methodTable } from './report/markdown.ts';
import { rowsOf } from './report/targets.ts';
import { measureRunJudge } from './run-judge.ts';
import type { Sheet } from './scoring/scoresheet.ts';
import { summarise } from './scoring/summary.ts';
import {
  engineName,
  type Pass,
  type Plan,
  type Progress,
  runLone,
  runMain,
  runStress,
} from './sections.ts';

export type Report = {
  rows: Row[];
  markdown: string[];
  /** Of the engine on the ordinary worlds, and where it had it harder. */
  engineSheets: readonly Sheet[];
};

/** The simple method that a careful product would use: what ours is put beside. */
const peerName = 'one device, segment delta (B4)';

const binMs = 300_000;

export const scoreAll = (plan: Plan, progress: Progress): Report => {
  const report: Report = { rows: [], markdown: [], engineSheets: [] };
  const wants = (...names: Parameters<Plan['only']['has']>[0][]) =>
    names.some((name) => plan.only.has(name));
  if (wants('engine', 'methods', 'ablations', 'confusion', 'calibration'))
    addMain(report, plan, progress);
  if (wants('stress'))
    for (const pass of runStress(plan, progress)) addPass(report, 'Stress', pass);
  if (wants('lone')) addLone(report, runLone(plan, progress));
  if (wants('run-judge')) report.rows.push(...measureRunJudge());
  return report;
};

const addMain = (report: Report, plan: Plan, progress: Progress): void => {
  const sheets = runMain(plan, progress);
  const names = [...new Set(sheets.map(({ method }) => method))];
  const of = (name: string) => sheets.filter(({ method }) => method === name);
  const own = of(engineName);
  const peer = of(peerName);
  report.engineSheets = own;
  report.rows.push(...rowsOf(summed(own), peer.length === 0 ? undefined : summed(peer)));
  report.markdown.push(
    ...heading(
      'Methods',
      methodTable(
        names.map((name) => ({ name, sheets: of(name) })),
        binMs,
      ),
    ),
  );
  if (plan.only.has('confusion')) {
    report.markdown.push(...heading('By kind of fault', kindTable(own)));
    report.markdown.push(...heading('Confusion, in tickets', confusionTable(own)));
  }
  if (plan.only.has('calibration'))
    report.markdown.push(...heading('Calibration', calibrationTable(own)));
};

const addPass = (report: Report, title: string, pass: Pass): void => {
  report.markdown.push(...heading(title, methodTable([pass], binMs)));
  report.engineSheets = [...report.engineSheets, ...pass.sheets];
};

/** Alone a device cannot tell everything: what it is held to is less. */
const addLone = (report: Report, pass: Pass): void => {
  addPass(report, 'Alone', pass);
  report.markdown.push('', ...kindTable(pass.sheets));
  const { segment, falseAlarms, unknown } = summed(pass.sheets);
  const row = (name: string, unit: string, ours: number, target: string, met: boolean | null) =>
    report.rows.push({ name: `alone: ${name}`, unit, ours, peer: null, ratio: null, target, met });
  row('right segment, of all tickets', '%', segment, '≥ 86', segment >= 86);
  row('slow, and not named', '%', unknown, '', null);
  row('false alarms', '/1,000 h', falseAlarms, '', null);
};

const summed = (sheets: readonly Sheet[]) => summarise(sheets, binMs);

const heading = (title: string, lines: readonly string[]): string[] => [
  '',
  `### ${title}`,
  '',
  ...lines,
];
