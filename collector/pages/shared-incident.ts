import {
  type causeScopes,
  type incidentLevels,
  segmentNames,
  type VerdictCause,
} from '#contract/verdict.ts';
import type { SharedIncidentLine } from '../triage/views.ts';
import { count, ms, percent, when } from './format.ts';
import { type Html, html } from './html.ts';
import { sharedIncidentUrl } from './links.ts';

/** How far a cause reaches. */
export const scopeWords = {
  device: 'this device alone',
  site: 'one site',
  cohort: 'one version or profile',
  region: 'one region of an access network',
  network: 'a part of the network',
  edge: 'one edge',
  'front-end': 'one of the application’s addresses',
  application: 'the application',
} as const satisfies Record<(typeof causeScopes)[number], string>;

/** Of the organisation's active devices. */
export const levelWords = {
  'one-user': 'one device',
  few: 'below 1 % of all devices',
  low: '1 to 5 % of all devices',
  medium: '5 to 10 % of all devices',
  high: '10 % of all devices or more',
} as const satisfies Record<(typeof incidentLevels)[number], string>;

/** Counted by the fleet's newest bin. Nobody who clears it is said, not left out. */
export const reach = (found: { deviceCount: number; healthyDeviceCount: number }): string => {
  const has = `${count(found.deviceCount, 'device has it', 'devices have it')}`;
  return found.healthyDeviceCount === 0
    ? `${has}, none that meets it is known to be fine`
    : `${has}, ${count(found.healthyDeviceCount, 'that meets it is fine', 'that meet it are fine')}`;
};

/** What a verdict rests on of the fleet's evidence, under its sentence. */
export const causeLines = (causes: readonly VerdictCause[]): Html =>
  causes.length === 0
    ? html``
    : html`<ul class="causes" aria-label="Causes the whole fleet’s evidence names">${causes.map(causeLine)}</ul>`;

const causeLine = (cause: VerdictCause): Html => {
  const isShared = cause.scope !== 'device' && cause.deviceCount > 1;
  return html`<li><b>${cause.element.name}</b><span class="facts"><span>${segmentNames[cause.segment]}</span><span>scope: ${scopeWords[cause.scope]}</span><span>${costOf(cause)}</span><span>${reach(cause)}</span>${isShared && html`<a href="${sharedIncidentUrl(cause.incidentId)}">shared incident</a>`}</span></li>`;
};

const costOf = ({ kind, addedMs, share, lossRatio }: VerdictCause): string => {
  if (kind === 'failure') return 'does not answer';
  const part = `+${ms(addedMs)}, ${percent(share)} of what was added`;
  return kind === 'loss' ? `${percent(lossRatio)} lost, ${part}` : part;
};

/** On the first page: what goes on now and hits more than one device. */
export const sharedNow = (incidents: readonly SharedIncidentLine[], nowMs: number): Html => {
  const now = incidents.filter(({ endedAt, deviceCount }) => endedAt === null && deviceCount > 1);
  if (now.length === 0) return html``;
  return html`<section aria-labelledby="shared"><h2 id="shared">What several devices share</h2>
<ul class="cards">${now.slice(0, listed).map((incident) => sharedCard(incident, nowMs))}</ul>
${now.length > listed && html`<p class="quiet">The newest ${listed} of ${now.length}; all are under <a href="/incidents">Incidents</a>.</p>`}</section>
<h2>Applications</h2>
`;
};
const listed = 5;

const sharedCard = (incident: SharedIncidentLine, nowMs: number): Html =>
  html`<li class="card item edge-slow"><div class="item-head"><span class="incident incident-open">● Goes on</span><a class="item-name" href="${sharedIncidentUrl(incident.id)}">${incident.element}</a></div>
<p class="item-text">${incident.sentence}</p>
<p class="facts"><span>${segmentNames[incident.segment]}</span><span>scope: ${scopeWords[incident.scope]}</span><span>${reach(incident)}</span><span>${levelWords[incident.level]}</span><span>since ${when(incident.startedAt, nowMs)}</span></p></li>`;

export const sharedColumns = [
  'State',
  'Element',
  'What was found',
  '#Devices',
  'Since',
  'Ended',
] as const;

export const sharedCells = (incident: SharedIncidentLine, nowMs: number): (Html | string)[] => [
  incident.endedAt === null
    ? html`<span class="incident incident-open">● Goes on</span>`
    : html`<span class="incident incident-closed">✓ Ended</span>`,
  html`<span class="long"><a href="${sharedIncidentUrl(incident.id)}">${incident.element}</a> <span class="quiet">${scopeWords[incident.scope]}</span></span>`,
  html`<span class="long">${incident.sentence}</span>`,
  String(incident.deviceCount),
  when(incident.startedAt, nowMs),
  incident.endedAt === null
    ? html`<span class="quiet">not yet</span>`
    : when(incident.endedAt, nowMs),
];
