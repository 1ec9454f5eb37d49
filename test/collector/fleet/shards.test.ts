import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createShards } from '#collector/fleet/shards.ts';
import { openStore } from '#collector/store/open.ts';
import type { Store } from '#collector/store/store.ts';
import { makePoint } from '../store/make-point.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const binMs = 60_000;
const startMs = 1_790_000_040_000;
const rangeOf = (bin: number) => ({
  fromMs: startMs + bin * binMs,
  toMs: startMs + (bin + 1) * binMs,
});
const shardNames = ['edge:e1', 'edge:e2', 'direct'];

let folder: string;
let store: Store;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'whyslow-shards-'));
  store = await openStore({ engine: 'duckdb', file: join(folder, 'series.duckdb') });
});
afterAll(async () => {
  await store.stop();
  await rm(folder, { recursive: true, force: true });
});

const measured = (bin: number, device: string, edge: string, up: number) => [
  makePoint('tunnel', rangeOf(bin).fromMs + 10_000, { device, edge }, { up }),
  makePoint('device', rangeOf(bin).fromMs + 10_000, { device }, { loop_delay_ms: 1 }),
];

test('a device whose tunnel is down stays with its edge, for a day', async () => {
  const aDay = 1_440;
  await store.write([
    ...[...measured(0, 'a', 'e1', 1), ...measured(0, 'b', 'e2', 1), ...measured(0, 'c', '', 0)],
    // All links lost: no edge is named. Connecting: one is.
    ...[...measured(1, 'a', '', 0), ...measured(1, 'b', 'e2', 0), ...measured(1, 'c', '', 0)],
    ...measured(aDay + 5, 'a', '', 0),
  ]);
  const idsIn = async (bin: number, shards = createShards(store)) =>
    Promise.all(
      shardNames.map(async (name) => (await shards.membersOf(name, rangeOf(bin))).deviceIds),
    );
  const shards = createShards(store);
  expect(await idsIn(0, shards)).toEqual([['a'], ['b'], ['c']]);
  expect(await idsIn(1, shards)).toEqual([['a'], ['b'], ['c']]);
  // A collector that has just been started asks the store where it was.
  expect(await idsIn(1)).toEqual([['a'], ['b'], ['c']]);
  expect(await idsIn(aDay + 5, shards)).toEqual([[], [], ['a']]);
});

test('who is where is asked for once a bin, however many shards there are', async () => {
  let asked = 0;
  const shards = createShards({
    ...store,
    aggregate: (query) => {
      asked += 1;
      return store.aggregate(query);
    },
  });
  await Promise.all(shardNames.map((one) => shards.membersOf(one, rangeOf(9))));
  expect(asked).toBe(1);
});
