import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createRollupRows } from '#collector/control/rollup-rows.ts';
import { createRollup } from '#collector/rollup/job.ts';
import { createLateMarks } from '#collector/rollup/late-marks.ts';
import { binMs, hourMs } from '#collector/rollup/tiers.ts';
import { rollupBins, rollupProgress } from '#collector/state/schema.ts';
import type { State } from '#collector/state/state.ts';
import { bucketBoundsMs, bucketField } from '#collector/store/rollup-schema.ts';
import type { measurements, Point } from '#collector/store/schema.ts';
import type { Store } from '#collector/store/store.ts';
import { silentLog } from '#runtime/log.ts';
import { makePoint, seededRandom } from '#test/collector/store/make-point.ts';

const dayMs = 86_400_000;
const rawMs = 30 * dayMs;
const startMs = Math.ceil(1_760_000_000_000 / hourMs) * hourMs;
/** Long after the end of all bins of a test. */
const laterMs = startMs + 6 * hourMs;

/** What the roll-ups keep to on every engine. */
export const rollupContract = (
  name: string,
  open: () => Promise<{ store: Store; state: State; close(): Promise<void> }>,
): void => {
  describe(`roll-ups in ${name}`, () => {
    let opened: Awaited<ReturnType<typeof open>>;
    beforeAll(async () => {
      opened = await open();
    }, 120_000);
    afterAll(async () => opened?.close());
    beforeEach(async () => {
      await opened.store.deleteBefore(startMs + 100 * dayMs);
      await opened.state.db.delete(rollupBins);
      await opened.state.db.delete(rollupProgress);
    });

    const rows = () => createRollupRows(opened.state.db);

    /** A collector's job, run until nothing is left to do. */
    const collector = (
      worker: string,
      more: { store?: Store; engine?: 'in-process' | 'bullmq'; nowMs?: number } = {},
    ) => {
      let isMore = false;
      const job = createRollup({
        store: more.store ?? opened.store,
        jobs: {
          engine: more.engine ?? 'in-process',
          enqueue: async () => {
            isMore = true;
          },
        },
        rows: rows(),
        rawMs,
        worker,
        now: () => more.nowMs ?? laterMs,
        log: silentLog(),
      });
      return async (): Promise<void> => {
        do {
          isMore = false;
          await job();
        } while (isMore);
      };
    };
    const marks = () => createLateMarks(rows(), rawMs);

    it('what they say is what the raw points give, of failed, distorted and dense runs too', async () => {
      await opened.store.write(runs(1, 700));
      await opened.store.write(samples(40));
      await collector('a')();
      await expectAsRaw(opened.store);
      const tunnels = await all(opened.store, 'tunnel_5m');
      expect(sum(tunnels, 'sample_count')).toBe(40);
    });

    it('making them again gives the same, row for row', async () => {
      await opened.store.write(runs(2, 200));
      await collector('a')();
      const before = await all(opened.store, 'http_5m');
      await rows().markStale(before.map(({ timeMs }) => timeMs / binMs));
      await collector('b')();
      expect(await all(opened.store, 'http_5m')).toEqual(before);
      expect(await rows().staleCount()).toBe(0);
    });

    it('late, doubled and shuffled batches land in them, and only their bins are made anew', async () => {
      const points = runs(3, 600);
      await opened.store.write(points.slice(0, 300));
      await collector('a')();
      const batches = [points.slice(450), points.slice(300, 460), points.slice(450)];
      for (const batch of batches) {
        await opened.store.write(batch);
        await marks()(timesOf(batch), laterMs);
      }
      const stale = new Set(timesOf(points.slice(300)).map((ms) => Math.floor(ms / binMs)));
      expect(await rows().staleCount()).toBe(stale.size);
      await collector('a')();
      await expectAsRaw(opened.store);
      expect(await rows().staleCount()).toBe(0);
    });

    it('a batch that came in time costs no statement', async () => {
      await marks()([laterMs - 90_000, laterMs - 1_000], laterMs);
      expect(await rows().staleCount()).toBe(0);
    });

    it('a bin is made once it is over and what was on its way has come, not before', async () => {
      await opened.store.write(runs(4, 200));
      const endMs = startMs + 4 * binMs;
      await collector('a', { nowMs: endMs + 149_000 })();
      expect(newest(await all(opened.store, 'http_5m'))).toBe(endMs - 2 * binMs);
      await collector('a', { nowMs: endMs + 150_000 })();
      expect(newest(await all(opened.store, 'http_5m'))).toBe(endMs - binMs);
    });

    it('of two collectors one works, and all is made once', async () => {
      await opened.store.write(runs(5, 400));
      const engine = 'bullmq';
      const counted = countWrites(opened.store);
      await Promise.all([
        collector('a', { engine, store: counted.store })(),
        collector('b', { engine, store: counted.store })(),
      ]);
      await expectAsRaw(opened.store);
      const bins = (await all(opened.store, 'http_5m')).map(({ timeMs }) => timeMs);
      // Each bin, and both hours.
      expect(counted.writes()).toBe(new Set(bins).size + 2);
    });

    it('a crash in the middle leaves nothing out', async () => {
      await opened.store.write(runs(6, 400));
      for (const at of [1, 4, 9]) {
        void collector(`crashed-${at}`, { store: hangingAt(opened.store, at) })().catch(() => {});
        await expect.poll(() => hung.has(at), { timeout: 20_000 }).toBe(true);
      }
      await collector('next')();
      await expectAsRaw(opened.store);
    });

    it('what a collector writes after another took over is made anew', async () => {
      const points = runs(7, 300);
      await opened.store.write(points.slice(0, 150));
      const held = heldAt(opened.store, 3);
      const slow = collector('slow', { store: held.store })();
      await held.reached;
      await collector('next')();
      await opened.store.write(points.slice(150));
      await marks()(timesOf(points), laterMs);
      await collector('next')();
      held.release();
      await slow;
      expect(await rows().staleCount()).toBe(1);
      await collector('next')();
      await expectAsRaw(opened.store);
    });

    it('what comes after raw data was deleted changes no roll-up', async () => {
      const points = runs(8, 300);
      await opened.store.write(points);
      await collector('a')();
      const before = await all(opened.store, 'http_5m');
      await rows().noteRawFrom(startMs + hourMs);
      await opened.store.write([oneRun(startMs + 1, 'late', {})]);
      await marks()([startMs + 1], laterMs);
      await collector('a')();
      expect(await all(opened.store, 'http_5m')).toEqual(before);
    });
  });
};

const via = ['tunnel', 'direct'];
const oneRun = (timeMs: number, device: string, fields: object, n = 0): Point<'http'> =>
  makePoint(
    'http',
    timeMs,
    {
      device,
      app: `app-${n % 2}`,
      probe: 'home',
      via: via[(n >> 1) % 2] ?? '',
      edge: n % 7 === 0 ? '' : 'fra-1',
    },
    { ok: 1, distorted: 0, received_at_ms: timeMs, duration_ms: 1, ...fields },
  );

/** Spread over an hour and a half, in no order. */
const runs = (seed: number, count: number): Point<'http'>[] => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, n) => {
    const timeMs = startMs + Math.floor(random() * 1.5 * hourMs);
    const kind = random();
    const other =
      kind < 0.1
        ? { distorted: 1 }
        : kind < 0.2
          ? { ok: 0, failure_source: kind < 0.15 ? 'agent' : 'target' }
          : kind < 0.25
            ? { burst_id: 'burst' }
            : {};
    const waitMs = kind > 0.9 ? null : random() * 300;
    const durationMs = 10 ** (1 + random() * 4);
    return oneRun(timeMs, `d${n % 23}`, { duration_ms: durationMs, wait_ms: waitMs, ...other }, n);
  });
};

const samples = (count: number): Point<'tunnel'>[] =>
  Array.from({ length: count }, (_, n) => {
    const tags = { device: `d${n % 5}`, edge: 'fra-1' };
    return makePoint('tunnel', startMs + n * 60_000, tags, { up: 1, control_rtt_ms: n });
  });

const timesOf = (points: readonly Point[]) => points.map(({ timeMs }) => timeMs);
const newest = (points: readonly Point[]) => Math.max(...timesOf(points));

const all = <M extends (typeof measurements)[number]>(store: Store, measurement: M) =>
  store.select({ measurement, fromMs: startMs, toMs: startMs + dayMs, limit: 100_000 });

const sum = (points: readonly Point[], field: string): number =>
  points.reduce((total, { fields }) => total + Number((fields as Fields)[field] ?? 0), 0);
type Fields = Record<string, number | string | null>;

/** Every row of the roll-ups against the raw points of its stretch, worked out here. */
const expectAsRaw = async (store: Store): Promise<void> => {
  const raw = await all(store, 'http');
  const fives = await all(store, 'http_5m');
  expect(sum(fives, 'run_count')).toBe(raw.length);
  for (const row of fives) expectRow(row, raw, binMs);
  const hours = await all(store, 'http_1h');
  expect(sum(hours, 'run_count')).toBe(
    raw.filter(({ timeMs }) => timeMs < startMs + 2 * hourMs).length,
  );
  for (const row of hours) expectRow(row, raw, hourMs);
};

const expectRow = (row: Point, raw: readonly Point<'http'>[], lengthMs: number): void => {
  const fields = row.fields as unknown as Fields;
  const tags = row.tags as Record<string, string>;
  const own = raw.filter(
    (point) =>
      Math.floor(point.timeMs / lengthMs) * lengthMs === row.timeMs &&
      Object.entries(tags).every(([tag, value]) => point.tags[tag as 'app'] === value),
  );
  const planned = own.filter(({ fields: f }) => f.burst_id === null && f.distorted === 0);
  const telling = planned.filter(({ fields: f }) => f.failure_source !== 'agent');
  expect(fields).toMatchObject({
    run_count: own.length,
    beside_plan_count: own.filter(({ fields: f }) => f.burst_id !== null).length,
    inconclusive_count: planned.length - telling.length,
    ok_count: telling.filter(({ fields: f }) => f.ok === 1).length,
    failed_count: telling.filter(({ fields: f }) => f.ok === 0).length,
  });
  if (lengthMs === binMs) {
    expect(fields['device_count']).toBe(new Set(own.map(({ tags: t }) => t.device)).size);
  }
  for (const [value, field] of [
    ['duration', 'duration_ms'],
    ['wait', 'wait_ms'],
  ] as const) {
    const values = telling.flatMap(({ fields: f }) => f[field] ?? []);
    expect(fields[`${value}_count`]).toBe(values.length);
    expect(fields[`${value}_sum_ms`]).toBeCloseTo(
      values.reduce((a, b) => a + b, 0),
      5,
    );
    expect(fields[`${value}_max_ms`]).toBe(values.length === 0 ? null : Math.max(...values));
    expect(fields[`${value}_min_ms`]).toBe(values.length === 0 ? null : Math.min(...values));
  }
  for (const bound of bucketBoundsMs) {
    const within = telling.filter(({ fields: f }) => (f.duration_ms ?? 0) <= bound);
    expect(fields[bucketField(bound)]).toBe(within.length);
  }
};

const countWrites = (store: Store) => {
  let count = 0;
  return {
    store: {
      ...store,
      write: (points: readonly Point[]) => {
        count += 1;
        return store.write(points);
      },
    },
    writes: () => count,
  };
};

const hung = new Set<number>();
/** As a killed process: a write that is never heard of again. */
const hangingAt = (store: Store, at: number): Store => {
  let count = 0;
  return {
    ...store,
    write: (points) => {
      count += 1;
      if (count !== at) return store.write(points);
      hung.add(at);
      return new Promise(() => undefined);
    },
  };
};

/** As a paused process: a write that comes when all is over. */
const heldAt = (store: Store, at: number) => {
  let count = 0;
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let tell = () => {};
  const reached = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const held: Store = {
    ...store,
    write: async (points) => {
      count += 1;
      if (count === at) {
        tell();
        await released;
      }
      await store.write(points);
    },
  };
  return { store: held, reached, release: () => release() };
};
