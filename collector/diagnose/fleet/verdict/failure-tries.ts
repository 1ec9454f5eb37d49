import type { Segment } from '#contract/verdict.ts';
import { segmentOfFailureType } from '../../failing.ts';
import { underTunnel } from '../accepted.ts';
import type { ApplicationView, BinView, DeviceView } from '../bin-view.ts';

export type FailedPair = {
  device: DeviceView;
  app: ApplicationView;
  type: string;
  segment: Segment;
};

/**
 * How far a run came: failures of one kind say nothing of another. On the way to the edge, or straight
 * to the application; in the edge; looking a name up; at the application or between it and the edge.
 */
export type FailingPart = 'way' | 'straight' | 'edge' | 'dns' | 'service';

export const partOf = (app: ApplicationView, segment: Segment): FailingPart => {
  if (segment === 'dns') return 'dns';
  const isTunnel = app.via === 'tunnel';
  if (beforeTheEdge.has(segment)) return isTunnel ? 'way' : 'straight';
  return isTunnel && segment === 'in-edge' ? 'edge' : 'service';
};

/** Segments of which a failure lies before the application is ever reached. */
const beforeTheEdge: ReadonlySet<Segment> = new Set(['device', ...underTunnel]);

/** What failed for whom, out of those who tried. */
export type Tally = {
  /** Devices. */
  tried: number;
  failed: number;
  triedApps: number;
  failedApps: number;
};

/** Of those who tried, so many must fail for what they share to be blamed. */
const mostOf = 0.8;

export const isBroad = (tally: Tally | undefined): tally is Tally =>
  tally !== undefined && tally.tried > 1 && tally.failed >= mostOf * tally.tried;

/** A service that fails for some only: so many of those who tried, and more than one of them. */
const partly = { share: 0.25, devices: 2 };

/** That several have an own fault in the same service at once is less likely than one of the service. */
export const isPartly = ({ tried, failed }: Tally): boolean =>
  failed >= partly.devices && failed >= partly.share * tried;

/** Whether what these share is all there is to it: of the others hardly any fail. */
export const isConfined = (some: Tally, all: Tally): boolean => {
  const others = all.failed - some.failed;
  return others <= 0 || others < partly.share * (all.tried - some.tried);
};

class Counts {
  readonly #tried = new Set<number>();
  readonly #triedApps = new Set<string>();
  readonly #failed = new Map<FailingPart, { devices: Set<number>; apps: Set<string> }>();

  add({ index }: DeviceView, { appId }: ApplicationView, part: FailingPart | null): void {
    this.#tried.add(index);
    this.#triedApps.add(appId);
    if (part === null) return;
    const known = this.#failed.get(part) ?? { devices: new Set(), apps: new Set() };
    this.#failed.set(part, known);
    known.devices.add(index);
    known.apps.add(appId);
  }

  of(parts: readonly FailingPart[]): Tally {
    const failed = parts.flatMap((part) => this.#failed.get(part) ?? []);
    return {
      tried: this.#tried.size,
      failed: new Set(failed.flatMap(({ devices }) => [...devices])).size,
      triedApps: this.#triedApps.size,
      failedApps: new Set(failed.flatMap(({ apps }) => [...apps])).size,
    };
  }
}

/** Of devices that have something in common: how many tried, and of how many one of these parts failed. */
export type Tries = (key: string, ...parts: FailingPart[]) => Tally | undefined;

/** Of everything that a failed pair shares with others; what fails nowhere is not counted. */
export const countTries = (view: BinView, failed: readonly FailedPair[]): Tries => {
  const counts = new Map<string, Counts>();
  for (const { device, app } of failed) {
    for (const key of keysOf(device, app)) counts.set(key, new Counts());
    if (device.edgeId !== null) counts.set(`edge ${device.edgeId}`, new Counts());
  }
  if (counts.size > 0) for (const index of view.active) addTries(view.device(index), counts);
  const tallies = new Map<string, Tally | undefined>();
  return (key, ...parts) => {
    const name = `${key} ${parts.join(' ')}`;
    if (!tallies.has(name)) tallies.set(name, counts.get(key)?.of(parts));
    return tallies.get(name);
  };
};

const addTries = (device: DeviceView, counts: ReadonlyMap<string, Counts>): void => {
  for (const app of device.applications) {
    if (app.runCount === 0) continue;
    const segment = app.okCount > 0 ? null : segmentOfFailureType(app.failureType ?? '');
    // Off the network, or not allowed: it tells nothing of what others share with it.
    if (app.okCount === 0 && segment === null) continue;
    const part = segment === null ? null : partOf(app, segment);
    for (const key of keysOf(device, app)) counts.get(key)?.add(device, app, part);
  }
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
