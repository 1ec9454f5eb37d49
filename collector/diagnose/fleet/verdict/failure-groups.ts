import type { CauseElement, CauseFamily, CauseScope, Segment } from '#contract/verdict.ts';
import type { ApplicationView, BinView, DeviceView } from '../bin-view.ts';
import { elementOf } from '../services/group.ts';
import type { Names } from './names.ts';

export type FailedPair = {
  device: DeviceView;
  app: ApplicationView;
  type: string;
  segment: Segment;
};

/** Those whose failures have one cause, and what it is. */
export type FailureGroup = {
  family: CauseFamily;
  segment: Segment;
  scope: CauseScope;
  element: CauseElement;
  deviceCount: number;
  healthyCount: number;
};

/** Of those who tried, so many must fail for what they share to be blamed. */
const mostOf = 0.8;

/** Devices that tried something and devices that got no answer, by what they have in common. */
class Tally {
  readonly tried = new Set<number>();
  readonly failed = new Set<number>();
  readonly failedApps = new Set<string>();
  readonly triedApps = new Set<string>();

  add(device: DeviceView, app: ApplicationView): void {
    this.tried.add(device.index);
    this.triedApps.add(app.appId);
    if (app.okCount > 0) return;
    this.failed.add(device.index);
    this.failedApps.add(app.appId);
  }
}

export type Tries = Map<string, Tally>;

/** Of everything that a failed pair shares with others; what fails nowhere is not counted. */
export const countTries = (view: BinView, failed: readonly FailedPair[]): Tries => {
  const tries: Tries = new Map();
  for (const { device, app } of failed) {
    for (const key of keysOf(device, app)) tries.set(key, new Tally());
    if (device.edgeId !== null) tries.set(`edge ${device.edgeId}`, new Tally());
  }
  if (tries.size === 0) return tries;
  for (const index of view.active) {
    const device = view.device(index);
    for (const app of device.applications) {
      if (app.runCount === 0) continue;
      for (const key of keysOf(device, app)) tries.get(key)?.add(device, app);
    }
  }
  return tries;
};

const keysOf = (device: DeviceView, app: ApplicationView): string[] => {
  const edge = app.via === 'tunnel' ? (app.edgeId ?? '') : '';
  return [
    `device ${device.deviceId}`,
    `app ${app.appId}`,
    `seen ${edge} ${app.appId}`,
    ...(edge === '' ? [] : [`edge ${edge}`]),
    ...(device.siteId === undefined ? [] : [`site ${device.siteId}`]),
    ...(app.frontEnd === null ? [] : [`front ${app.appId} ${app.frontEnd}`]),
  ];
};

/** Segments of which a failure lies before the application is ever reached. */
const beforeTheEdge: ReadonlySet<Segment> = new Set([
  'device',
  'gateway',
  'client-edge',
  'tunnel-queue',
]);

/** What most who fail the same way have in common, the widest first. */
export const groupOf = (pair: FailedPair, tries: Tries, names: Names): FailureGroup => {
  if (beforeTheEdge.has(pair.segment) && pair.app.via === 'tunnel')
    return wayGroup(pair, tries, names);
  if (pair.segment === 'dns') return dnsGroup(pair, tries, names);
  if (pair.segment === 'in-edge')
    return edgeGroup(pair, tries, names) ?? deviceGroup(pair, tries, names);
  return serviceGroup(pair, tries, names);
};

const isBroad = (tally: Tally | undefined): tally is Tally =>
  tally !== undefined && tally.tried.size > 1 && tally.failed.size >= mostOf * tally.tried.size;

const wayGroup = (pair: FailedPair, tries: Tries, names: Names): FailureGroup => {
  const edge = edgeGroup(pair, tries, names);
  if (edge !== undefined) return edge;
  const { siteId, facts } = pair.device;
  const site = siteId === undefined ? undefined : tries.get(`site ${siteId}`);
  if (siteId !== undefined && isBroad(site)) {
    const name = `the local network of ${facts.site ?? siteId}`;
    return group('gateway', 'gateway', 'site', elementOf(siteId, name), site);
  }
  return deviceGroup(pair, tries, names);
};

const edgeGroup = (pair: FailedPair, tries: Tries, names: Names): FailureGroup | undefined => {
  const edgeId = pair.app.edgeId ?? pair.device.edgeId;
  if (edgeId === null) return undefined;
  const tally = tries.get(`edge ${edgeId}`);
  if (!isBroad(tally) || tally.failedApps.size < Math.min(2, tally.triedApps.size)) return;
  return group('edge', 'in-edge', 'edge', elementOf(edgeId, names.edge(edgeId)), tally);
};

const dnsGroup = (pair: FailedPair, tries: Tries, names: Names): FailureGroup => {
  const { app } = pair;
  const edge = app.edgeId === null ? undefined : tries.get(`edge ${app.edgeId}`);
  const allApps = edge !== undefined && edge.triedApps.size > 1;
  if (allApps && isBroad(edge) && edge.failedApps.size === edge.triedApps.size) {
    const name = `the resolver of ${names.edge(app.edgeId ?? '')}`;
    return group('edge-dns', 'dns', 'edge', elementOf(app.edgeId ?? '', name), edge);
  }
  const device = tries.get(`device ${pair.device.deviceId}`);
  const others = tries.get(`app ${app.appId}`);
  if (!isBroad(others) && device !== undefined && device.triedApps.size > 1) {
    if (device.failedApps.size === device.triedApps.size) return deviceGroup(pair, tries, names);
  }
  const name = `the name servers of ${names.application(app.appId)}`;
  return group('application-dns', 'dns', 'application', elementOf(app.appId, name), others);
};

const serviceFamilies: Partial<Record<Segment, CauseFamily>> = {
  tls: 'tls',
  page: 'page',
  transfer: 'transfer',
};

const serviceGroup = (pair: FailedPair, tries: Tries, names: Names): FailureGroup => {
  const { app, segment } = pair;
  const family = serviceFamilies[segment] ?? 'application';
  const everywhere = tries.get(`app ${app.appId}`);
  const one = elementOf(app.appId, names.application(app.appId));
  if (everywhere === undefined || everywhere.tried.size < 2 || isBroad(everywhere)) {
    return group(family, segment, 'application', one, everywhere);
  }
  const front = app.frontEnd === null ? undefined : `${app.appId} ${app.frontEnd}`;
  const frontTally = front === undefined ? undefined : tries.get(`front ${front}`);
  if (isBroad(frontTally)) {
    const element = elementOf(
      `${app.appId}@${app.frontEnd}`,
      `the front end ${app.frontEnd} of ${names.application(app.appId)}`,
    );
    return group('front-end', segment, 'front-end', element, frontTally);
  }
  const seen = app.edgeId === null ? undefined : tries.get(`seen ${app.edgeId} ${app.appId}`);
  if (isBroad(seen)) {
    const name = `between ${names.edge(app.edgeId ?? '')} and ${names.application(app.appId)}`;
    const element = elementOf(`${app.edgeId}>${app.appId}`, name);
    return group('link', 'edge-origin', 'edge', element, seen);
  }
  return { ...deviceGroup(pair, tries, names), segment };
};

const deviceGroup = (pair: FailedPair, tries: Tries, names: Names): FailureGroup => {
  const { deviceId } = pair.device;
  const family = pair.segment === 'client-edge' ? 'tunnel-client' : 'device';
  const element = elementOf(deviceId, names.device(deviceId));
  return group(family, pair.segment, 'device', element, tries.get(`device ${deviceId}`));
};

const group = (
  family: CauseFamily,
  segment: Segment,
  scope: CauseScope,
  element: CauseElement,
  tally: Tally | undefined,
): FailureGroup => {
  const deviceCount = tally?.failed.size ?? 1;
  const healthyCount = (tally?.tried.size ?? 1) - deviceCount;
  return { family, segment, scope, element, deviceCount, healthyCount };
};
