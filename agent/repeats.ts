import type { Distortion } from './self-check.ts';

/** Long enough for a load to pass; after a step of the clock there is nothing to wait for. */
const delayMs = { 'agent-overloaded': 2_000, 'clock-jumped': 200, asleep: 1_000 } as const;
/** Overload must not lead to more load. */
const mostAMinute = { 'agent-overloaded': 1, 'clock-jumped': 10, asleep: 10 } as const;
const minuteMs = 60_000;

type Reason = Exclude<Distortion, 'none'>;

/** A turn of the plan of which at least one run was distorted. */
export type Distorted = {
  reason: Reason;
  now: number;
  tookMs: number;
  /** The next planned run of its probes; undefined: they have left the plan. */
  nextPlannedAt: number | undefined;
};

/**
 * Whether and when a distorted run is made again: once, soon, only where it would be over before the
 * next planned one, and only so often.
 */
export const createRepeats = () => {
  const made: Record<Reason, number[]> = {
    'agent-overloaded': [],
    'clock-jumped': [],
    asleep: [],
  };
  return {
    /** The time to make it at, on the same line; undefined: it is not made again. */
    decide({ reason, now, tookMs, nextPlannedAt }: Distorted): number | undefined {
      const at = now + delayMs[reason];
      if (nextPlannedAt === undefined || at + tookMs >= nextPlannedAt) return undefined;
      const recent = made[reason].filter((each) => each > now - minuteMs);
      made[reason] = recent;
      if (recent.length >= mostAMinute[reason]) return undefined;
      recent.push(now);
      return at;
    },
  };
};

/** Of the two runs of a pair the worse: overload keeps to the tighter bound. */
export const worstOf = (distortions: readonly Distortion[]): Reason | undefined =>
  (['agent-overloaded', 'asleep', 'clock-jumped'] as const).find((reason) =>
    distortions.includes(reason),
  );
