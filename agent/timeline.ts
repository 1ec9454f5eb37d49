import { type ClockReading, compareClocks } from '#runtime/clock.ts';

/** Sleep shorter than this is a late timer. */
const sleepThresholdMs = 1_000;
/** Where boot time cannot be read, a step or a gap this long is taken for sleep. */
const gapThresholdMs = 30_000;

/**
 * A line of time that goes on while the device sleeps and does not follow steps of the wall clock:
 * what plans are laid on. It begins at the wall clock's time, so offsets keep across a restart.
 */
export const createTimeline = (first: ClockReading) => {
  let last = first;
  let now = first.wallMs;
  let hasSlept = false;

  const advance = (reading: ClockReading): { now: number; wasAsleep: boolean } => {
    const { sleptMs, steppedMs } = compareClocks(last, reading);
    const awakeMs = reading.monotonicMs - last.monotonicMs;
    const isBootKnown = last.bootMs !== undefined && reading.bootMs !== undefined;
    last = reading;
    if (isBootKnown) {
      const wasAsleep = sleptMs > sleepThresholdMs;
      // Boot time is read in steps of 10 ms: below the threshold its difference is noise.
      now += awakeMs + (wasAsleep ? sleptMs : 0);
      hasSlept ||= wasAsleep;
      return { now, wasAsleep };
    }
    const isJump = steppedMs > gapThresholdMs;
    now += awakeMs + (isJump ? steppedMs : 0);
    const wasAsleep = isJump || awakeMs > gapThresholdMs;
    hasSlept ||= wasAsleep;
    return { now, wasAsleep };
  };

  return {
    now: (): number => now,
    advance,
    /** Whether it slept since this was last asked, whoever looked at the clocks in between. */
    takeSleep(): boolean {
      const slept = hasSlept;
      hasSlept = false;
      return slept;
    },
  };
};
