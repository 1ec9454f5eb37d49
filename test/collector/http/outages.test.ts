import { expect, test } from 'vitest';
import { createOutages } from '#collector/http/outages.ts';
import { Problem } from '#collector/http/problems.ts';

test('who is sent away waits longer the longer an engine is away, at most a minute, and not all the same', () => {
  let atMs = 0;
  let random = 0;
  const waitOf = createOutages({ now: () => atMs, random: () => random });
  const away = new Problem('engine-unavailable', { detail: 'the state', retryAfterSeconds: 2 });
  const waits = [0, 10_000, 40_000, 100_000, 200_000].map((now) => {
    atMs = now;
    return waitOf(away);
  });
  expect(waits).toEqual([2, 3, 10, 25, 30]);
  random = 0.999;
  expect(waitOf(away)).toBe(60);
  random = 0;
  // Another engine has its own time, and what was back for two minutes begins anew.
  expect(waitOf(new Problem('engine-unavailable', { detail: 'jobs', retryAfterSeconds: 2 }))).toBe(
    2,
  );
  atMs += 120_000;
  expect(waitOf(away)).toBe(2);
  expect(waitOf(new Problem('not-found'))).toBeUndefined();
});
