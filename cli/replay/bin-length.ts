import type { Reading } from '#collector/diagnose/fleet/reading.ts';

/** Runs a minute apart, with slack for jitter, fill bins of a minute. */
const minutelyMs = 90_000;
const binOf = { minutelyMs: 60_000, otherMs: 300_000 } as const;
/** After so much of the recording, or so many readings, it is settled. */
const lookedAt = { ms: 900_000, readings: 200_000 } as const;

/**
 * The length of a bin by how often HTTP probes run: the shortest time between two planned runs of
 * one probe in the first readings.
 */
export const createBinGuess = () => {
  const newest = new Map<string, number>();
  let firstMs: number | undefined;
  let count = 0;

  return {
    /** Undefined: not settled yet. */
    look(reading: Reading): number | undefined {
      firstMs ??= reading.timeMs;
      count += 1;
      if (reading.kind === 'http' && !reading.requested) {
        const key = `${reading.deviceId} ${reading.probeId} ${reading.via}`;
        const before = newest.get(key);
        newest.set(key, reading.timeMs);
        const apartMs = Math.abs(reading.timeMs - (before ?? Number.NaN));
        // The same line twice is one run, not two at once.
        if (apartMs > 0 && apartMs <= minutelyMs) return binOf.minutelyMs;
      }
      const isSettled = reading.timeMs - firstMs > lookedAt.ms || count >= lookedAt.readings;
      return isSettled ? binOf.otherMs : undefined;
    },
    /** The recording has ended before it was settled. */
    end: (): number => binOf.otherMs,
  };
};
