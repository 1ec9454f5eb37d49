import type { Accepted } from '../accepted.ts';
import type { ApplicationView, BinView, DeviceView } from '../bin-view.ts';
import type { Failures } from './failures.ts';
import type { Part } from './part.ts';
import { isOwnSlow, slowFromMs } from './slow.ts';

/** A device and application about which a verdict is due. */
export type BadPair = {
  device: DeviceView;
  app: ApplicationView;
  /** What adds most first. */
  parts: Part[];
  sumMs: number;
  slowFromMs: number;
  kind: 'failing' | 'slow' | 'own-slow';
};

/** Over all devices, not only over those whose observations spoke. */
export type Reach = {
  deviceCount: number;
  pairCount: number;
  sumMs: number;
  /** Ascending; so many of the lowest tell two groups of devices apart (ids are random). */
  lowestDeviceIds: string[];
  /** Some of the pairs, for the change point and the evidence. */
  examples: { device: DeviceView; app: ApplicationView; ms: number }[];
  /** Devices come one after the other: counted once. */
  lastDeviceIndex: number;
};

export type Findings = {
  pairs: BadPair[];
  reach: Map<Accepted, Reach>;
  /** Devices with a reading of which every application is fine. */
  fineDeviceCount: number;
};

const keptDeviceIds = 128;
const keptExamples = 48;

/** What every accepted cause and failure costs every active device and application. */
export const findBadPairs = (
  view: BinView,
  accepted: readonly Accepted[],
  failures: Failures,
): Findings => {
  const findings: Findings = { pairs: [], reach: new Map(), fineDeviceCount: 0 };
  for (const index of view.active) {
    const device = view.device(index);
    let isFine = true;
    for (const app of device.applications) {
      const pair = judgePair(device, app, accepted, failures);
      if (pair === undefined) continue;
      count(findings.reach, pair);
      if (pair.kind === 'fine') continue;
      isFine = false;
      findings.pairs.push(pair as BadPair);
    }
    if (isFine) findings.fineDeviceCount += 1;
  }
  return findings;
};

type Judged = Omit<BadPair, 'kind'> & { kind: BadPair['kind'] | 'fine' };

const judgePair = (
  device: DeviceView,
  app: ApplicationView,
  accepted: readonly Accepted[],
  failures: Failures,
): Judged | undefined => {
  const failure = failureOf(device, app, accepted, failures);
  if (failure !== undefined) {
    return { device, app, parts: [failure], sumMs: 0, slowFromMs: 0, kind: 'failing' };
  }
  let sumMs = 0;
  let parts: Part[] | undefined;
  for (const cause of accepted) {
    const ms = cause.costMs(device.index, app.appId);
    if (!(ms > 0)) continue;
    sumMs += ms;
    parts ??= [];
    parts.push({ blame: cause, ms });
  }
  const ownSlow = isOwnSlow(app);
  if (parts === undefined && !ownSlow) return undefined;
  const fromMs = slowFromMs(app);
  const kind = sumMs >= fromMs ? 'slow' : ownSlow ? 'own-slow' : 'fine';
  const sorted = (parts ?? []).sort(byCost);
  return { device, app, parts: sorted, sumMs, slowFromMs: fromMs, kind };
};

/** A hole for large packets explains what hangs better than the server that seems to hang. */
const failureOf = (
  device: DeviceView,
  app: ApplicationView,
  accepted: readonly Accepted[],
  failures: Failures,
): Part | undefined => {
  if (app.failureType === null || app.okCount > 0) return undefined;
  for (const blame of accepted) {
    if (blame.kind !== 'failure') continue;
    const ms = blame.costMs(device.index, app.appId);
    if (ms > 0) return { blame, ms };
  }
  return failures.of(device, app);
};

export const emptyReach = (): Reach => ({
  deviceCount: 0,
  pairCount: 0,
  sumMs: 0,
  lowestDeviceIds: [],
  examples: [],
  lastDeviceIndex: -1,
});

const byCost = (a: Part, b: Part): number =>
  b.ms - a.ms || (a.blame.key < b.blame.key ? -1 : a.blame.key > b.blame.key ? 1 : 0);

/** A cause reaches a pair when it alone would be noticed, or is the most of what is. */
const count = (
  reach: Map<Accepted, Reach>,
  { device, app, parts, slowFromMs: from, kind }: Judged,
) => {
  for (const [rank, { blame, ms }] of parts.entries()) {
    if (ms < from && !(rank === 0 && kind === 'slow')) continue;
    let known = reach.get(blame);
    if (known === undefined) {
      known = emptyReach();
      reach.set(blame, known);
    }
    known.pairCount += 1;
    known.sumMs += ms;
    if (known.examples.length < keptExamples) known.examples.push({ device, app, ms });
    if (known.lastDeviceIndex === device.index) continue;
    known.lastDeviceIndex = device.index;
    known.deviceCount += 1;
    if (known.lowestDeviceIds.length < keptDeviceIds) known.lowestDeviceIds.push(device.deviceId);
  }
};
