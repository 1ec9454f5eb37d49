import type { ApplicationView, OnwardLine, VitalsLine } from '../triage/views.ts';
import { chartFigure } from './chart-figure.ts';
import { count, ms, percent, quantity, when } from './format.ts';
import { type Html, html } from './html.ts';
import { crumbs, empty, type Frame, layout, table, windowChoice } from './layout.ts';
import { applicationUrl } from './links.ts';
import { incidentCells, incidentColumns, scoreMark, stateMark, verdictItem } from './marks.ts';

/** One application over all its devices. */
export const applicationPage = (frame: Frame, view: ApplicationView): Html => {
  const { summary, devices } = view;
  const { nowMs } = frame;
  return layout(frame, {
    title: summary.name,
    section: '/',
    body: html`${crumbs({ href: '/', label: 'Applications' })}
<div class="title"><h1>${summary.name}</h1>${windowChoice(frame, applicationUrl(summary.id))}</div>
<p class="facts big">${stateMark(summary.state)}${scoreMark(summary.score, summary.band)}<span><b>${summary.affectedDeviceCount}</b> of ${count(summary.deviceCount, 'device', 'devices')} affected</span>${summary.silentDeviceCount > 0 && html`<span>${summary.silentDeviceCount} silent</span>`}<span>last result ${when(summary.lastResultAt, nowMs)}</span></p>
<section><h2>What each device sees</h2>
${
  devices.length === 0
    ? empty(
        'No device has measured this application yet. The first verdict comes with its first results.',
      )
    : html`<ul class="cards">${devices.map((line) => verdictItem(line, 'device', nowMs))}</ul>`
}
${summary.deviceCount > devices.length && html`<p class="quiet">The ${devices.length} worst of ${summary.deviceCount} are listed.</p>`}</section>
<section><h2>Over time</h2><div class="charts">${view.charts.map(chartFigure)}</div></section>
<section><h2>Page load in a browser</h2>${vitals(view.vitals)}</section>
<section><h2>From each edge to the application</h2>${onward(view.onward, nowMs)}</section>
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

const vitals = (lines: readonly VitalsLine[]): Html =>
  lines.length === 0
    ? empty(
        'No page load was measured in this stretch of time. Give the application a probe of type ',
        html`<code>page-load</code>`,
        '.',
      )
    : table(
        'Page load: medians',
        [
          'Way',
          '#Loads',
          '#First byte',
          '#First paint',
          '#Largest paint',
          '#Loaded',
          '#Blocked',
          '#Layout shift',
        ],
        lines.map((line) => [
          line.via === 'tunnel' ? 'through the tunnel' : 'direct',
          quantity(line.loadCount, ''),
          ms(line.ttfbMs),
          ms(line.fcpMs),
          ms(line.lcpMs),
          ms(line.loadMs),
          ms(line.totalBlockingMs),
          line.cls === null ? '–' : line.cls.toFixed(2),
        ]),
      );

export const onward = (lines: readonly OnwardLine[], nowMs: number): Html =>
  lines.length === 0
    ? empty('No edge has measured this yet: an edge starts when a device uses it.')
    : table(
        'Onward measurements',
        ['Leg', '#DNS', '#Connect', '#Lost', '#Hops', 'Trace', 'When'],
        lines.map((line) => [
          html`${line.leg.from} → ${line.leg.to}`,
          ms(line.dnsMs),
          ms(line.connectMs),
          percent(line.connectLossRatio),
          line.leg.hops.length > 0 ? quantity(line.leg.hops.length, '') : '–',
          line.leg.missing === ''
            ? line.leg.reached === false
              ? 'did not reach it'
              : 'reached it'
            : html`<div class="long"><span class="unmeasured">not measured</span> <span class="quiet">${line.leg.missing}</span></div>`,
          when(line.at, nowMs),
        ]),
      );
