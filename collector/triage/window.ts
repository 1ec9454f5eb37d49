import type { State } from '#collector/state/state.ts';
import type { Store } from '#collector/store/store.ts';

/** The two engines every view is read from. */
export type TriageParts = { store: Store; state: State };

/** The stretch of time a view looks at, in about sixty buckets. */
export type Window = { fromMs: number; toMs: number; everyMs: number };

export const windowNames = ['15m', '1h', '6h', '24h', '7d', '30d'] as const;
export type WindowName = (typeof windowNames)[number];
export const defaultWindow: WindowName = '1h';

const minutesMs = 60_000;
/** Length and bucket: a bucket holds several runs at the usual intervals, a chart about 60 buckets. */
const lengths = {
  '15m': { lengthMs: 15 * minutesMs, everyMs: 15_000 },
  '1h': { lengthMs: 60 * minutesMs, everyMs: minutesMs },
  '6h': { lengthMs: 360 * minutesMs, everyMs: 5 * minutesMs },
  '24h': { lengthMs: 1_440 * minutesMs, everyMs: 20 * minutesMs },
  '7d': { lengthMs: 10_080 * minutesMs, everyMs: 180 * minutesMs },
  '30d': { lengthMs: 43_200 * minutesMs, everyMs: 720 * minutesMs },
} as const satisfies Record<WindowName, { lengthMs: number; everyMs: number }>;

/** The window that ends now. Its start lies on a bucket's edge, so buckets do not change as time passes. */
export const windowOf = (name: WindowName, nowMs: number): Window => {
  const { lengthMs, everyMs } = lengths[name];
  return {
    fromMs: Math.floor((nowMs - lengthMs) / everyMs) * everyMs,
    // Exclusive end; a device's clock may be a little ahead of ours.
    toMs: nowMs + 5_000,
    everyMs,
  };
};

export const bucketTimes = ({ fromMs, toMs, everyMs }: Window): number[] => {
  const times: number[] = [];
  for (let timeMs = fromMs; timeMs < toMs; timeMs += everyMs) times.push(timeMs);
  return times;
};
