import type { CauseElement, Segment } from '#contract/verdict.ts';
import type { Accepted } from '../accepted.ts';
import type { BinView } from '../bin-view.ts';
import { type Crossing, crossingsOf, suffersDelay, suffersLoss } from './applies.ts';
import { elementOn } from './element-on.ts';
import { evidenceOf } from './evidence.ts';
import type { Gathered } from './gather.ts';
import type { Group } from './group.ts';
import type { Ways } from './other-ways.ts';
import type { DelayCause } from './solve-delay.ts';
import type { LossCause } from './solve-loss.ts';
import { delayKey, lossKey, onwardSuffix } from './to-candidates.ts';
import { deviceUnit, onwardUnit, type Unit } from './unit.ts';
import { createWitnesses } from './witnesses.ts';

/** An established connection's least wait for what was lost (RFC 6298; Linux's floor and a round trip). */
const retransmitMs = 250 * 1.05;
/** A first packet's wait, before any round trip is known (RFC 6298 section 2.1). */
const openingMs = 1_000;
const mostRetries = 6;

/** What is lost again waits twice as long (RFC 6298 section 5.5). */
const waitMs = (lossRatio: number, firstMs: number): number => {
  let ms = 0;
  for (let retry = 1; retry <= mostRetries; retry += 1) {
    ms += firstMs * 2 ** (retry - 1) * lossRatio ** retry;
  }
  return ms;
};

type Cause = {
  group: Group;
  gainNats: number;
  marginNats: number;
  runnerUp: { group: Group } | null;
  magnitude: number;
  meanMs?: number;
  recentRatio?: number;
};
type Leg = 'towards-edge' | 'onward';
type Kind = 'delay' | 'loss';

/** What was selected, as the verdicts take it. A cause on both legs comes twice, once for each. */
export const createAccept = (view: BinView, gathered: Gathered) => {
  const { slots, ways } = gathered;
  const places = createPlaces(view, ways);
  const witnesses = createWitnesses(gathered);

  const make = (cause: Cause, leg: Leg, kind: Kind, pass: Accepted['pass']): Accepted => {
    const { group, gainNats, marginNats, runnerUp } = cause;
    const { about } = group;
    const addedMs = kind === 'loss' ? 0 : (cause.meanMs ?? cause.magnitude);
    const lossRatio = kind === 'loss' ? (cause.recentRatio ?? cause.magnitude) : null;
    const measuring = once(() => witnesses.measuringCount(group));
    const suffers = (crossing: Crossing): boolean => {
      if (group.ids.length === 1 && crossing.unsure === undefined) return true;
      return lossRatio === null
        ? suffersDelay(crossing, cause.magnitude, about.shownBy)
        : suffersLoss(crossing, lossRatio);
    };
    const costOf = ({ roundTrips, path }: Crossing): number => {
      if (lossRatio === null) return roundTrips * addedMs;
      // Inside the tunnel nothing opens a connection; behind it and straight one handshake does.
      const openings = path.leg === 'leg1' ? 0 : Math.min(1, roundTrips);
      const established = waitMs(lossRatio, retransmitMs);
      return (roundTrips - openings) * established + openings * waitMs(lossRatio, openingMs);
    };
    const crossings = (deviceIndex: number, appId: string): Crossing[] =>
      places
        .crossings(group, deviceIndex, appId)
        .filter(({ path }) => (path.leg === 'onward') === (leg === 'onward'));
    const elementFor = (deviceIndex: number, appId: string): CauseElement =>
      elementOn(about, crossings(deviceIndex, appId)[0], kind === 'delay' ? cause.magnitude : 0);
    return {
      key:
        (kind === 'delay' ? delayKey(group) : lossKey(group)) +
        (leg === 'onward' ? onwardSuffix : ''),
      family: about.family,
      kind,
      segment: segmentOf(about.family, leg),
      element: about.element,
      scope: about.scope,
      addedMs,
      lossRatio,
      gainNats,
      marginNats,
      runnerUp: runnerUp === null ? null : rivalOf(runnerUp.group, leg, kind),
      observerCount: group.ids.length,
      healthyCount:
        lossRatio === null
          ? witnesses.cleanOfDelay(group, cause.magnitude)
          : witnesses.cleanOfLoss(group, lossRatio),
      pass,
      costMs: (deviceIndex, appId) => {
        let sumMs = 0;
        for (const crossing of places.crossings(group, deviceIndex, appId)) {
          const isOnward = crossing.path.leg === 'onward';
          if (isOnward === (leg === 'onward') && suffers(crossing)) sumMs += costOf(crossing);
        }
        return sumMs;
      },
      elementFor,
      evidenceFor: (deviceIndex, appId) =>
        evidenceOf({
          group,
          kind,
          unit: places.unit(deviceIndex),
          crossing: crossings(deviceIndex, appId)[0],
          measuringCount: measuring(),
        }),
    };
  };

  const legsOf = ({ members }: Group): Leg[] => {
    const legs = new Set<Leg>();
    for (const member of members) {
      const slot = slots[member];
      if (slot === undefined || !slot.kind.reference) continue;
      legs.add(slot.unit.onward === null ? 'towards-edge' : 'onward');
    }
    return legs.size === 0 ? ['towards-edge'] : [...legs].sort().reverse();
  };

  return {
    delay: (cause: DelayCause): Accepted[] =>
      legsOf(cause.group).map((leg) => make(cause, leg, 'delay', cause.pass)),
    loss: (cause: LossCause): Accepted[] =>
      legsOf(cause.group).map((leg) => make(cause, leg, 'loss', 'persistent')),
  };
};

const once = (count: () => number): (() => number) => {
  let known: number | null = null;
  return () => {
    known ??= count();
    return known;
  };
};

/** Devices and edges as units, the last asked for kept: verdicts go through them device by device. */
const createPlaces = (view: BinView, ways: Ways) => {
  let last: { index: number; unit: Unit } | null = null;
  const unit = (deviceIndex: number): Unit => {
    if (last?.index !== deviceIndex) {
      last = { index: deviceIndex, unit: deviceUnit(view.device(deviceIndex)) };
    }
    return last.unit;
  };
  let onward: Map<string, Unit[]> | null = null;
  /** Of this front end; where a run does not say which served it, of any. */
  const onwardOf = (edgeId: string, appId: string, frontEnd: string | null): readonly Unit[] => {
    onward ??= byPlace(view);
    const all = onward.get(`${edgeId}/${appId}`) ?? [];
    const own = all.filter((one) => one.onward?.frontEnd === frontEnd);
    return own.length > 0 || frontEnd !== null ? own : all;
  };
  const behindEdge = new Map<Group, boolean>();
  /** Most causes do not: it is known before a run is looked at. */
  const liesBehindEdge = (group: Group): boolean => {
    const known = behindEdge.get(group);
    if (known !== undefined) return known;
    onward ??= byPlace(view);
    const { crosses } = group.about;
    const lies = [...onward.values()].some((units) =>
      units.some((one) => one.paths.some((path) => crosses(one, path) !== null)),
    );
    behindEdge.set(group, lies);
    return lies;
  };
  const crossings = (group: Group, deviceIndex: number, appId: string): Crossing[] => {
    const own = unit(deviceIndex);
    const application = own.device?.applications.find((each) => each.appId === appId);
    if (application === undefined) return [];
    const edgeId = application.edgeId ?? own.device?.edgeId ?? '';
    const further = liesBehindEdge(group) ? onwardOf(edgeId, appId, application.frontEnd) : nothing;
    return crossingsOf(group, own, application, further, ways);
  };
  return { unit, crossings };
};

const nothing: readonly Unit[] = [];

const byPlace = (view: BinView): Map<string, Unit[]> => {
  const places = new Map<string, Unit[]>();
  for (const one of view.onward) {
    const key = `${one.edgeId}/${one.appId}`;
    places.set(key, [...(places.get(key) ?? []), onwardUnit(one)]);
  }
  return places;
};

const rivalOf = ({ key, about }: Group, leg: Leg, kind: Kind): Accepted['runnerUp'] => ({
  key: `${key}/${kind}`,
  family: about.family,
  element: about.element,
  segment: segmentOf(about.family, leg),
});

const segmentOf = (family: Accepted['family'], leg: Leg): Segment => {
  if (family === 'wifi' || family === 'gateway') return 'gateway';
  if (family === 'tunnel-client' || family === 'tunnel-cohort') return 'tunnel-queue';
  if (family === 'edge') return 'in-edge';
  return leg === 'onward' ? 'edge-origin' : 'client-edge';
};
