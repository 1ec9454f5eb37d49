import { expect, test } from 'vitest';
import { compare, worstOutcome } from './compare.ts';
import type { Expectation, ScenarioRow, Seen } from './scenario.ts';
import { confusionMatrix, ledgersText, scenarioTable, summaryOf } from './table.ts';
import { verdictWith } from './verdict-fixture.ts';

const blamed: Expectation = {
  device: 'a1',
  application: 'crm',
  kind: 'blamed',
  segments: ['client-edge', 'gateway'],
  states: ['slow'],
  elements: ['gwa-ia1'],
};
const innocent: Expectation = { device: 'b1', application: 'crm', kind: 'innocent' };
const slow = (segment: 'gateway' | 'server') =>
  verdictWith({ state: 'slow', segment, addedMs: 119.6 });

const rowOf = (scenario: string, of: [Expectation, Seen['verdict']][]): ScenarioRow => {
  const pairs = of.map(([expectation, verdict]) =>
    compare(expectation, [{ seconds: 3.21, verdict }], () => []),
  );
  return {
    scenario,
    what: '',
    faults: [scenario],
    outcome: worstOutcome(pairs),
    pairs,
    secondsToFirst: 3.21,
    secondsToAll: null,
    bystandersBlamed: pairs.filter(({ outcome }) => outcome === 'false alarm'),
    contention: { busyRatio: 0.5, waitingRatio: 0.2 },
    overloaded: false,
    ledgers: { count: 8, closedCount: 7 },
    firstOutcome: null,
    startedAt: 0,
    durationSeconds: 10,
  };
};

const rows = [
  rowOf('late-gateway', [
    [blamed, slow('gateway')],
    [innocent, verdictWith({})],
  ]),
  rowOf('late-access', [
    [blamed, slow('server')],
    [innocent, slow('server')],
  ]),
];

test('a line says what was expected, what was said, and who was blamed without cause', () => {
  const lines = scenarioTable(rows).split('\n');
  expect(lines[2]).toBe(
    '| late-gateway | client-edge or gateway at gwa-ia1 (a1/crm) | slow gateway (a1/crm) | 120 | 3.2 s | – | 0/1 | right |',
  );
  expect(lines[3]).toContain('| **wrong segment**; blamed too: b1/crm |');
});

test('ledgers that explain their total are counted over all scenarios', () => {
  expect(ledgersText(rows)).toContain('14 of 16 (87.5 %)');
  expect(ledgersText([])).toContain('0 of 0 (–)');
});

test('the summary counts scenarios by their worst outcome', () => {
  expect(summaryOf(rows)).toEqual({ right: 1, 'wrong segment': 1 });
});

test('in the confusion matrix an accepted answer is on the diagonal', () => {
  expect(confusionMatrix(rows).split('\n')).toEqual([
    '| expected ↓ said → | gateway | server | ok |',
    '| --- | --- | --- | --- |',
    '| gateway | 1 | · | · |',
    '| client-edge | · | 1 | · |',
    '| nobody | · | 1 | 1 |',
  ]);
});
