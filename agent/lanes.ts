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
 * bounded for itself and in all.
 */
const young = { count: 4, forMs: 20 } as const;
const underway = { ofOneApplication: 16, inAll: 128 } as const;

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

/** Who may start when, first come first served but for an application that is at its bound. */
export const createLanes = <T extends Waiting>(): Lanes<T> => {
  const waiting: Record<LaneName, T[]> = { timed: [], page: [], stream: [] };
  const running = new Map<T, { lane: LaneName; startedAt: number }>();

  const youngAt = (now: number): number[] =>
    [...running.values()]
      .filter(({ lane, startedAt }) => lane === 'timed' && startedAt > now - young.forMs)
      .map(({ startedAt }) => startedAt);

  const inLane = (lane: LaneName): T[] =>
    [...running].filter(([, each]) => each.lane === lane).map(([item]) => item);

  const ofApplication = (appId: string): number =>
    inLane('timed').filter(({ probe }) => probe.appId === appId).length;

  const hasRoom = (lane: LaneName, now: number): boolean =>
    lane === 'timed'
      ? inLane(lane).length < underway.inAll && youngAt(now).length < young.count
      : inLane(lane).length === 0;

  const takeOne = (lane: LaneName, now: number): T | undefined => {
    if (waiting[lane].length === 0 || !hasRoom(lane, now)) return undefined;
    const index = waiting[lane].findIndex(
      ({ probe }) => lane !== 'timed' || ofApplication(probe.appId) < underway.ofOneApplication,
    );
    const [item] = index < 0 ? [] : waiting[lane].splice(index, 1);
    if (item !== undefined) running.set(item, { lane, startedAt: now });
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
