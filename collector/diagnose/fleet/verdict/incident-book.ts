import type { CauseElement, SharedIncident } from '#contract/verdict.ts';
import type { Accepted } from '../accepted.ts';
import type { BinView } from '../bin-view.ts';
import { emptyReach, type Reach } from './bad-pairs.ts';
import { binsSinceStart } from './change-point.ts';
import { incidentId, levelOf } from './incident-facts.ts';
import { firstImpact } from './slow.ts';

/** One cause over its life. What is kept is plain, so that it can be saved. */
export type Tracked = {
  id: string;
  key: string;
  /** The cause's own; two of them may have one element, and so one `key`. */
  blameKey: string;
  family: Accepted['family'];
  kind: Accepted['kind'];
  segment: Accepted['segment'];
  scope: Accepted['scope'];
  element: CauseElement;
  perRoundTripMs: number | null;
  lossRatio: number | null;
  startedAt: number;
  seenAt: number;
  /** Bin in which it was accepted last. */
  seenBin: number;
  endedAt: number | null;
  endedBin: number | null;
  /** Some of those who had it last, as "device application": by their runs it is seen to be over. */
  watched: string[];
  /** Bins since then in which they ran and it was not found; one in which half of them ran is half a bin. */
  cleanBins: number;
  /** Somebody felt it, so somebody was told. */
  felt: boolean;
  deviceCount: number;
  pairCount: number;
  healthyDeviceCount: number;
  level: SharedIncident['level'];
  impactMsMinutes: number;
  /** What it added to a pair on average, in its worst bin. */
  mostMs: number;
  confidence: number;
  lowestDeviceIds: string[];
};

/** Bins without it that end an incident: those in which it could have been seen. */
const binsToEnd = 3;
/** After so long, and so many bins, it has ended though nobody looked; so long it may also come back. */
const goneAfter = { ms: 600_000, bins: 3 } as const;
const goneBins = (binMs: number): number =>
  Math.max(goneAfter.bins, Math.ceil(goneAfter.ms / binMs));
/** So many pairs tell whether a cause could have been seen. */
const mostWatched = 16;
/** Of both groups' devices, so many in common make a cause with another element the same incident. */
const sameDevices = 0.5;

/** Opens, carries on, ends and reopens incidents as causes come and go. */
export const createIncidentBook = (saved: readonly Tracked[] = []) => {
  let tracked: Tracked[] = saved.map((one) => ({ ...one }));

  return {
    /** The incident of every blame of this bin, and those that have ended in it. */
    update(view: BinView, blames: readonly Accepted[], reach: ReadonlyMap<Accepted, Reach>) {
      const byBlame = new Map<Accepted, Tracked>();
      const taken = new Set<Tracked>();
      const assign = (blame: Accepted, one: Tracked | undefined): void => {
        if (one === undefined || taken.has(one) || byBlame.has(blame)) return;
        taken.add(one);
        byBlame.set(blame, one);
      };
      const sorted = [...blames].sort((a, b) => (a.key < b.key ? -1 : 1));
      const byBlameKey = indexBy(tracked, ({ blameKey }) => blameKey);
      for (const blame of sorted) assign(blame, byBlameKey.get(blame.key));
      const left = tracked.filter((one) => !taken.has(one));
      const byKey = indexBy(left, ({ key }) => key);
      for (const blame of sorted) assign(blame, byKey.get(keyOf(blame)));
      const byDevice = indexByDevice(left.filter((one) => !taken.has(one) && !isEnded(one)));
      for (const blame of sorted) {
        if (byBlame.has(blame)) continue;
        const devices = reach.get(blame)?.lowestDeviceIds ?? [];
        assign(blame, sameDevicesAs(blame, devices, byDevice, taken));
      }
      const ids = new Set(tracked.map(({ id }) => id));
      for (const blame of sorted) {
        if (byBlame.has(blame)) continue;
        const opened = begin(view, blame, reach.get(blame) ?? emptyReach(), ids);
        ids.add(opened.id);
        tracked.push(opened);
        assign(blame, opened);
      }
      for (const [blame, one] of byBlame) carryOn(one, view, blame, reach.get(blame));
      const ended = tracked.filter((one) => !taken.has(one) && isOver(one, view));
      for (const one of ended) [one.endedAt, one.endedBin] = [one.seenAt, view.bin];
      tracked = tracked.filter(
        ({ endedBin }) => endedBin === null || view.bin - endedBin < goneBins(view.binMs),
      );
      return { byBlame, ended: ended.filter((one) => one.felt) };
    },
    /** Keys of the causes that people were told of, for their own sake, and that have not ended. */
    told: (): ReadonlySet<string> =>
      new Set(tracked.filter(isWorthACall).map(({ blameKey }) => blameKey)),
    save: (): Tracked[] =>
      [...tracked].sort((a, b) => (a.id < b.id ? -1 : 1)).map((one) => ({ ...one })),
  };
};

const keyOf = ({ kind, segment, element }: Accepted): string => `${kind} ${segment} ${element.id}`;

const isWorthACall = (one: Tracked): boolean =>
  one.felt && !isEnded(one) && one.mostMs >= firstImpact.floorMs;

const isEnded = (one: Tracked): boolean => one.endedAt !== null;

/** Of two with one key the one that goes on. */
const indexBy = (
  all: readonly Tracked[],
  keyOf: (one: Tracked) => string,
): ReadonlyMap<string, Tracked> =>
  new Map(
    [...all.filter(isEnded), ...all.filter((one) => !isEnded(one))].map((one) => [keyOf(one), one]),
  );

const isOver = (one: Tracked, view: BinView): boolean => {
  if (isEnded(one)) return false;
  one.cleanBins += shareThatRan(one.watched, view);
  return one.cleanBins >= binsToEnd || view.bin - one.seenBin >= goneBins(view.binMs);
};

const shareThatRan = (watched: readonly string[], view: BinView): number => {
  const ran = watched.filter((pair) => {
    const [deviceId = '', appId] = pair.split(' ');
    const index = view.indexOf(deviceId);
    const apps = index === undefined ? [] : view.device(index).applications;
    return apps.some((app) => app.appId === appId && app.runCount > 0);
  });
  return watched.length === 0 ? 0 : ran.length / watched.length;
};

type ByDevice = ReadonlyMap<string, readonly Tracked[]>;

const indexByDevice = (all: readonly Tracked[]): ByDevice => {
  const index = new Map<string, Tracked[]>();
  for (const one of all) {
    for (const id of one.lowestDeviceIds) index.set(id, [...(index.get(id) ?? []), one]);
  }
  return index;
};

/** Inference may name a neighbour of the element in the next bin: the same devices still suffer. */
const sameDevicesAs = (
  { segment, kind }: Accepted,
  devices: readonly string[],
  byDevice: ByDevice,
  taken: ReadonlySet<Tracked>,
): Tracked | undefined => {
  const near = new Set(devices.flatMap((id) => byDevice.get(id) ?? []));
  for (const one of near) {
    if (taken.has(one) || one.segment !== segment || one.kind !== kind) continue;
    if (overlap(one.lowestDeviceIds, devices) >= sameDevices) return one;
  }
  return undefined;
};

/** Jaccard's index of two groups, estimated from the lowest ids of both. */
const overlap = (a: readonly string[], b: readonly string[]): number => {
  const inA = new Set(a);
  const inB = new Set(b);
  const lowest = [...new Set([...a, ...b])].sort().slice(0, Math.max(a.length, b.length));
  return lowest.filter((id) => inA.has(id) && inB.has(id)).length / lowest.length;
};

const begin = (
  view: BinView,
  blame: Accepted,
  reach: Reach,
  taken: ReadonlySet<string>,
): Tracked => {
  const startedAt = view.fromMs - binsSinceStart(blame, reach) * view.binMs;
  const id = incidentId(keyOf(blame), view.fromMs);
  return {
    id: taken.has(id) ? incidentId(blame.key, view.fromMs) : id,
    key: keyOf(blame),
    blameKey: blame.key,
    family: blame.family,
    kind: blame.kind,
    segment: blame.segment,
    scope: blame.scope,
    element: blame.element,
    perRoundTripMs: null,
    lossRatio: null,
    startedAt,
    seenAt: view.toMs,
    seenBin: view.bin,
    endedAt: null,
    endedBin: null,
    watched: [],
    cleanBins: 0,
    felt: false,
    deviceCount: 0,
    pairCount: 0,
    healthyDeviceCount: 0,
    level: 'one-user',
    impactMsMinutes: 0,
    mostMs: 0,
    confidence: 0,
    lowestDeviceIds: [],
  };
};

const carryOn = (one: Tracked, view: BinView, blame: Accepted, reach: Reach | undefined): void => {
  const felt = reach ?? emptyReach();
  one.key = keyOf(blame);
  one.blameKey = blame.key;
  one.family = blame.family;
  one.scope = blame.scope;
  one.element = blame.element;
  one.perRoundTripMs = blame.kind === 'delay' ? blame.addedMs : null;
  one.lossRatio = blame.kind === 'loss' ? blame.lossRatio : null;
  one.seenAt = view.toMs;
  one.seenBin = view.bin;
  [one.endedAt, one.endedBin] = [null, null];
  one.cleanBins = 0;
  const watched = restsOnLoads.has(blame.family) ? [] : watchedOf(view, felt);
  if (watched.length > 0) one.watched = watched;
  one.felt ||= felt.pairCount > 0;
  one.deviceCount = felt.deviceCount;
  one.pairCount = felt.pairCount;
  one.healthyDeviceCount = blame.healthyCount;
  one.level = levelOf(felt.deviceCount, view.active.length);
  one.impactMsMinutes += (felt.sumMs * view.binMs) / 60_000;
  one.mostMs = Math.max(one.mostMs, felt.sumMs / Math.max(1, felt.pairCount));
  if (felt.lowestDeviceIds.length > 0) one.lowestDeviceIds = felt.lowestDeviceIds;
};

/** Of pages an application has few loads, and runs say nothing of them. */
const restsOnLoads: ReadonlySet<Accepted['family']> = new Set(['page', 'third-party']);

const watchedOf = (view: BinView, { examples }: Reach): string[] =>
  examples
    .slice(0, mostWatched)
    .map(({ deviceIndex, appId }) => `${view.device(deviceIndex).deviceId} ${appId}`);
