import type { CauseElement, CauseFamily, CauseScope, Segment } from '#contract/verdict.ts';
import { elementOf } from '../services/group.ts';
import {
  type FailedPair,
  isBroad,
  isConfined,
  isPartly,
  partOf,
  type Tally,
  type Tries,
} from './failure-tries.ts';
import type { Names } from './names.ts';

/** Those whose failures have one cause, and what it is. */
export type FailureGroup = {
  family: CauseFamily;
  segment: Segment;
  scope: CauseScope;
  element: CauseElement;
  deviceCount: number;
  healthyCount: number;
};

/** What most who fail the same way have in common, the widest first. */
export const groupOf = (pair: FailedPair, tries: Tries, names: Names): FailureGroup => {
  const part = partOf(pair.app, pair.segment);
  if (part === 'dns') return dnsGroup(pair, tries, names);
  if (part === 'service' || part === 'straight') return serviceGroup(pair, tries, names);
  return (
    edgeGroup(pair, tries, names) ??
    (part === 'way' ? siteGroup(pair, tries, names) : undefined) ??
    deviceGroup(pair, names)
  );
};

const edgeGroup = (pair: FailedPair, tries: Tries, names: Names): FailureGroup | undefined => {
  const edgeId = pair.app.edgeId ?? pair.device.edgeId;
  if (edgeId === null) return undefined;
  const tally = tries(`edge ${edgeId}`, 'way', 'edge');
  if (!isBroad(tally) || tally.failedApps < Math.min(2, tally.triedApps)) return;
  return group('edge', 'in-edge', 'edge', elementOf(edgeId, names.edge(edgeId)), tally);
};

/** Nothing gets out of it: tunnels and straight runs alike. */
const siteGroup = (
  { device }: FailedPair,
  tries: Tries,
  names: Names,
): FailureGroup | undefined => {
  const { siteId } = device;
  if (siteId === undefined) return undefined;
  const tally = tries(`site ${siteId}`, 'way', 'straight');
  if (!isBroad(tally)) return undefined;
  const name = `the local network of ${names.site(siteId)}`;
  return group('gateway', 'gateway', 'site', elementOf(siteId, name), tally);
};

const dnsGroup = (pair: FailedPair, tries: Tries, names: Names): FailureGroup => {
  const { app, device } = pair;
  const edgeId = app.via === 'tunnel' ? app.edgeId : null;
  const all = tries(`app ${app.appId}`, 'dns');
  if (edgeId !== null) {
    const resolver = elementOf(edgeId, `the resolver of ${names.edge(edgeId)}`);
    const edge = tries(`edge ${edgeId}`, 'dns');
    if (isBroad(edge) && edge.triedApps > 1 && edge.failedApps === edge.triedApps)
      return group('edge-dns', 'dns', 'edge', resolver, edge);
    const seen = tries(`seen ${edgeId} ${app.appId}`, 'dns');
    if (isBroad(seen) && !isBroad(all)) return group('edge-dns', 'dns', 'edge', resolver, seen);
  }
  const isOwn =
    all !== undefined && all.tried > 1
      ? !isBroad(all)
      : failsThroughout(tries(`device ${device.deviceId}`, 'dns'));
  if (isOwn) return deviceGroup(pair, names);
  const name = `the name servers of ${names.application(app.appId)}`;
  return group('application-dns', 'dns', 'application', elementOf(app.appId, name), all);
};

const failsThroughout = (tally: Tally | undefined): boolean =>
  tally !== undefined && tally.triedApps > 1 && tally.failedApps === tally.triedApps;

const serviceFamilies: Partial<Record<Segment, CauseFamily>> = {
  tls: 'tls',
  page: 'page',
  transfer: 'transfer',
};

const serviceGroup = (pair: FailedPair, tries: Tries, names: Names): FailureGroup => {
  const { app, segment } = pair;
  const family = serviceFamilies[segment] ?? 'application';
  const everywhere = tries(`app ${app.appId}`, 'service', 'straight');
  const name = names.application(app.appId);
  const whole = group(family, segment, 'application', elementOf(app.appId, name), everywhere);
  if (everywhere === undefined || everywhere.tried < 2 || isBroad(everywhere)) return whole;
  const front = tries(`front ${app.appId} ${app.frontEnd}`, 'service', 'straight');
  if (app.frontEnd !== null && isBroad(front) && isConfined(front, everywhere)) {
    const element = elementOf(app.frontEnd, `the front end ${app.frontEnd} of ${name}`);
    return group('front-end', segment, 'front-end', element, front);
  }
  const seen = tries(`seen ${app.edgeId} ${app.appId}`, 'service');
  if (app.edgeId !== null && isBroad(seen) && isConfined(seen, everywhere)) {
    return seenGroup(pair, family, seen, names);
  }
  const site = partOf(app, segment) === 'straight' ? siteGroup(pair, tries, names) : undefined;
  return site ?? (isPartly(everywhere) ? whole : deviceGroup(pair, names));
};

/** Where it was answered, with an error or too late, the way to the application is no trouble. */
const seenGroup = (
  { app: { appId, edgeId }, segment }: FailedPair,
  family: CauseFamily,
  seen: Tally,
  names: Names,
): FailureGroup => {
  const edge = names.edge(edgeId ?? '');
  const name = names.application(appId);
  if (segment !== 'edge-origin') {
    const element = elementOf(`${appId}@${edgeId}`, `${name}, as ${edge} meets it`);
    return group(family, segment, 'edge', element, seen);
  }
  const element = elementOf(`${edgeId}>${appId}`, `between ${edge} and ${name}`);
  return group('link', segment, 'edge', element, seen);
};

const deviceGroup = ({ device, app, segment }: FailedPair, names: Names): FailureGroup => {
  const { deviceId } = device;
  const family = app.via === 'tunnel' && segment === 'client-edge' ? 'tunnel-client' : 'device';
  return group(family, segment, 'device', elementOf(deviceId, names.device(deviceId)), undefined);
};

const group = (
  family: CauseFamily,
  segment: Segment,
  scope: CauseScope,
  element: CauseElement,
  tally: Tally | undefined,
): FailureGroup => {
  const deviceCount = tally?.failed ?? 1;
  const healthyCount = (tally?.tried ?? 1) - deviceCount;
  return { family, segment, scope, element, deviceCount, healthyCount };
};
