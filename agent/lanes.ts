import type { ProbeDefinition } from '#contract/plan.ts';

/**
 * A page load is heavy, and two streams of packets would be each other's jitter: one at a time. All
 * others are timed probes.
 */
const laneNames = ['timed', 'page', 'stream'] as const;
type LaneName = (typeof laneNames)[number];

/**
 * Timed probes that work at once inflate each other's phase times (docs/measuring). After its first
 * moments a run mostly waits for the network and costs nothing: so at most four are started within
 * this time, and those under way longer than it do not count. What a hanging application holds up is
 * bounded for itself and in all, and the last places are for applications that have none under way:
 * many that hang do not keep a sound one out.
 */
const young = { count: 4, forMs: 20 } as const;
const underway = { ofOneApplication: 16, inAll: 128, keptForFirst: 32 } as const;

/** What waits for a lane: its first probe says which. */
export type Waiting = { probe: ProbeDefinition };

export type Lanes<T extends Waiting> = {
  add(item: T): void;
  /** Takes out what may start now. Times are on any one line that only goes forward. */
  start(now: number): T[];
  end(item: T): void;
  /** When something that waits may start though nothing ends; undefined: not before an end. */
  nextAt(now: number): number | undefined;
  /** Takes out everything that waits. */
  drain(): T[];
};

/**
 * Who may start when. Timed probes: first come first served, but for an application that is at its
 * bound. Where one works at a time applications take turns, so that one whose pages hang for their
 * whole time-out costs another no more than one of them.
 */
export const createLanes = <T extends Waiting>(): Lanes<T> => {
  const waiting: Record<LaneName, T[]> = { timed: [], page: [], stream: [] };
  const running = new Map<T, { lane: LaneName; startedAt: number }>();
  /** By application: the number of its last turn. */
  const lastTurn = { page: new Map<string, number>(), stream: new Map<string, number>() };
  let turnCount = 0;

  const youngAt = (now: number): number[] =>
    [...running.values()]
      .filter(({ lane, startedAt }) => lane === 'timed' && startedAt > now - young.forMs)
      .map(({ startedAt }) => startedAt);

  const countIn = (lane: LaneName): number =>
    [...running.values()].filter((each) => each.lane === lane).length;

  const nextTimed = (now: number): T | undefined => {
    if (youngAt(now).length >= young.count) return undefined;
    const perApplication = new Map<string, number>();
    for (const [{ probe }, { lane }] of running) {
      if (lane !== 'timed') continue;
      perApplication.set(probe.appId, (perApplication.get(probe.appId) ?? 0) + 1);
    }
    const free = underway.inAll - countIn('timed');
    return waiting.timed.find(({ probe }) => {
      const own = perApplication.get(probe.appId) ?? 0;
      if (own === 0) return free > 0;
      return own < underway.ofOneApplication && free > underway.keptForFirst;
    });
  };

  /** Of the application whose last turn is longest ago; of those alike the first that came. */
  const nextInTurn = (lane: 'page' | 'stream'): T | undefined => {
    if (countIn(lane) > 0) return undefined;
    const lastOf = ({ probe }: T) => lastTurn[lane].get(probe.appId) ?? 0;
    const [first, ...others] = waiting[lane];
    return others.reduce((best, item) => {
      return best === undefined || lastOf(item) < lastOf(best) ? item : best;
    }, first);
  };

  const takeOne = (lane: LaneName, now: number): T | undefined => {
    if (waiting[lane].length === 0) return undefined;
    const item = lane === 'timed' ? nextTimed(now) : nextInTurn(lane);
    if (item === undefined) return undefined;
    waiting[lane].splice(waiting[lane].indexOf(item), 1);
    running.set(item, { lane, startedAt: now });
    if (lane !== 'timed') lastTurn[lane].set(item.probe.appId, ++turnCount);
    return item;
  };

  return {
    add: (item) => void waiting[laneOf(item.probe)].push(item),
    start: (now) => {
      const started: T[] = [];
      for (const lane of laneNames) {
        for (let item = takeOne(lane, now); item !== undefined; item = takeOne(lane, now)) {
          started.push(item);
        }
      }
      return started;
    },
    end: (item) => void running.delete(item),
    nextAt: (now) => {
      if (waiting.timed.length === 0) return undefined;
      const starts = youngAt(now);
      return starts.length < young.count ? undefined : Math.min(...starts) + young.forMs;
    },
    drain: () => laneNames.flatMap((lane) => waiting[lane].splice(0)),
  };
};

const laneOf = (probe: ProbeDefinition): LaneName =>
  probe.type === 'page-load' ? 'page' : probe.type === 'voice' ? 'stream' : 'timed';
