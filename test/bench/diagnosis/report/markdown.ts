import { interval } from '../scoring/bootstrap.ts';
import { reliability } from '../scoring/calibration.ts';
import { byKind, confusionOf } from '../scoring/confusion.ts';
import type { Sheet } from '../scoring/scoresheet.ts';
import { judgementsOf, type Summary, summarise, weightsOf } from '../scoring/summary.ts';

type Scored = { name: string; sheets: readonly Sheet[] };

const columns: { head: string; of: keyof Summary; digits: number; isBounded?: true }[] = [
  { head: 'segment %', of: 'segment', digits: 1, isBounded: true },
  { head: 'element %', of: 'element', digits: 1, isBounded: true },
  { head: 'segment % among named', of: 'selective', digits: 1 },
  { head: 'missed %', of: 'missed', digits: 1 },
  { head: 'unknown %', of: 'unknown', digits: 1 },
  { head: 'false alarms / 1,000 h', of: 'falseAlarms', digits: 2, isBounded: true },
  { head: 'decoys named %', of: 'decoys', digits: 1 },
  { head: 'bins to detect p50', of: 'detectP50', digits: 0 },
  { head: 'p90', of: 'detectP90', digits: 0 },
  { head: 'ms error, median %', of: 'msError', digits: 1 },
];

/** One line a method; in brackets where 90 % of other draws of the worlds lie. */
export const methodTable = (scored: readonly Scored[], binMs: number): string[] => [
  `| method | ${columns.map(({ head }) => head).join(' | ')} |`,
  `|---|${columns.map(() => '---').join('|')}|`,
  ...scored.map(({ name, sheets }) => {
    const summary = summarise(sheets, binMs);
    const cells = columns.map(({ of, digits, isBounded }) =>
      isBounded === true
        ? `${shown(summary[of], digits)}${range(sheets, of, digits, binMs)}`
        : shown(summary[of], digits),
    );
    return `| ${name} | ${cells.join(' | ')} |`;
  }),
];

const range = (
  sheets: readonly Sheet[],
  of: keyof Summary,
  digits: number,
  binMs: number,
): string => {
  const found = interval(sheets, (drawn) => summarise(drawn, binMs)[of]);
  return found === null ? '' : ` (${shown(found[0], digits)}–${shown(found[1], digits)})`;
};

export const kindTable = (sheets: readonly Sheet[]): string[] => [
  '| fault | faults | tickets | segment % | element % | missed % | unknown % | wrongly named |',
  '|---|---|---|---|---|---|---|---|',
  ...byKind(sheets.flatMap(({ judged }) => judged)).map((one) => {
    const wrongly = one.wrongly.map(({ family, share }) => `${family} ${shown(share, 0)} %`);
    const figures = [one.segment, one.element, one.missed, one.unknown];
    return `| ${one.kind} | ${one.faultCount} | ${one.ticketCount} | ${figures.map((value) => shown(value, 0)).join(' | ')} | ${wrongly.join(', ')} |`;
  }),
];

export const confusionTable = (sheets: readonly Sheet[]): string[] => {
  const counts = confusionOf(sheets.flatMap(({ judged }) => judged));
  const rows = [...counts.keys()].sort();
  const heads = [...new Set([...counts.values()].flatMap((row) => [...row.keys()]))].sort();
  return [
    `| true ╲ said | ${heads.join(' | ')} |`,
    `|---|${heads.map(() => '---').join('|')}|`,
    ...rows.map(
      (row) => `| ${row} | ${heads.map((head) => counts.get(row)?.get(head) ?? '').join(' | ')} |`,
    ),
  ];
};

export const calibrationTable = (sheets: readonly Sheet[]): string[] => {
  const judged = sheets.flatMap((sheet) => sheet.judged);
  const bins = reliability(judgementsOf(judged, weightsOf(judged)));
  return [
    '| confidence | share of verdicts % | said % | right % |',
    '|---|---|---|---|',
    ...bins.map(
      ({ from, to, share, confidence, right }) =>
        `| ${shown(from, 1)}–${shown(to, 1)} | ${shown(100 * share, 1)} | ${shown(100 * confidence, 1)} | ${shown(100 * right, 1)} |`,
    ),
  ];
};

const shown = (value: number, digits: number): string =>
  Number.isFinite(value) ? value.toFixed(digits) : '–';
