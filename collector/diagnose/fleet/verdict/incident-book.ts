import type { CauseElement, SharedIncident } from '#contract/verdict.ts';
import type { Accepted } from '../accepted.ts';
import type { BinView } from '../bin-view.ts';
import { emptyReach, type Reach } from './bad-pairs.ts';
import { binsSinceStart } from './change-point.ts';
import { incidentId, levelOf } from './incident-facts.ts';

/** One cause over its life. What is kept is plain, so that it can be saved. */
export type Tracked = {
  id: string;
  key: string;
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
  /** Somebody felt it, so somebody was told. */
  felt: boolean;
  deviceCount: number;
  pairCount: number;
  healthyDeviceCount: number;
  level: SharedIncident['level'];
  impactMsMinutes: number;
  confidence: number;
  lowestDeviceIds: string[];
};

/** Bins without it that end an incident, and after its end in which it may come back as the same. */
const binsToEnd = 3;
const binsToReopen = 3;
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
        if (one === undefined || taken.has(one)) return;
        taken.add(one);
        byBlame.set(blame, one);
      };
      const sorted = [...blames].sort((a, b) => (a.key < b.key ? -1 : 1));
      // Of two with one key the one that goes on.
      const byKey = new Map(
        [...tracked.filter(isEnded), ...tracked.filter((one) => !isEnded(one))].map((one) => [
          one.key,
          one,
        ]),
      );
      for (const blame of sorted) assign(blame, byKey.get(keyOf(blame)));
      const left = tracked.filter((one) => !taken.has(one) && one.endedAt === null);
      const byDevice = left.length === 0 ? new Map() : indexByDevice(left);
      for (const blame of sorted) {
        if (byBlame.has(blame)) continue;
        const devices = reach.get(blame)?.lowestDeviceIds ?? [];
        assign(blame, sameDevicesAs(blame, devices, byDevice, taken));
      }
      for (const blame of sorted) {
        if (byBlame.has(blame)) continue;
        const opened = begin(view, blame, reach.get(blame) ?? emptyReach());
        tracked.push(opened);
        assign(blame, opened);
      }
      for (const [blame, one] of byBlame) carryOn(one, view, blame, reach.get(blame));
      const ended = tracked.filter((one) => !taken.has(one) && isOver(one, view.bin));
      for (const one of ended) one.endedAt = one.seenAt;
      tracked = tracked.filter((one) => view.bin - one.seenBin < binsToEnd + binsToReopen);
      return { byBlame, ended: ended.filter((one) => one.felt) };
    },
    save: (): Tracked[] =>
      [...tracked].sort((a, b) => (a.id < b.id ? -1 : 1)).map((one) => ({ ...one })),
  };
};

const keyOf = ({ kind, segment, element }: Accepted): string => `${kind} ${segment} ${element.id}`;

const isEnded = (one: Tracked): boolean => one.endedAt !== null;

const isOver = (one: Tracked, bin: number): boolean =>
  one.endedAt === null && bin - one.seenBin >= binsToEnd;

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

const begin = (view: BinView, blame: Accepted, reach: Reach): Tracked => {
  const startedAt = view.fromMs - binsSinceStart(blame, reach) * view.binMs;
  return {
    id: incidentId(keyOf(blame), view.fromMs),
    key: keyOf(blame),
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
    felt: false,
    deviceCount: 0,
    pairCount: 0,
    healthyDeviceCount: 0,
    level: 'one-user',
    impactMsMinutes: 0,
    confidence: 0,
    lowestDeviceIds: [],
  };
};

const carryOn = (one: Tracked, view: BinView, blame: Accepted, reach: Reach | undefined): void => {
  const felt = reach ?? emptyReach();
  one.key = keyOf(blame);
  one.family = blame.family;
  one.scope = blame.scope;
  one.element = blame.element;
  one.perRoundTripMs = blame.kind === 'delay' ? blame.addedMs : null;
  one.lossRatio = blame.kind === 'loss' ? blame.lossRatio : null;
  one.seenAt = view.toMs;
  one.seenBin = view.bin;
  one.endedAt = null;
  one.felt ||= felt.pairCount > 0;
  one.deviceCount = felt.deviceCount;
  one.pairCount = felt.pairCount;
  one.healthyDeviceCount = blame.healthyCount;
  one.level = levelOf(felt.deviceCount, view.active.length);
  one.impactMsMinutes += (felt.sumMs * view.binMs) / 60_000;
  if (felt.lowestDeviceIds.length > 0) one.lowestDeviceIds = felt.lowestDeviceIds;
};
