import type { Segment } from '#contract/verdict.ts';
import { percentile } from '#test/bench/rows.ts';
import type { Fault } from '#test/simulator/truth.ts';
import {
  areaUnderCurve,
  brierScore,
  expectedCalibrationError,
  type Judgement,
  riskAt,
} from './calibration.ts';
import type { Judged } from './judge.ts';
import type { Sheet } from './scoresheet.ts';

/**
 * The metrics. Shares of tickets are means over faults of each fault's share, so that a fault with
 * many victims counts as much as one with few. NaN: there was nothing to count.
 */
export type Summary = {
  faultCount: number;
  ticketCount: number;
  /** Percent, of all tickets. */
  segment: number;
  element: number;
  /** Percent, of tickets with a named segment. */
  selective: number;
  /** Percent, of network faults' tickets with the right segment: the AS as well. */
  asn: number;
  missed: number;
  unknown: number;
  falseAlarms: number;
  unknownOnsets: number;
  healthyHours: number;
  decoys: number;
  decoyCount: number;
  detected: number;
  detectP50: number;
  detectP90: number;
  startErrorBins: number;
  msError: number;
  vectorError: number;
  ece: number;
  brier: number;
  auc: number;
  riskAt80: number;
  /** Milliseconds to close one bin; of this machine, as it was loaded. */
  closeMs: number;
};

export const summarise = (sheets: readonly Sheet[], binMs: number): Summary => {
  const judged = sheets.flatMap((sheet) => sheet.judged);
  const weights = weightsOf(judged);
  const share = (of: (one: Judged) => boolean, among: readonly Judged[] = judged): number =>
    (100 * weigh(among.filter(of), weights)) / weigh(among, weights);
  const named = judged.filter(({ outcome }) => outcome === 'right' || outcome === 'wrong');
  const right = named.filter(({ outcome }) => outcome === 'right');
  const judgements = judgementsOf(judged, weights);
  const hours = sum(sheets.map((sheet) => sheet.healthyHours));
  const decoyCount = sum(sheets.map((sheet) => sheet.decoyCount));
  const detections = sheets.flatMap((sheet) => [...sheet.detections.values()]);
  const detected = detections.filter((bins): bins is number => bins !== null);
  const count = (of: (sheet: Sheet) => readonly unknown[]) =>
    sum(sheets.map((sheet) => of(sheet).length));
  return {
    faultCount: new Set(judged.map(({ ticket }) => ticket.fault)).size,
    ticketCount: judged.length,
    segment: share(({ outcome }) => outcome === 'right'),
    element: share((one) => one.outcome === 'right' && one.isElementRight),
    selective: share(({ outcome }) => outcome === 'right', named),
    asn: share(
      ({ isAsnRight }) => isAsnRight === true,
      right.filter(({ isAsnRight }) => isAsnRight !== null),
    ),
    missed: share(({ outcome }) => outcome === 'missed'),
    unknown: share(({ outcome }) => outcome === 'unknown'),
    falseAlarms: (1_000 * count((sheet) => sheet.falseAlarms)) / hours,
    unknownOnsets: (1_000 * count((sheet) => sheet.unknownOnsets)) / hours,
    healthyHours: hours,
    decoys: (100 * count((sheet) => sheet.fallenFor)) / decoyCount,
    decoyCount,
    detected: (100 * detected.length) / detections.length,
    detectP50: percentile(detected, 0.5),
    detectP90: percentile(detected, 0.9),
    startErrorBins: percentile(present(right, 'startErrorMs'), 0.5) / binMs,
    msError: 100 * percentile(present(right, 'msError'), 0.5),
    vectorError: 100 * vectorError(judged),
    ece: expectedCalibrationError(judgements),
    brier: brierScore(judgements),
    auc: areaUnderCurve(judgements),
    riskAt80: 100 * riskAt(judgements, 0.8),
    closeMs: sum(sheets.map((sheet) => sheet.closeMs)),
  };
};

/** 1 / tickets of the same fault. */
export const weightsOf = (judged: readonly Judged[]): Map<Fault, number> => {
  const counts = new Map<Fault, number>();
  for (const { ticket } of judged) counts.set(ticket.fault, (counts.get(ticket.fault) ?? 0) + 1);
  return new Map([...counts].map(([fault, count]) => [fault, 1 / count]));
};

/** Named verdicts with a confidence: what calibration is about. */
export const judgementsOf = (
  judged: readonly Judged[],
  weights: ReadonlyMap<Fault, number>,
): Judgement[] =>
  judged.flatMap(({ finding, outcome, ticket }) => {
    if (outcome !== 'right' && outcome !== 'wrong') return [];
    const confidence = finding?.confidence ?? null;
    if (confidence === null) return [];
    return [{ confidence, isRight: outcome === 'right', weight: weights.get(ticket.fault) ?? 0 }];
  });

/** Σ |said − true| over the contract's segments, of Σ true. */
const vectorError = (judged: readonly Judged[]): number => {
  let off = 0;
  let all = 0;
  for (const { ticket, finding } of judged) {
    const causes = finding?.state === 'named' ? finding.causes : [];
    const left = new Map<Segment, number>();
    const add = (segment: Segment, ms: number) => left.set(segment, (left.get(segment) ?? 0) + ms);
    for (const { impact } of ticket.impacts) {
      // Where two names are right, the one that was said.
      const said = impact.segments.find((one) => causes.some(({ segment }) => segment === one));
      add(said ?? impact.segments[0] ?? 'server', impact.ms);
      all += impact.ms;
    }
    for (const { segment, addedMs } of causes) add(segment, -addedMs);
    off += sum([...left.values()].map(Math.abs));
  }
  return off / all;
};

const present = (all: readonly Judged[], name: 'msError' | 'startErrorMs'): number[] =>
  all
    .map((one) => one[name])
    .filter((value): value is number => value !== null && Number.isFinite(value));

const weigh = (judged: readonly Judged[], weights: ReadonlyMap<Fault, number>): number =>
  sum(judged.map(({ ticket }) => weights.get(ticket.fault) ?? 0));

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
