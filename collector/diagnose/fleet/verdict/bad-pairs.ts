import type { Accepted } from '../accepted.ts';
import type { ApplicationView, BinView, DeviceView } from '../bin-view.ts';
import { causesByDevice } from './causes-of-device.ts';
import type { Failures } from './failures.ts';
import type { Part } from './part.ts';
import { isDenied, isOwnSlow, slowFromMs } from './slow.ts';

/** A device and application about which a verdict is due. Their views are not kept: they are large. */
export type BadPair = {
  deviceIndex: number;
  appId: string;
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
  examples: Example[];
  /** Devices that are fine though it costs them something, or would if their own numbers did not deny it. */
  fineMeetingCount: number;
  /** Devices come one after the other: counted once. */
  lastDeviceIndex: number;
};

export type Example = {
  deviceIndex: number;
  appId: string;
  ms: number;
  recentTotals: ApplicationView['recentTotals'];
};

export type Findings = {
  pairs: BadPair[];
  reach: Map<Accepted, Reach>;
  /** Devices of which every application that was tried is fine. */
  fineDeviceCount: number;
};

const keptDeviceIds = 128;
const keptExamples = 48;

/** What every accepted cause and failure costs every device and application it reaches. */
export const findBadPairs = (
  view: BinView,
  accepted: readonly Accepted[],
  failures: Failures,
  /** Keys of the causes that people were told of before, and that have not ended. */
  told: ReadonlySet<string>,
): Findings => {
  const findings: Findings = { pairs: [], reach: new Map(), fineDeviceCount: 0 };
  const causesOf = causesByDevice(view, accepted);
  /** Bad, or nothing was tried on them. */
  let otherDeviceCount = 0;
  const met = new Set<Accepted>();
  for (const index of suspects(view, accepted)) {
    const device = view.device(index);
    const causes = causesOf(device);
    let isFine = true;
    met.clear();
    for (const app of device.applications) {
      const pair = judgePair(device, app, causes, failures, told, met);
      if (pair === undefined) continue;
      count(findings.reach, pair, device, app);
      if (pair.kind === 'fine') continue;
      isFine = false;
      findings.pairs.push(pair as BadPair);
    }
    if (!isFine || device.applications.length === 0) otherDeviceCount += 1;
    else for (const blame of met) reachOf(findings.reach, blame).fineMeetingCount += 1;
  }
  findings.fineDeviceCount = view.active.length - otherDeviceCount;
  return findings;
};

/** Causes may reach anybody; where there are none, only who shows something can be bad. */
const suspects = (view: BinView, accepted: readonly Accepted[]): readonly number[] =>
  accepted.length > 0 ? view.active : view.ailing;

type Judged = Omit<BadPair, 'kind'> & { kind: BadPair['kind'] | 'fine' };

const judgePair = (
  device: DeviceView,
  app: ApplicationView,
  accepted: readonly Accepted[],
  failures: Failures,
  told: ReadonlySet<string>,
  met: Set<Accepted>,
): Judged | undefined => {
  const pair = { deviceIndex: device.index, appId: app.appId };
  const failure = failureOf(device, app, accepted, failures);
  if (failure !== undefined) {
    return { ...pair, parts: [failure], sumMs: 0, slowFromMs: 0, kind: 'failing' };
  }
  let sumMs = 0;
  let parts: Part[] | undefined;
  for (const cause of accepted) {
    if (cause.kind === 'failure') continue;
    const ms = cause.costMs(device.index, app.appId);
    if (!(ms > 0)) continue;
    met.add(cause);
    if (isDenied(device, app, cause, ms)) continue;
    sumMs += ms;
    parts ??= [];
    parts.push({ blame: cause, ms });
  }
  const ownSlow = isOwnSlow(app);
  if (parts === undefined && !ownSlow) return undefined;
  const isTold = parts?.some(({ blame }) => told.has(blame.key)) ?? false;
  const fromMs = slowFromMs(app, isTold);
  const kind = sumMs >= fromMs ? 'slow' : ownSlow ? 'own-slow' : 'fine';
  const sorted = (parts ?? []).sort(byCost);
  return { ...pair, parts: sorted, sumMs, slowFromMs: fromMs, kind };
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

const byCost = (a: Part, b: Part): number =>
  b.ms - a.ms || (a.blame.key < b.blame.key ? -1 : a.blame.key > b.blame.key ? 1 : 0);

/** A cause reaches a pair when it alone would be noticed, or is the most of what is. */
const count = (
  reach: Map<Accepted, Reach>,
  { parts, slowFromMs: from, kind }: Judged,
  { index, deviceId }: DeviceView,
  { appId, recentTotals }: ApplicationView,
): void => {
  for (const [rank, { blame, ms }] of parts.entries()) {
    if (ms < from && !(rank === 0 && kind === 'slow')) continue;
    const known = reachOf(reach, blame);
    known.pairCount += 1;
    known.sumMs += ms;
    if (known.examples.length < keptExamples) {
      known.examples.push({ deviceIndex: index, appId, ms, recentTotals });
    }
    if (known.lastDeviceIndex === index) continue;
    known.lastDeviceIndex = index;
    known.deviceCount += 1;
    if (known.lowestDeviceIds.length < keptDeviceIds) known.lowestDeviceIds.push(deviceId);
  }
};

const reachOf = (reach: Map<Accepted, Reach>, blame: Accepted): Reach => {
  const known = reach.get(blame) ?? emptyReach();
  reach.set(blame, known);
  return known;
};

export const emptyReach = (): Reach => ({
  deviceCount: 0,
  pairCount: 0,
  sumMs: 0,
  lowestDeviceIds: [],
  examples: [],
  fineMeetingCount: 0,
  lastDeviceIndex: -1,
});
