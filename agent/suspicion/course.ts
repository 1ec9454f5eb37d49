import type { DeviceBurst } from '#contract/burst.ts';
import type { Look } from './suspicion.ts';

/** So many odd runs in a row show all that a burst can: two looks of the collector and some more. */
const oddIsEnough = 20;
/** Of a probe that takes its time a quiet while is no evidence by itself. */
const usualToEnd = 3;
/** One alone may be the burst's own beginning. */
const distortedToEnd = 2;
/** The first moments are dear: what is called for the first time is compiled then. */
const cpuGraceMs = 1_000;

/** It says nothing about what was suspected. */
export const overloaded = 'the agent is overloaded';

export type CourseLimits = Pick<DeviceBurst, 'seconds' | 'calmSeconds' | 'maxCpuRatio'>;

export type Course = {
  /** A result of the suspected probe; distorted ones say that the agent is overloaded. */
  note(look: Look, isDistorted: boolean, nowMs: number): void;
  /** Why it is over; undefined: it goes on. Monotonic time, and CPU time since it began. */
  whyOver(nowMs: number, cpuMs: number): string | undefined;
};

/** How one burst goes, from its first moment to what ends it. */
export const beginCourse = (limits: CourseLimits, begunMs: number): Course => {
  let oddInARow = 0;
  let usual: { sinceMs: number; count: number } | undefined;
  let distortedInARow = 0;

  return {
    note(look, isDistorted, nowMs) {
      distortedInARow = isDistorted ? distortedInARow + 1 : 0;
      if (look === 'slow' || look === 'failing') {
        oddInARow += 1;
        usual = undefined;
      } else if (look === 'usual') {
        oddInARow = 0;
        usual = { sinceMs: usual?.sinceMs ?? nowMs, count: (usual?.count ?? 0) + 1 };
      }
    },
    whyOver(nowMs, cpuMs) {
      const lastsMs = nowMs - begunMs;
      if (distortedInARow >= distortedToEnd) return overloaded;
      if (cpuMs > cpuGraceMs + limits.maxCpuRatio * lastsMs) return 'the agent takes too much CPU';
      if (lastsMs >= limits.seconds * 1_000) return 'its time is over';
      if (oddInARow >= oddIsEnough) return 'enough was seen';
      const isCalm =
        usual !== undefined &&
        usual.count >= usualToEnd &&
        nowMs - usual.sinceMs >= limits.calmSeconds * 1_000;
      return isCalm ? 'all is as usual again' : undefined;
    },
  };
};
