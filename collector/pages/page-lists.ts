import type { EdgeLine, IncidentLine, SharedIncidentLine } from '../triage/views.ts';
import { count, ms, percent, quantity, when } from './format.ts';
import { type Html, html } from './html.ts';
import { empty, type Frame, layout, table, windowChoice } from './layout.ts';
import { incidentCells, incidentColumns } from './marks.ts';
import { onward } from './page-application.ts';
import { sharedCells, sharedColumns } from './shared-incident.ts';

export const incidentsPage = (
  frame: Frame,
  shared: readonly SharedIncidentLine[],
  incidents: readonly IncidentLine[],
): Html =>
  layout(frame, {
    title: 'Incidents',
    section: '/incidents',
    body: html`<h1>${incidentsHeadline(incidents)}</h1>
<section><h2>What several devices share</h2>${
      shared.length === 0
        ? empty('No cause that several devices share was found so far.')
        : table(
            'Shared incidents',
            sharedColumns,
            shared.map((incident) => sharedCells(incident, frame.nowMs)),
          )
    }</section>
<section><h2>By device</h2>${
      incidents.length === 0
        ? empty(
            'An incident opens when an application stays slow or failing on a device over several verdicts.',
          )
        : table(
            'Incidents',
            incidentColumns,
            incidents.map((incident) => incidentCells(incident, frame.nowMs)),
          )
    }</section>`,
  });

const incidentsHeadline = (incidents: readonly IncidentLine[]): string => {
  const open = incidents.filter(({ state }) => state === 'open').length;
  return open === 0 ? 'No open incident' : count(open, 'open incident', 'open incidents');
};

export const edgesPage = (frame: Frame, edges: readonly EdgeLine[]): Html =>
  layout(frame, {
    title: 'Edges',
    section: '/edges',
    body: html`<div class="title"><h1>Edges</h1>${windowChoice(frame, '/edges')}</div>
${
  edges.length === 0
    ? empty(
        'No edge has enrolled yet: run ',
        html`<code>whyslow token create --role edge</code>`,
        ' for an enrollment token, put it into the edge’s config, and start ',
        html`<code>whyslow edge</code>`,
        ' where it is to stand.',
      )
    : [
        edgeTable(edges, frame),
        html`<p class="quiet note">Refused flows and failed dials are counted over the last ${frame.window}.</p>`,
        edges.map((edge) => edgeSection(edge, frame.nowMs)),
      ]
}`,
  });

const edgeTable = (edges: readonly EdgeLine[], { nowMs, window }: Frame): Html =>
  table(
    `Edges now; refused flows and failed dials are counted over ${window}`,
    [
      'Edge',
      'Address',
      'Sampled',
      '#Devices',
      '#Streams',
      '#CPU',
      '#Loop',
      '#Queue',
      '#DNS',
      '#Connect',
      '#Refused',
      '#Dials failed',
    ],
    edges.map((edge) => [
      html`<b>${edge.id}</b> <span class="quiet">${edge.location}</span>${edge.revokedAt !== null && html` <b>revoked</b>`}`,
      html`<code>${edge.host}:${edge.port}</code>`,
      edge.sampleAt === null
        ? html`<span class="unmeasured">no sample</span>`
        : when(edge.sampleAt, nowMs),
      edge.deviceCount === null ? '–' : quantity(edge.deviceCount, ''),
      edge.streamCount === null ? '–' : quantity(edge.streamCount, ''),
      percent(edge.cpuRatio),
      ms(edge.loopDelayMs),
      ms(edge.queueMs),
      ms(edge.dnsMs),
      ms(edge.connectMs),
      quantity(edge.refusedCount, ''),
      quantity(edge.dialFailedCount, ''),
    ]),
  );

const edgeSection = (edge: EdgeLine, nowMs: number): Html =>
  html`<section><h2>From edge ${edge.id} to the applications</h2>${onward(edge.onward, nowMs)}</section>`;
