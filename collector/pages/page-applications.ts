import type { ApplicationSummary, DeviceSummary, SharedIncidentLine } from '../triage/views.ts';
import { count, when } from './format.ts';
import { type Html, html } from './html.ts';
import { empty, type Frame, layout, windowChoice } from './layout.ts';
import { answerUrl, applicationUrl, deviceUrl } from './links.ts';
import { scoreMark, sparkline, stateMark } from './marks.ts';
import { sharedNow } from './shared-incident.ts';

export type DeviceSearch = { q: string; devices: readonly DeviceSummary[]; moreCount: number };

/** The first page: how every application does, then the way to one person's device. */
export const applicationsPage = (
  frame: Frame,
  applications: readonly ApplicationSummary[],
  shared: readonly SharedIncidentLine[],
  search: DeviceSearch,
): Html =>
  layout(frame, {
    title: 'Applications',
    section: '/',
    body: html`<div class="title"><h1>${headline(applications)}</h1>${windowChoice(frame, '/')}</div>
${sharedNow(shared, frame.nowMs)}${
  applications.length === 0
    ? empty(
        'No application is declared yet: write one into a file and run ',
        html`<code>whyslow apply organisation.yaml</code>`,
        '.',
      )
    : html`<ul class="cards">${applications.map((application) => applicationCard(application, frame.nowMs))}</ul>`
}
<section aria-labelledby="find"><h2 id="find">Find a person’s device</h2>
${deviceSearch('/', search, frame.nowMs)}</section>`,
  });

const headline = (applications: readonly ApplicationSummary[]): string => {
  const bad = applications.filter(({ state }) => state === 'failing' || state === 'slow');
  if (bad.length > 0) {
    return `${count(bad.length, 'application', 'applications')} of ${applications.length} slow or failing`;
  }
  return applications.some(({ state }) => state === 'ok') ? 'Nothing is slow' : 'Applications';
};

const applicationCard = (application: ApplicationSummary, nowMs: number): Html => {
  const { worst } = application;
  return html`<li class="card app edge-${application.state}">
<div class="item-head">${stateMark(application.state)}<a class="item-name" href="${applicationUrl(application.id)}">${application.name}</a>${scoreMark(application.score, application.band)}</div>
<p class="item-text">${
    worst === null
      ? html`<span class="quiet">Waiting for the first verdict: it comes with the first results of a device.</span>`
      : html`${application.state === 'no-data' && html`<span class="quiet">Last known ${when(worst.at, nowMs)}: </span>`}<a class="plain" href="${answerUrl(worst.device.id, application.id)}">${worst.sentence}</a>`
  }</p>
<div class="app-foot">${sparkline(application.trend)}<p class="facts"><span><b>${application.affectedDeviceCount}</b> of ${count(application.deviceCount, 'device', 'devices')} affected</span>${application.silentDeviceCount > 0 && html`<span>${application.silentDeviceCount} silent</span>`}<span>${application.lastResultAt === null ? 'no result in this stretch of time' : html`last result ${when(application.lastResultAt, nowMs)}`}</span></p></div>
</li>`;
};

/** A form that works by itself; assets/filter.js makes it answer while one types. */
export const deviceSearch = (action: string, search: DeviceSearch, nowMs: number): Html => {
  const { q, devices, moreCount } = search;
  return html`<form class="search" action="${action}" method="get" role="search"><label for="q">Device name</label><div class="search-line"><input id="q" name="q" type="search" value="${q}" maxlength="100" autocomplete="off" spellcheck="false" placeholder="part of the name" data-keep data-filters="devices"><button type="submit">Find</button></div></form>
<ul class="rows" id="devices">${devices.map((device) => deviceRow(device, nowMs))}</ul>
<p class="empty" id="devices-none"${devices.length > 0 && html` hidden`}>${
    q === ''
      ? html`No device has enrolled yet: run <code>whyslow token create</code> for an enrollment token, put it into the agent’s config, and start <code>whyslow agent run</code> on the device.`
      : html`No device’s name contains this. Names are those the devices enrolled with.`
  }</p>
${moreCount > 0 && html`<p class="quiet">${count(moreCount, 'more device', 'more devices')}: type a part of the name.</p>`}`;
};

const deviceRow = (device: DeviceSummary, nowMs: number): Html => {
  const { worst } = device;
  const text =
    worst === null
      ? html`<span class="quiet">no verdict yet</span>`
      : html`<a class="plain" href="${answerUrl(device.id, worst.application.id)}">${worst.sentence}</a>`;
  return html`<li class="row edge-${device.state}" data-name="${device.name}"><div class="row-name"><a class="item-name" href="${deviceUrl(device.id)}">${device.name}</a> <span class="quiet">${device.platform}</span>${device.revokedAt !== null && html` <b>revoked</b>`}</div><div class="row-state">${stateMark(device.state)}</div><div class="row-text">${text}</div><div class="row-time quiet">seen ${when(device.lastSeenAt, nowMs)}</div></li>`;
};

export const devicesPage = (frame: Frame, search: DeviceSearch): Html =>
  layout(frame, {
    title: 'Devices',
    section: '/devices',
    body: html`<h1>Devices</h1>${deviceSearch('/devices', search, frame.nowMs)}`,
  });
