import {
  type Ledger,
  type LedgerPart,
  type SharedIncident,
  segmentNames,
  type Verdict,
} from '#contract/verdict.ts';

const barWidth = 40;
const nameWidth = 46;

/** A verdict for people at a terminal: the sentence, the ledger as bars, the evidence. */
export const explainVerdict = (verdict: Verdict): string =>
  [
    `${new Date(verdict.at).toISOString()}  ${verdict.state.toUpperCase()}  confidence ${Math.round(verdict.confidence * 100)} %${verdict.score === null ? '' : `  score ${verdict.score}`}`,
    `  ${verdict.sentence}`,
    `  ${verdict.action}`,
    ...(verdict.ledger === null ? [] : ledgerLines(verdict.ledger)),
    ...verdict.evidence.map((line) => `  ${signs[line.finding]} ${line.text}`),
    '',
  ].join('\n');

/** An incident beside the verdicts: when, how far it reaches, and what it is. */
export const explainIncident = (incident: SharedIncident): string =>
  [
    `${new Date(incident.seenAt).toISOString()}  INCIDENT ${incident.endedAt === null ? 'goes on' : 'ended'}  level ${incident.level}  ${incident.id}`,
    `  ${incident.sentence}`,
    '',
  ].join('\n');

const signs = { against: '!', cleared: '✓', context: '·' } as const;

const ledgerLines = (ledger: Ledger): string[] => [
  `  ${'total'.padEnd(nameWidth)} ${number(ledger.totalMs)}${normal(ledger.baselineTotalMs)}`,
  ...ledger.parts
    .filter((part) => part.ms !== null || part.baselineMs !== null)
    .map((part) => partLine(part, ledger.totalMs)),
  `  ${'not explained'.padEnd(nameWidth)} ${number(ledger.residualMs)}`,
];

const partLine = (part: LedgerPart, totalMs: number): string => {
  const length = totalMs === 0 ? 0 : Math.round(((part.ms ?? 0) / totalMs) * barWidth);
  const ms = part.ms === null ? 'not measured'.padStart(12) : number(part.ms);
  const bar = '█'.repeat(Math.min(barWidth, length));
  return `  ${segmentNames[part.segment].padEnd(nameWidth)} ${ms}${normal(part.baselineMs)}  ${bar}`.trimEnd();
};

const number = (ms: number): string => `${ms.toFixed(1)} ms`.padStart(12);

const normal = (ms: number | null): string =>
  `  ${(ms === null ? '' : `(normally ${ms.toFixed(1)})`).padEnd(20)}`;
