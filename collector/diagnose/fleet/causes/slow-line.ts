import { median } from '../../statistics.ts';
import { sayMs } from '../../wording.ts';
import type { Accepted } from '../accepted.ts';
import type { ApplicationView, BinView, DeviceView } from '../bin-view.ts';
import { applicationOf } from '../services/accepted-cells.ts';
import { elementOf } from '../services/group.ts';
import { createOwnExcess } from '../services/own-excess.ts';

/** An answer slower by less is within what a shared line does. */
const least = { riseMs: 40, scales: 2.5, share: 0.1 } as const;
/** So much of the whole answer's rise must lie in the transfer, … */
const transferShare = 0.6;
/** … and in so many bins: one, where several applications show it. */
const bins = { lone: 3, several: 2 } as const;
/** A way that is slower itself delays the end of an answer by some round trips more. */
const roundsOfWay = 3;
const penaltyNats = 9;

/**
 * A device's own line is full or slow: round trips are as usual, answers begin as usual and then take
 * their time, for everything it loads and for nobody else.
 */
export const inferSlowLines = (
  view: BinView,
  former: ReadonlySet<string>,
  isOnHole: (device: DeviceView, app: ApplicationView) => boolean = () => false,
): Accepted[] => {
  let excessOf: ReturnType<typeof createOwnExcess> | undefined;
  return view.ailing.flatMap((index) => {
    const device = view.device(index);
    const wayMs = riseOfWay(device);
    excessOf ??= createOwnExcess(view);
    const own = excessOf;
    const needed = former.has(keyOf(device)) ? 1 : bins.several;
    const rises = device.applications
      .filter((app) => !isOnHole(device, app))
      .map((app) => riseOf(app, own(app).transferMs, wayMs, needed))
      .filter((rise) => rise !== null);
    const slow = rises.filter((rise) => rise.isTransfer);
    if (slow.length === 0 || 2 * slow.length < rises.length) return [];
    // What lasts may be the way's: then more than one application has to show it.
    if (slow.length === 1 && wayMs > 0) return [];
    if (slow.length === 1 && needed > 1 && !slow.some(({ app }) => lasts(app, bins.lone)))
      return [];
    return [accept(view, device, slow)];
  });
};

const keyOf = ({ deviceId }: DeviceView): string => `transfer:${deviceId}:delay`;

type Rise = { app: ApplicationView; ms: number; isTransfer: boolean };

/** Null: this application is not slower, or nothing is known of its transfer. */
const riseOf = (
  app: ApplicationView,
  transferMs: number | null,
  wayMs: number,
  neededBins: number,
): Rise | null => {
  const { total } = app;
  if (total === null || !total.ready || transferMs === null || !lasts(app, neededBins)) return null;
  const { leg1, direct } = app.roundTrips;
  const ofWayMs = (leg1 + direct) * wayMs;
  const isTransfer =
    transferMs >= transferShare * (total.fastMs - ofWayMs) &&
    transferMs > least.riseMs + roundsOfWay * wayMs;
  return { app, ms: Math.min(transferMs, total.fastMs), isTransfer };
};

/** By how much one round trip of this device is longer than usual. */
const riseOfWay = ({ isHot, gateway, tunnel, underlay, runRoundTrip }: DeviceView): number =>
  isHot
    ? Math.max(0, ...[gateway, tunnel, underlay, runRoundTrip].map((delta) => delta?.fastMs ?? 0))
    : 0;

const lasts = ({ total, recentTotals }: ApplicationView, count: number): boolean => {
  if (total === null) return false;
  const leastMs = Math.max(
    least.riseMs,
    least.scales * total.scaleMs,
    least.share * total.normalMs,
  );
  const asked = recentTotals.slice(0, count);
  return asked.length === count && asked.every((ms) => ms !== null && ms > leastMs);
};

const accept = (view: BinView, device: DeviceView, slow: readonly Rise[]): Accepted => {
  const { deviceId, facts } = device;
  const addedMs = median(slow.map(({ ms }) => ms)) ?? 0;
  const costs = new Map(slow.map(({ app, ms }) => [app.appId, ms]));
  const name = `the line of ${facts.name ?? `device ${deviceId.slice(0, 8)}`}`;
  const element = elementOf(deviceId, name);
  const gainNats = Math.max(0.5, Math.min(20, addedMs / 10) * slow.length - penaltyNats);
  return {
    key: keyOf(device),
    family: 'transfer',
    kind: 'delay',
    segment: 'transfer',
    element,
    scope: 'device',
    addedMs,
    lossRatio: null,
    gainNats,
    marginNats: gainNats / 2,
    runnerUp: null,
    observerCount: 1,
    healthyCount: 0,
    pass: 'persistent',
    costMs: (deviceIndex, appId) =>
      deviceIndex === device.index && applicationOf(view, deviceIndex, appId) !== undefined
        ? (costs.get(appId) ?? 0)
        : 0,
    elementFor: () => element,
    evidenceFor: (_deviceIndex, appId) => [
      {
        finding: 'against',
        text: `The transfer of its answer takes ${sayMs(costs.get(appId) ?? addedMs)} longer here than for others who load the same.`,
        value: costs.get(appId) ?? addedMs,
        baseline: 0,
        unit: 'ms',
      },
      {
        finding: 'cleared',
        text: 'Round trips on the device’s way are as usual: what it loads is slow, not the way itself.',
        value: null,
        baseline: null,
        unit: '',
      },
    ],
  };
};
