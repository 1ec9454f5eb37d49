import { expect, it } from 'vitest';
import { createLimits, deviceLimits } from '#edge/limits.ts';

it('lets a device open a burst of flows, then 100 a second, and 1,024 at once', () => {
  let nowMs = 0;
  const limits = createLimits({ monotonicMs: () => nowMs });
  for (let i = 0; i < deviceLimits.burst; i++) expect(limits.take('d')).toBeNull();
  expect(limits.take('d')).toBe('flows a second');
  expect(limits.take('another')).toBeNull();
  nowMs += 1_000;
  for (let i = 0; i < deviceLimits.flowsPerSecond; i++) expect(limits.take('d')).toBeNull();
  expect(limits.take('d')).toBe('flows a second');
  nowMs += 60_000;
  for (let i = 600; i < deviceLimits.concurrent; i++) expect(limits.take('d')).toBeNull();
  expect(limits.take('d')).toBe('flows at once');
  limits.release('d');
  expect(limits.take('d')).toBeNull();
});
