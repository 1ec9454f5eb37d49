import { type Evidence, scoreBand, segmentNames, type Verdict } from '#contract/verdict.ts';
import type { DeviceApplicationView } from '../triage/views.ts';
import { chartFigure } from './chart-figure.ts';
import { count, ms, percent, quantity, when } from './format.ts';
import { type Html, html } from './html.ts';
import { crumbs, empty, type Frame, layout, table, windowChoice } from './layout.ts';
import { ledgerFigure } from './ledger-bar.ts';
import { answerUrl, applicationUrl, deviceUrl } from './links.ts';
import { incidentCells, incidentColumns, scoreMark, stateMark } from './marks.ts';
import { pathDrawing } from './path-drawing.ts';
import { runsTable } from './runs-table.ts';
import { causeLines } from './shared-incident.ts';

/** The triage answer: the sentence, what to do, and everything it rests on. */
export const answerPage = (frame: Frame, view: DeviceApplicationView): Html => {
  const { device, application, verdict } = view;
  const { nowMs } = frame;
  return layout(frame, {
    title: `${application.name} on ${device.name}`,
    section: '/devices',
    body: html`${crumbs(
      { href: '/devices', label: 'Devices' },
      { href: deviceUrl(device.id), label: device.name },
    )}
<div class="title"><p class="subject">${application.name} on ${device.name}</p>${windowChoice(frame, answerUrl(device.id, application.id))}</div>
${
  verdict === null
    ? html`<h1>No verdict yet</h1>${empty('It comes with the first results of this application’s probes on this device.')}`
    : answer(view, verdict, nowMs)
}
${view.tunnelTax !== null && html`<section><h2>What the tunnel costs</h2><p>${view.tunnelTax.sentence}</p></section>`}
<section><h2>The path</h2>${pathDrawing(view.path, nowMs)}</section>
${verdict !== null && html`<section><h2>Evidence</h2>${evidenceColumns(verdict.evidence)}</section>`}
<section><h2>Over time</h2><div class="charts">${view.charts.map(chartFigure)}</div></section>
<section><h2>Recent runs</h2>${runsTable(view.runs, nowMs)}</section>
<section><h2>Incidents</h2>${
      view.incidents.length === 0
        ? empty('None so far.')
        : table(
            'Incidents',
            incidentColumns,
            view.incidents.map((incident) => incidentCells(incident, nowMs)),
          )
    }</section>`,
  });
};

const answer = (view: DeviceApplicationView, verdict: Verdict, nowMs: number): Html => {
  const isOld = view.state === 'no-data';
  return html`<section class="card answer edge-${view.state}" aria-label="The answer">
<p class="facts big">${stateMark(view.state)}${scoreMark(isOld ? null : verdict.score, verdict.score === null ? null : scoreBand(verdict.score))}<span>${percent(verdict.confidence)} sure</span>${!isOld && html`<span>${since(view, nowMs)}</span>`}</p>
<h1>${isOld && html`<span class="quiet">Last known ${when(verdict.at, nowMs)}: </span>`}${verdict.sentence}</h1>
${causeLines(verdict.causes ?? [])}${verdict.action !== '' && html`<p class="action"><b>What to do</b> ${verdict.action}</p>`}
<p class="facts">${verdict.totalMs !== null && html`<span><b>${ms(verdict.totalMs)}</b> now</span>`}${verdict.baselineMs !== null && html`<span>${ms(verdict.baselineMs)} usual (${baselineWords[verdict.baselineFrom]})</span>`}${verdict.edgeId !== null && html`<span>edge ${verdict.edgeId}</span>`}<span>from ${count(verdict.resultCount, 'result', 'results')}, newest ${when(verdict.at, nowMs)}</span><span>${also(view)}</span></p>
</section>
<section><h2>Where the time goes</h2>${
    verdict.ledger === null
      ? empty(nothingToSplit(view, verdict))
      : html`${isOfTheRequest(verdict) && html`<p class="quiet">Of the request by itself, as its HTTP probe measures it: a page load is not split.</p>`}${ledgerFigure(verdict.ledger)}`
  }</section>`;
};

/** What a verdict about a page has for a ledger: the total is then another one, or none. */
const isOfTheRequest = ({ ledger, totalMs }: Verdict): boolean =>
  ledger !== null && Math.abs(ledger.totalMs - (totalMs ?? 0)) > 1;

const nothingToSplit = ({ runs }: DeviceApplicationView, { state }: Verdict): string => {
  if (runs.length > 0 && runs.every(({ type }) => type === 'page-load')) {
    return 'The newest runs are page loads, which are not split: requests of an HTTP probe are.';
  }
  return state === 'failing'
    ? 'The newest requests failed: a run that breaks off is not split. What it got to stands under “Recent runs”.'
    : 'No complete HTTP run in this stretch of time, so there is nothing to split.';
};

const baselineWords = {
  'own-past': 'its own past',
  'other-applications': 'this device’s other applications',
  none: 'no baseline',
} as const satisfies Record<Verdict['baselineFrom'], string>;

const since = ({ since: sinceMs, sinceIsBound }: DeviceApplicationView, nowMs: number): Html =>
  html`${sinceIsBound ? 'at least since' : 'since'} ${when(sinceMs, nowMs)}`;

const also = (view: DeviceApplicationView): Html => {
  const { alsoAffectedCount, otherDeviceCount, application } = view;
  const text =
    otherDeviceCount === 0
      ? 'no other device uses it'
      : `${alsoAffectedCount} of ${count(otherDeviceCount, 'other device', 'other devices')} affected too`;
  return html`<a href="${applicationUrl(application.id)}">${text}</a>`;
};

const findings = [
  { finding: 'against', title: 'Points to the cause', sign: '▲', none: 'Nothing stands out.' },
  { finding: 'cleared', title: 'Checked and cleared', sign: '✓', none: 'Nothing was cleared.' },
  { finding: 'context', title: 'Context', sign: '•', none: 'None.' },
] as const satisfies readonly { finding: Evidence['finding']; [word: string]: string }[];

/** What points to it, what was cleared, and the rest, side by side. */
export const evidenceColumns = (all: readonly Evidence[]): Html =>
  html`<div class="columns">${findings.map(({ finding, title, sign, none }) => {
    const own = all.filter((line) => line.finding === finding);
    return html`<div class="card finding finding-${finding}"><h3><span aria-hidden="true">${sign}</span> ${title}</h3>${
      own.length === 0
        ? html`<p class="quiet">${none}</p>`
        : html`<ul>${own.map(evidenceLine)}</ul>`
    }</div>`;
  })}</div>`;

const evidenceLine = (line: Evidence): Html => {
  const numbers = [
    line.value === null ? null : quantity(line.value, line.unit),
    line.baseline === null ? null : `usual ${quantity(line.baseline, line.unit)}`,
  ].filter((part) => part !== null);
  return html`<li>${line.text}${(numbers.length > 0 || line.segment !== null) && html`<span class="facts">${line.segment !== null && html`<span>${segmentNames[line.segment]}</span>`}${numbers.map((number) => html`<span>${number}</span>`)}</span>`}</li>`;
};
