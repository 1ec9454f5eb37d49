import type { Scenario, ScenarioRow } from './scenario.ts';
import type { SweepEvents, SweepResult } from './sweep.ts';
import { confusionMatrix, ledgersText, scenarioTable, summaryOf } from './table.ts';

/** What is printed while scenarios run: a line when one begins, a line of what came of it. */
export const createProgress = (print: (text: string) => void): SweepEvents => ({
  started: (scenario, index, count) =>
    print(`[${index + 1}/${count}] ${scenario.name}: ${scenario.what}`),
  ended: (row) => print(endedText(row)),
  again: (_scenario, why) => print(`    again: ${why}`),
  notRun: (_scenario, error) => print(`    NOT RUN: ${error.message}`),
});

const endedText = (row: ScenarioRow): string => {
  const mark = row.outcome === 'right' ? '✓' : '✗';
  const [shown] = row.pairs;
  const sentence = shown?.verdict?.sentence ?? 'no verdict';
  const seconds = row.secondsToFirst === null ? '' : ` after ${row.secondsToFirst.toFixed(1)} s`;
  const blamed = row.bystandersBlamed.map(({ device, application }) => `${device}/${application}`);
  return [
    `    ${mark} ${row.outcome}${seconds} – ${sentence}`,
    ...(blamed.length > 0 ? [`      blamed without cause: ${blamed.join(', ')}`] : []),
    ...(row.overloaded ? ['      the machine was overloaded'] : []),
  ].join('\n');
};

/** The end: how many were right, the table, who was taken for whom, and what it took. */
export const reportText = (result: SweepResult, tookSeconds: number): string => {
  const { rows, notRun } = result;
  const counts = Object.entries(summaryOf(rows)).map(([outcome, count]) => `${count} ${outcome}`);
  const seconds = rows.flatMap(({ secondsToFirst }) => secondsToFirst ?? []).sort((a, b) => a - b);
  const median = seconds[(seconds.length - 1) >> 1];
  return [
    scenarioTable(rows),
    '',
    'Pairs of device and application, by what should have been and what was said:',
    '',
    confusionMatrix(rows),
    '',
    `${rows.length} scenarios in ${Math.round(tookSeconds)} s: ${counts.join(', ')}.`,
    median === undefined ? '' : `Median time to the first right verdict: ${median.toFixed(1)} s.`,
    ledgersText(rows),
    ...notRun.map(({ scenario, error }) => `Not run: ${scenario}: ${error}`),
  ].join('\n');
};

/** Scenarios that were right before and are not now, for `--gate`. */
export const regressions = (
  rows: readonly ScenarioRow[],
  knownRight: readonly string[],
): string[] =>
  rows
    .filter(({ scenario, outcome }) => outcome !== 'right' && knownRight.includes(scenario))
    .map(({ scenario, outcome }) => `${scenario}: ${outcome}`);

/** Those asked for, in the order of the list; throws for a name that is not there. */
export const chooseScenarios = (
  all: readonly Scenario[],
  only: readonly string[],
): readonly Scenario[] => {
  const unknown = only.filter((name) => !all.some((scenario) => scenario.name === name));
  if (unknown.length > 0) {
    throw new Error(`no scenario ${unknown.join(', ')}: see npm run scenarios -- --list`);
  }
  return only.length === 0 ? all : all.filter(({ name }) => only.includes(name));
};
