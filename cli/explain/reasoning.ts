import {
  type CauseElement,
  type Evidence,
  type Ledger,
  segmentNames,
  type Verdict,
  type VerdictCause,
} from '#contract/verdict.ts';

/** A verdict the way a network engineer would argue it. */
export const reasoningOf = (verdict: Verdict): string =>
  [
    ...headLines(verdict),
    ...section('How slow', howSlow(verdict)),
    ...section('Where the time of the newest run went', ledgerLines(verdict.ledger)),
    ...section('What adds it', (verdict.causes ?? []).flatMap(causeLines)),
    ...section('What speaks for it', evidenceLines(verdict.evidence, 'against')),
    ...section('What was ruled out', evidenceLines(verdict.evidence, 'cleared')),
    ...section('What else was seen', evidenceLines(verdict.evidence, 'context')),
  ].join('\n');

const headLines = (verdict: Verdict): string[] => {
  const { at, binMs, deviceId, appId, state, confidence } = verdict;
  const time = binMs === undefined ? `at ${utc(at)}` : `${utc(at - binMs)} to ${utc(at).slice(11)}`;
  const sure =
    state === 'inconclusive'
      ? 'not sure enough to name one'
      : `${Math.round(confidence * 100)} % sure`;
  return [
    `${state.toUpperCase()} (${sure})  application ${appId}, device ${deviceId}, ${time}`,
    '',
    ...wrapped(verdict.sentence),
    ...wrapped(`→ ${verdict.action}`),
  ];
};

const utc = (ms: number): string =>
  new Date(ms).toISOString().replace('T', ' ').replace('.000Z', ' UTC').replace('Z', ' UTC');

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)];

const howSlow = ({ state, totalMs, baselineMs, baselineFrom, resultCount }: Verdict): string[] => {
  const runs = `${resultCount} ${resultCount === 1 ? 'run' : 'runs'} looked at.`;
  if (state === 'failing') return [`It is not answered at all. ${runs}`];
  if (totalMs === null) return [runs];
  const now = `The newest request took ${ms(totalMs)}`;
  if (baselineMs === null) return [`${now}; what is normal is not known yet. ${runs}`];
  const past =
    baselineFrom === 'own-past' ? 'its own past at this hour' : 'the device’s other applications';
  return [
    `${now}; normally ${ms(baselineMs)} (${past}): ${ms(Math.max(0, totalMs - baselineMs))} more. ${runs}`,
  ];
};

const ms = (value: number): string => `${value.toFixed(value < 9.95 ? 1 : 0)} ms`;

const nameWidth = 46;

/** Before, now, and what came on top. */
const ledgerLines = (ledger: Ledger | null): string[] => {
  if (ledger === null) return [];
  const row = (name: string, ...cells: string[]): string =>
    `${name.padEnd(nameWidth)}${cells.map((cell) => cell.padStart(14)).join('')}`.trimEnd();
  const cell = (value: number | null): string => (value === null ? '–' : ms(value));
  return [
    row('', 'before', 'now', 'added'),
    ...ledger.parts
      .filter((part) => part.ms !== null || part.baselineMs !== null)
      .map((part) =>
        row(
          segmentNames[part.segment],
          cell(part.baselineMs),
          part.ms === null ? 'not measured' : ms(part.ms),
          cell(part.addedMs),
        ),
      ),
    row('not explained', '', ms(ledger.residualMs)),
    row('total', cell(ledger.baselineTotalMs), ms(ledger.totalMs)),
  ];
};

const causeLines = (cause: VerdictCause, rank: number): string[] => [
  `${rank + 1}. ${cause.element.name} (${cause.family}, ${segmentNames[cause.segment]})`,
  ...[
    costLine(cause),
    ...stretchLines(cause),
    `since ${utc(cause.startedAt)}; ${reachOf(cause)}`,
    `incident ${cause.incidentId}`,
  ].map((line) => `   ${line}`),
];

const costLine = (cause: VerdictCause): string => {
  const { kind, addedMs, share, perRoundTripMs, lossRatio } = cause;
  if (kind === 'failure') return 'nothing is answered over it';
  const each =
    kind === 'loss'
      ? `${((lossRatio ?? 0) * 100).toFixed(1)} % of the packets are lost`
      : `${ms(perRoundTripMs ?? addedMs)} ${eachTime(cause.element)}`;
  return `${each}, ${ms(addedMs)} on a request: ${Math.round(share * 100)} % of all that was added`;
};

/** A way is crossed, several times in a request; a server, a resolver or a device is not. */
export const eachTime = ({ from, to }: CauseElement): string =>
  from === null && to === null ? 'each time' : 'on each crossing';

const stretchLines = ({ element }: VerdictCause): string[] => {
  const { from, to, asn, silentHopCount } = element;
  if (from === null && to === null) return [];
  const network = asn === null ? '' : `, in AS ${asn}`;
  const silent =
    silentHopCount === 0
      ? ''
      : `; ${silentHopCount} silent ${silentHopCount === 1 ? 'hop' : 'hops'} in between`;
  return [
    `last clean hop ${from ?? 'none before it'}, first inflated hop ${to ?? 'the far end'}${network}${silent}`,
  ];
};

const reachOf = ({ deviceCount, healthyDeviceCount, scope }: VerdictCause): string => {
  const have = `${deviceCount} ${deviceCount === 1 ? 'device has' : 'devices have'} it (scope: ${scope})`;
  return healthyDeviceCount === 0
    ? `${have}, none that meets it is known to be fine`
    : `${have}, ${healthyDeviceCount} that meet it show nothing`;
};

export const evidenceLines = (
  evidence: readonly Evidence[],
  finding: Evidence['finding'],
): string[] => evidence.filter((line) => line.finding === finding).map(({ text }) => `· ${text}`);

const width = 96;

/** Broken at spaces, for a terminal. */
export const wrapped = (text: string): string[] => {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
};
