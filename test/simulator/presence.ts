import type { WorldOptions } from './options.ts';
import type { Device } from './population.ts';
import { unitOf } from './random.ts';

const mostBinsLate = 6;

/** The device is awake, and its records of the bin are not lost. */
export const isThere = ({ binSeconds }: WorldOptions, device: Device, fromMs: number): boolean => {
  const bin = Math.floor(fromMs / (binSeconds * 1_000));
  if (unitOf(device.key, bin) < device.missingRatio) return false;
  return !isAsleep(device, fromMs);
};

/** Until what was measured in a bin is shipped; 0: at once. */
export const binsOfDelay = (
  { binSeconds, lateRatio }: WorldOptions,
  { key }: Device,
  fromMs: number,
): number => {
  if (lateRatio === 0) return 0;
  const bin = Math.floor(fromMs / (binSeconds * 1_000));
  const drawn = unitOf(key ^ 0x2545f491, bin);
  return drawn < lateRatio ? 1 + Math.floor((drawn / lateRatio) * mostBinsLate) : 0;
};

/** Laptops are off at night, from an hour of the evening to one of the morning, not always the same. */
const isAsleep = ({ sleeps, key }: Device, fromMs: number): boolean => {
  if (sleeps === null) return false;
  const hour = (fromMs / 3_600_000) % 24;
  const day = Math.floor(fromMs / 86_400_000);
  const moved = unitOf(key ^ 0x5bd1e995, hour < 12 ? day - 1 : day) - 0.5;
  return hour >= sleeps.from + moved || hour < sleeps.to + moved;
};
