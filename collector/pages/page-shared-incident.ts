import { segmentNames } from '#contract/verdict.ts';
import type { SharedIncidentView } from '../triage/views.ts';
import { chartFigure } from './chart-figure.ts';
import { count, ms, percent, when } from './format.ts';
import { type Html, html } from './html.ts';
import { crumbs, empty, type Frame, layout, table } from './layout.ts';
import { answerUrl, applicationUrl } from './links.ts';
import { evidenceColumns } from './page-answer.ts';
import { levelWords, reach, scopeWords } from './shared-incident.ts';

/** One cause that hits several devices: what, since when, whom, and on what grounds. */
export const sharedIncidentPage = (frame: Frame, view: SharedIncidentView): Html => {
  const { incident, affected } = view;
  const { nowMs } = frame;
  const isOver = incident.endedAt !== null;
  return layout(frame, {
    title: `Shared incident: ${incident.element.name}`,
    section: '/incidents',
    body: html`${crumbs({ href: '/incidents', label: 'Incidents' })}
<div class="title"><p class="subject">${incident.element.name}</p></div>
<section class="card answer edge-${isOver ? 'ok' : 'slow'}" aria-label="The incident">
<p class="facts big"><span class="incident incident-${isOver ? 'closed' : 'open'}">${isOver ? '✓ Ended' : '● Goes on'}</span><span>${levelWords[incident.level]}</span><span>${percent(incident.confidence)} sure</span><span>since ${when(incident.startedAt, nowMs)}</span>${isOver && html`<span>ended ${when(incident.endedAt, nowMs)}</span>`}</p>
<h1>${incident.sentence}</h1>
<p class="facts"><span>${segmentNames[incident.segment]}</span><span>scope: ${scopeWords[incident.scope]}</span>${incident.perRoundTripMs !== null && html`<span><b>+${ms(incident.perRoundTripMs)}</b> each time</span>`}${incident.lossRatio !== null && html`<span><b>${percent(incident.lossRatio)}</b> of packets lost</span>`}<span>${reach(incident)}</span>${incident.element.asn !== null && html`<span>AS ${incident.element.asn}</span>`}${incident.element.silentHopCount > 0 && html`<span>${count(incident.element.silentHopCount, 'silent hop', 'silent hops')} in it</span>`}<span>seen last ${when(incident.seenAt, nowMs)}</span></p>
</section>
<section><h2>${isOver ? 'Whom it hit last' : 'Whom it hits'}</h2>${affectedTable(view)}${
      incident.pairCount > affected.length &&
      html`<p class="quiet">The ${affected.length} hit hardest of ${count(incident.pairCount, 'pair', 'pairs')} of device and application.</p>`
    }</section>
<section><h2>Evidence</h2>${evidenceColumns(incident.evidence)}</section>
<section><h2>Over time</h2><div class="charts">${view.charts.map(chartFigure)}</div></section>`,
  });
};

const affectedTable = ({ affected, incident }: SharedIncidentView): Html =>
  affected.length === 0
    ? empty('Nobody noticeably.')
    : table(
        incident.endedAt === null ? 'Whom it hits' : 'Whom it hit last',
        ['Device', 'Application', '#Added'],
        affected.map(({ device, application, addedMs }) => [
          html`<a href="${answerUrl(device.id, application.id)}">${device.name}</a>`,
          html`<a href="${applicationUrl(application.id)}">${application.name}</a>`,
          ms(addedMs),
        ]),
      );
