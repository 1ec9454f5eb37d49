/** Milliseconds between two readings of `performance.now()`, to the microsecond. */
export const sinceMs = (startedMs: number, endedMs: number = performance.now()): number =>
  toMicroseconds(endedMs - startedMs);

/** The sum of what was measured; a phase not gone through adds nothing. */
export const sumMs = (durations: readonly (number | null)[]): number =>
  toMicroseconds(durations.reduce<number>((sum, ms) => sum + (ms ?? 0), 0));

const toMicroseconds = (ms: number): number => Math.round(Math.max(0, ms) * 1_000) / 1_000;
