import type { Chart, IncidentLine, VerdictLine, ViewState } from '../triage/views.ts';
import { ms, percent, when } from './format.ts';
import { type Html, html } from './html.ts';
import { answerUrl, applicationUrl, deviceUrl, sharedIncidentUrl } from './links.ts';

const stateWords = {
  failing: { sign: '✕', word: 'Failing' },
  slow: { sign: '▲', word: 'Slow' },
  inconclusive: { sign: '?', word: 'Inconclusive' },
  'no-data': { sign: '–', word: 'No recent data' },
  ok: { sign: '✓', word: 'OK' },
} as const satisfies Record<ViewState, { sign: string; word: string }>;

/** A state by sign and word; the colour only helps. */
export const stateMark = (state: ViewState): Html =>
  html`<span class="state state-${state}"><span class="sign" aria-hidden="true">${stateWords[state].sign}</span>${stateWords[state].word}</span>`;

export const scoreMark = (score: number | null, band: string | null): Html =>
  score === null
    ? html`<span class="quiet" title="no score while there is no recent, conclusive verdict">no score</span>`
    : html`<span class="score score-${band}" title="0 to 33 poor, 34 to 65 okay, 66 to 100 good">score <b>${score}</b> ${band}</span>`;

/** A verdict among others: who, what, and the sentence that links to the whole answer. */
export const verdictItem = (
  line: VerdictLine,
  about: 'device' | 'application',
  nowMs: number,
): Html => html`<li class="card item edge-${line.state}" data-name="${line[about].name}">
<div class="item-head">${stateMark(line.state)}<a class="item-name" href="${answerUrl(line.device.id, line.application.id)}">${line[about].name}</a>${scoreMark(line.score, line.band)}</div>
<p class="item-text">${line.state === 'no-data' && html`<span class="quiet">Last known ${when(line.at, nowMs)}: </span>`}${line.sentence}</p>
<p class="facts">${line.totalMs !== null && html`<span>${ms(line.totalMs)} now</span>`}${line.baselineMs !== null && html`<span>${ms(line.baselineMs)} usual</span>`}<span>${percent(line.confidence)} sure</span>${line.edgeId !== null && html`<span>edge ${line.edgeId}</span>`}<span>${when(line.at, nowMs)}</span></p>
</li>`;

export const incidentCells = (incident: IncidentLine, nowMs: number): Html[] => [
  html`<span class="incident incident-${incident.state}">${incident.state === 'closed' ? '✓ Closed' : incident.state === 'open' ? '● Open' : '◌ Pending'}</span>`,
  html`<a href="${applicationUrl(incident.application.id)}">${incident.application.name}</a>`,
  html`<a href="${deviceUrl(incident.device.id)}">${incident.device.name}</a>`,
  html`<span class="long"><a href="${answerUrl(incident.device.id, incident.application.id)}">${incident.sentence}</a>${incident.sharedIncidentId !== null && html` (<a href="${sharedIncidentUrl(incident.sharedIncidentId)}">shared with others</a>)`}</span>`,
  when(incident.firstSlowAt, nowMs),
  incident.closedAt === null
    ? html`<span class="quiet">not yet</span>`
    : when(incident.closedAt, nowMs),
];

export const incidentColumns = [
  'State',
  'Application',
  'Device',
  'What was found',
  'Since',
  'Closed',
] as const;

/** The trend in a hundred pixels; a gap where nothing was measured. */
export const sparkline = (chart: Chart): Html => {
  const values = chart.lines[0]?.values ?? [];
  const measured = values.filter((value) => value !== null);
  const newest = measured.at(-1);
  if (newest === undefined) return html`<span class="quiet spark-none">no runs</span>`;
  const top = Math.max(...measured) || 1;
  const x = (index: number) => ((index / Math.max(1, values.length - 1)) * 118 + 1).toFixed(1);
  const y = (value: number) => (30 - (value / top) * 27).toFixed(1);
  const pieces = unbroken(values).map((piece) =>
    piece.map(({ index, value }) => `${x(index)},${y(value)}`).join(' '),
  );
  const label = `median request time, newest ${ms(newest)}, highest ${ms(top)}`;
  return html`<svg class="spark" width="120" height="32" viewBox="0 0 120 32" role="img" aria-label="${label}"><title>${label}</title>${pieces.map(
    (points) => html`<polyline points="${points}"/>`,
  )}</svg>`;
};

/** A hole wider than this many usual steps is a gap; a probe may run more seldom than once a bucket. */
const gapSteps = 2.5;

const unbroken = (values: readonly (number | null)[]): { index: number; value: number }[][] => {
  const measured = values.flatMap((value, index) => (value === null ? [] : [{ index, value }]));
  const steps = measured
    .slice(1)
    .map(({ index }, before) => index - (measured[before]?.index ?? 0))
    .sort((a, b) => a - b);
  const usualStep = steps[Math.floor(steps.length / 2)] ?? 1;
  const pieces: { index: number; value: number }[][] = [];
  for (const point of measured) {
    const piece = pieces.at(-1);
    const last = piece?.at(-1);
    if (piece && last && point.index - last.index <= gapSteps * usualStep) piece.push(point);
    else pieces.push([point]);
  }
  return pieces;
};
