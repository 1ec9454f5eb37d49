import { expect, test } from 'vitest';
import { createFactsReader } from '#collector/fleet/facts.ts';

/** A fleet of which reading takes as long as is said. */
const fleetOf = (names: string[], tookMs: number) => {
  const clock = { nowMs: 1_000_000 };
  const read = createFactsReader({
    fleet: {
      devices: (async () => {
        clock.nowMs += tookMs;
        return names.map((name) => ({ id: name, name }));
      }) as never,
      edges: (async () => []) as never,
    },
    organisations: { current: async () => ({ document: { applications: [] } }) as never },
    now: () => clock.nowMs,
  });
  return { clock, namesNow: async () => Object.keys((await read()).devices), read };
};

test('a device that has just enrolled has a name within a second', async () => {
  const names = ['LAPTOP-1'];
  const { clock, namesNow } = fleetOf(names, 2);
  await namesNow();
  names.push('LAPTOP-2');
  clock.nowMs += 1_000;
  expect(await namesNow()).toEqual(['LAPTOP-1', 'LAPTOP-2']);
});

test('a large fleet is read anew every few minutes, and told only when something is new', async () => {
  const names = ['LAPTOP-1'];
  const { clock, namesNow, read } = fleetOf(names, 2_000);
  const first = await read();
  names.push('LAPTOP-2');
  clock.nowMs += 60_000;
  expect(await namesNow()).toEqual(['LAPTOP-1']);
  clock.nowMs += 300_000;
  const second = await read();
  expect(Object.keys(second.devices)).toHaveLength(2);
  clock.nowMs += 400_000;
  expect(await read()).toBe(second);
  expect(second).not.toBe(first);
});
