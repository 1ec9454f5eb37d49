import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createEngineRows } from '#collector/control/engine-rows.ts';
import { createBinClock } from '#collector/fleet/bin-clock.ts';
import { readLate } from '#collector/fleet/late.ts';
import * as tables from '#collector/state/schema.ts';
import type { State } from '#collector/state/state.ts';
import type { Store } from '#collector/store/store.ts';
import { type CollectorParts, openCollectorParts } from '#test/support/collector-parts.ts';
import { makePoint } from '../store/make-point.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const clock = createBinClock({ binSeconds: 60 });
/** Bins of one test begin here; each test has a day of its own. */
let firstBin = clock.binOf(1_790_000_000_000);

let parts: CollectorParts;
let store: Store;
let state: State;
beforeAll(async () => {
  parts = await openCollectorParts();
  ({ store, state } = parts);
});
afterAll(() => parts.stop());
beforeEach(async () => {
  firstBin += 2_000;
  await parts.empty(tables.lateBatches);
});

const deviceId = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** A run in the middle of a bin of the test. */
const run = (bin: number, device: number, ms: number, more: { at?: number } = {}) =>
  makePoint(
    'http',
    clock.startOf(firstBin + bin) + 30_000 + (more.at ?? 0),
    { device: deviceId(device), app: 'crm', probe: 'p', via: 'tunnel', edge: 'e1' },
    { ok: 1, duration_ms: ms, received_at_ms: 1 },
  );

describe('of what comes late', () => {
  const everybody = { deviceIds: null, edgeIds: null };
  const batch = (sender: number, storedAt: number, times: number[]) => ({
    id: randomUUID(),
    role: 'device' as const,
    sender: deviceId(sender),
    fromAt: times[0] ?? 0,
    offsetsMs: times.map((timeMs) => timeMs - (times[0] ?? 0)),
    storedAt,
  });
  /** What a tick would be given, with the rows and questions that it cost. */
  const readAll = async (afterMs: number, untilMs: number, seen = new Map<string, number>()) => {
    const cost = { rows: 0, questions: 0 };
    const counting: Store = {
      ...store,
      select: async (query) => {
        const points = await store.select(query);
        cost.questions += 1;
        cost.rows += points.length;
        return points;
      },
    };
    const wanted = { afterMs, untilMs, isLate: () => true, seen, members: everybody };
    const asked = { store: counting, rows: createEngineRows(state.db), binMs: clock.binMs };
    const readings = [];
    for await (const { portions } of readLate(asked, wanted)) {
      for await (const portion of portions) readings.push(...portion);
    }
    return { readings, ...cost };
  };
  const startMs = () => clock.startOf(firstBin);

  test('only what was sent is read, not all that lies between', async () => {
    const minutes = Array.from({ length: 1_000 }, (_, bin) => run(bin, 1, 100));
    await store.write(minutes);
    const [first, last] = [minutes[0]?.timeMs ?? 0, minutes.at(-1)?.timeMs ?? 0];
    await state.db
      .insert(tables.lateBatches)
      .values(Array.from({ length: 20 }, (_, n) => batch(1, startMs() + n, [first, last])));
    const { readings, rows, questions } = await readAll(startMs() - 1, startMs() + 100);
    expect(readings.map(({ timeMs }) => timeMs)).toEqual([first, last]);
    expect(rows).toBe(2);
    expect(questions).toBe(10);
  });

  test('devices that were cut off together are read together', async () => {
    const points = [1, 2, 3, 4].map((device) => run(0, device, 100, { at: device * 1_000 }));
    await store.write(points);
    await state.db
      .insert(tables.lateBatches)
      .values(points.map(({ timeMs }, n) => batch(n + 1, startMs() + n, [timeMs])));
    const { readings, questions } = await readAll(startMs() - 1, startMs() + 100);
    expect(readings).toHaveLength(4);
    expect(questions).toBe(5);
  });

  test('nothing is passed over, of one millisecond neither, and nothing taken twice', async () => {
    const points = Array.from({ length: 450 }, (_, device) => run(0, device, 100));
    await store.write(points);
    const notes = points.map(({ timeMs }, n) => batch(n, startMs() + (n < 150 ? 0 : 7), [timeMs]));
    await state.db.insert(tables.lateBatches).values(notes);
    const seen = new Map<string, number>();
    const all = await readAll(startMs() - 1, startMs() + 100, seen);
    expect(all.readings).toHaveLength(450);
    expect((await readAll(startMs() - 1, startMs() + 100, seen)).readings).toEqual([]);
  });

  test('a flood of one device’s batches does not keep others waiting', async () => {
    await store.write([run(0, 1, 100), run(0, 2, 100)]);
    const timeMs = startMs() + 30_000;
    const flood = Array.from({ length: 600 }, (_, n) => batch(1, startMs() + n, [timeMs]));
    await state.db
      .insert(tables.lateBatches)
      .values([...flood, batch(2, startMs() + 700, [timeMs])]);
    const { readings, questions } = await readAll(startMs() - 1, startMs() + 1_000);
    expect(readings).toHaveLength(2);
    expect(questions).toBeLessThanOrEqual(10);
  });

  test('another shard’s is not asked for', async () => {
    await store.write([run(0, 1, 100), run(0, 2, 100)]);
    const timeMs = startMs() + 30_000;
    await state.db
      .insert(tables.lateBatches)
      .values([batch(1, startMs(), [timeMs]), batch(2, startMs(), [timeMs])]);
    const range = { afterMs: startMs() - 1, untilMs: startMs() };
    const found = await createEngineRows(state.db).late(
      { ...range, members: { deviceIds: [deviceId(2)], edgeIds: [] } },
      { batches: 9, ofSender: 9 },
    );
    expect(found.batches.map(({ sender }) => sender)).toEqual([deviceId(2)]);
  });
});
