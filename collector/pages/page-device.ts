import type { DeviceView, HealthNow, TunnelNow } from '../triage/views.ts';
import { chartFigure } from './chart-figure.ts';
import { bytes, ms, percent, quantity, when } from './format.ts';
import { type Html, type HtmlValue, html } from './html.ts';
import { crumbs, empty, type Frame, layout, table, windowChoice } from './layout.ts';
import { deviceUrl } from './links.ts';
import { incidentCells, incidentColumns, stateMark, verdictItem } from './marks.ts';

/** One device: its applications first, then how it is connected and how it is doing. */
export const devicePage = (frame: Frame, view: DeviceView): Html => {
  const { device } = view;
  const { nowMs } = frame;
  return layout(frame, {
    title: device.name,
    section: '/devices',
    body: html`${crumbs({ href: '/devices', label: 'Devices' })}
<div class="title"><h1>${device.name}</h1>${windowChoice(frame, deviceUrl(device.id))}</div>
<p class="facts big">${stateMark(device.state)}<span>${device.platform}</span><span>last seen ${when(device.lastSeenAt, nowMs)}</span>${device.revokedAt !== null && html`<span><b>revoked</b> ${when(device.revokedAt, nowMs)}</span>`}</p>
<section><h2>Applications</h2>${
      view.applications.length === 0
        ? empty('No verdict yet: it comes with the first results of a probe.')
        : html`<ul class="cards">${view.applications.map((line) => verdictItem(line, 'application', nowMs))}</ul>`
    }</section>
<section><h2>Now</h2><div class="columns">
<div class="card"><h3>Tunnel</h3>${tunnelFacts(view.tunnel, nowMs)}</div>
<div class="card"><h3>Health</h3>${healthFacts(view.health, nowMs)}</div>
<div class="card"><h3>Identity</h3>${facts([
      ['Id', html`<code class="long">${device.id}</code>`],
      ['Measure now', html`<code class="long">whyslow run ${device.id} APPLICATION --wait</code>`],
      ['Agent', device.programVersion],
      ['Enrolled', when(device.enrolledAt, nowMs)],
      ['Certificate ends', when(view.certificateNotAfter, nowMs)],
    ])}</div></div></section>
<section><h2>Over time</h2><div class="charts">${view.charts.map(chartFigure)}</div></section>
<section><h2>What changed</h2>${
      view.events.length === 0
        ? empty('Nothing in this stretch of time.')
        : table(
            'What changed',
            ['When', 'What', 'Reason'],
            view.events.map(({ at, name, reason }) => [
              when(at, nowMs),
              name.replaceAll('-', ' '),
              html`<span class="long">${reason}</span>`,
            ]),
          )
    }</section>
<section><h2>Runs that did not happen</h2>${
      view.missed.length === 0
        ? empty('Every planned run gave a result.')
        : table(
            'Runs that did not happen',
            ['Probe', 'Reason', '#Runs'],
            view.missed.map(({ probeId, reason, runCount }) => [
              probeId,
              missedWords[reason] ?? reason,
              quantity(runCount, ''),
            ]),
          )
    }</section>
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

const missedWords: Record<string, string> = {
  overrun: 'the run before had not ended',
  'spool-full': 'the device’s disk queue was full',
  asleep: 'the device was asleep',
  stopped: 'the agent was stopping',
  refused: 'the collector refused the record',
  'not-repeated': 'it was distorted and could not be made again',
  'over-budget': 'asked for, beyond what it may cost the device',
  'request-ended': 'asked for, and ended before it was made',
};

const facts = (lines: readonly (readonly [string, HtmlValue])[]): Html =>
  html`<dl class="list">${lines.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

const tunnelFacts = (tunnel: TunnelNow | null, nowMs: number): Html =>
  tunnel === null
    ? empty('No sample in this stretch of time.')
    : facts([
        ['State', html`${tunnel.state === 'up' ? '✓' : '✕'} ${tunnel.state}`],
        ['Edge', tunnel.edgeId === '' ? 'none' : tunnel.edgeId],
        ['Round trip', ms(tunnel.controlRttMs)],
        ['Outside the tunnel', ms(tunnel.underlayRttMs)],
        ['Queueing', ms(tunnel.queueMs)],
        ['Streams', tunnel.streamCount === null ? '–' : quantity(tunnel.streamCount, '')],
        ['Sampled', when(tunnel.at, nowMs)],
      ]);

const healthFacts = (health: HealthNow | null, nowMs: number): Html =>
  health === null
    ? empty('No sample in this stretch of time.')
    : facts([
        ['CPU', percent(health.cpuRatio)],
        ['Memory used', percent(health.memoryUsedRatio)],
        ['Link', linkText(health)],
        ['Gateway', health.gatewayAddress ?? '–'],
        ['Gateway round trip', ms(health.gatewayRttMs)],
        ['Gateway loss', percent(health.gatewayLossRatio)],
        ['Waiting to be sent', bytes(health.spoolBytes)],
        ['Sampled', when(health.at, nowMs)],
      ]);

const linkText = ({ linkName, linkType, linkSpeedMbps }: HealthNow): string =>
  [linkType, linkName, linkSpeedMbps === null ? null : quantity(linkSpeedMbps, 'Mbit/s')]
    .filter((part) => part !== null && part !== '')
    .join(', ') || '–';
