import { type Row, rounded } from '#test/bench/rows.ts';
import type { Summary } from '../scoring/summary.ts';

type Target = {
  of: keyof Summary;
  name: string;
  unit: string;
  /** Null: told, and held to nothing. */
  bound: { kind: 'least' | 'most'; value: number } | null;
};

const least = (value: number) => ({ kind: 'least', value }) as const;
const most = (value: number) => ({ kind: 'most', value }) as const;

/** What the project wants of worlds that nobody tuned to. */
export const targets: readonly Target[] = [
  { of: 'segment', name: 'right segment, of all tickets', unit: '%', bound: least(98) },
  { of: 'element', name: 'right element, of all tickets', unit: '%', bound: least(96) },
  { of: 'selective', name: 'right segment, among the named', unit: '%', bound: least(99.5) },
  { of: 'asn', name: 'right AS, of right network answers', unit: '%', bound: null },
  { of: 'missed', name: 'not called slow', unit: '%', bound: null },
  { of: 'unknown', name: 'slow, and not named', unit: '%', bound: most(3) },
  { of: 'falseAlarms', name: 'false alarms', unit: '/1,000 h', bound: most(0.5) },
  { of: 'unknownOnsets', name: 'slow without a name, healthy', unit: '/1,000 h', bound: null },
  { of: 'decoys', name: 'decoys named', unit: '%', bound: most(0.5) },
  { of: 'detected', name: 'faults whose element was named', unit: '%', bound: null },
  { of: 'detectP50', name: 'bins to the first right answer, p50', unit: 'bins', bound: null },
  { of: 'detectP90', name: 'bins to the first right answer, p90', unit: 'bins', bound: most(2) },
  { of: 'startErrorBins', name: 'error of the start, median', unit: 'bins', bound: null },
  { of: 'msError', name: 'error of the milliseconds, median', unit: '%', bound: most(6) },
  { of: 'vectorError', name: 'error of the whole vector', unit: '%', bound: null },
  { of: 'ece', name: 'calibration error (ECE)', unit: '', bound: most(0.03) },
  { of: 'brier', name: 'Brier score', unit: '', bound: null },
  { of: 'auc', name: 'AUC of the confidence', unit: '', bound: null },
  { of: 'riskAt80', name: 'wrong among the surest 80 %', unit: '%', bound: null },
];

export const rowsOf = (ours: Summary, peer: Summary | undefined, prefix = ''): Row[] =>
  targets.map(({ of, name, unit, bound }) => {
    const value = ours[of];
    const other = peer?.[of] ?? Number.NaN;
    return {
      name: `${prefix}${name}`,
      unit,
      ours: finite(value),
      peer: Number.isFinite(other) ? rounded(other) : null,
      ratio: Number.isFinite(value / other) ? rounded(value / other) : null,
      target: bound === null ? '' : `${bound.kind === 'least' ? '≥' : '≤'} ${bound.value}`,
      met: bound === null || Number.isNaN(value) ? null : isMet(value, bound),
    };
  });

const isMet = (value: number, { kind, value: limit }: NonNullable<Target['bound']>): boolean =>
  kind === 'least' ? value >= limit : value <= limit;

/** JSON has no NaN; a figure with nothing to count is left at −1 and has no verdict. */
const finite = (value: number): number => (Number.isFinite(value) ? rounded(value) : -1);
