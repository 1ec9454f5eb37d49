import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fleetShapeOf } from '#collector/control/fleet-shape.ts';
import { createLabelRows } from '#collector/state/label-rows.ts';
import type { State } from '#collector/state/state.ts';
import { seriesOfFleet } from '#collector/store/cardinality.ts';
import { openStore } from '#collector/store/open.ts';
import { measurements } from '#collector/store/schema.ts';
import { openEmptyState } from '#test/support/empty-state.ts';
import { type InfluxdbServer, startInfluxdb } from '#test/support/influxdb.ts';
import { seededRandom } from './make-point.ts';
import { pointsOfFleet, randomFleet } from './random-fleet.ts';

let server: InfluxdbServer;
let folder: string;
let state: State;
beforeAll(async () => {
  server = await startInfluxdb();
  folder = await mkdtemp(join(tmpdir(), 'whyslow-series-'));
  state = await openEmptyState(join(folder, 'state'));
});
afterAll(async () => {
  await state?.stop();
  await server?.stop();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

/** Counted by InfluxDB itself, not estimated. */
const seriesOf = async (database: string, measurement: string): Promise<number> => {
  const q = `SHOW SERIES EXACT CARDINALITY FROM "${measurement}"`;
  const response = await fetch(`${server.url}/query`, {
    method: 'POST',
    body: new URLSearchParams({ q, db: database }),
  });
  const { results } = (await response.json()) as {
    results: { series?: { values: [number][] }[]; error?: string }[];
  };
  expect(results[0]?.error).toBeUndefined();
  return results[0]?.series?.[0]?.values[0]?.[0] ?? 0;
};

it.each([1, 2, 3])('InfluxDB counts the series that were foretold (fleet %i)', async (seed) => {
  const random = seededRandom(seed * 100);
  let fleet = randomFleet(random);
  // The larger ones say more.
  while (pointsOfFleet(fleet).length < 80) fleet = randomFleet(random);
  const database = `fleet-${seed}`;
  const store = await openStore({
    engine: 'influxdb',
    url: server.url,
    database,
    labelNumbers: createLabelRows(state.db),
  });
  const points = pointsOfFleet(fleet);
  await store.write(points);
  await store.write(points);
  await store.stop();
  const counted: Record<string, number> = {};
  for (const name of measurements) counted[name] = await seriesOf(database, name);
  expect(counted).toEqual(seriesOfFleet(fleetShapeOf(fleet)));
});
