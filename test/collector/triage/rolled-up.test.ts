import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRollupRows } from '#collector/control/rollup-rows.ts';
import { createRollup } from '#collector/rollup/job.ts';
import type { State } from '#collector/state/state.ts';
import { openStore } from '#collector/store/open.ts';
import type { Point } from '#collector/store/schema.ts';
import type { AggregateQuery, Store } from '#collector/store/store.ts';
import { rolledUpStore } from '#collector/triage/rolled-up.ts';
import { windowOf } from '#collector/triage/window.ts';
import { silentLog } from '#runtime/log.ts';
import { makePoint, seededRandom } from '#test/collector/store/make-point.ts';
import { openEmptyState } from '#test/support/empty-state.ts';
import { makeFolder, removeFolder } from '#test/support/server-process.ts';

const nowMs = 1_763_000_000_000;
const dayMs = 86_400_000;
const window = windowOf('30d', nowMs);
let folder: string;
let store: Store;
let state: State;

beforeAll(async () => {
  folder = makeFolder('rolled-up');
  state = await openEmptyState(join(folder, 'state'));
  store = await openStore({ engine: 'duckdb', file: join(folder, 'series.duckdb') });
  await store.write(runs());
}, 60_000);
afterAll(async () => {
  await store?.stop();
  await state?.stop();
  removeFolder(folder);
});

/** Three weeks of two applications; one is silent for the last five days. */
const runs = (): Point<'http'>[] => {
  const random = seededRandom(1);
  return Array.from({ length: 2_400 }, (_, n) => {
    const app = n % 2 === 0 ? 'crm' : 'mail';
    const newestMs = app === 'crm' ? nowMs - 1_800_000 : nowMs - 5 * dayMs;
    // Some of the 5 minutes, each well filled.
    const timeMs =
      newestMs - Math.floor(random() * 60) * 8 * 3_600_000 - Math.floor(random() * 200_000);
    const tags = { device: `d${n % 9}`, app, probe: 'p', via: n % 3 === 0 ? 'direct' : 'tunnel' };
    const duration_ms = 50 * 20 ** random();
    const fields = { ok: 1, distorted: 0, received_at_ms: timeMs + 900, duration_ms };
    return makePoint('http', timeMs, tags, { ...fields, wait_ms: Math.round(duration_ms / 2) });
  });
};

const base = { measurement: 'http', ...{ fromMs: window.fromMs, toMs: window.toMs } } as const;
const medians = {
  ...{ ...base, field: 'duration_ms', statistics: ['median', 'p95', 'count'], by: ['app'] },
  everyMs: window.everyMs,
} as const satisfies AggregateQuery<'http'>;
const means = {
  ...{
    ...base,
    field: 'wait_ms',
    statistics: ['mean', 'max'],
    tags: { app: 'crm', via: 'tunnel' },
  },
  everyMs: window.everyMs,
} as const satisfies AggregateQuery<'http'>;

it('a long window is read from raw points until its roll-ups are made', async () => {
  const read = await rolledUpStore({ store, state }, window);
  expect(read).toBe(store);
});

it('then from roll-ups, with the same counts and means, and medians within a bucket', async () => {
  let isMore = true;
  const enqueue = async () => {
    isMore = true;
  };
  while (isMore) {
    isMore = false;
    await createRollup({
      ...{ store, rows: createRollupRows(state.db), rawMs: 40 * dayMs, worker: 'a' },
      ...{ jobs: { engine: 'in-process', enqueue }, now: () => nowMs, log: silentLog() },
    })();
  }
  const asked: string[] = [];
  const counted: Store = {
    ...store,
    aggregate: (query) => {
      asked.push(`${query.measurement}.${query.field}`);
      return store.aggregate(query);
    },
  };
  const read = await rolledUpStore({ store: counted, state }, window);
  const rolled = await read.aggregate(medians);
  const raw = await store.aggregate(medians);
  expect(rolled.map(({ tags, timeMs }) => [tags, timeMs]).sort()).toEqual(
    raw.map(({ tags, timeMs }) => [tags, timeMs]).sort(),
  );
  const all = new Map(raw.map((row) => [`${row.tags['app']} ${row.timeMs}`, row.values]));
  for (const { tags, timeMs, values } of rolled) {
    const exact = all.get(`${tags['app']} ${timeMs}`);
    expect(values.count).toBe(exact?.count);
    if ((exact?.count ?? 0) < 20) continue;
    const off = Math.abs((values.median ?? 0) / (exact?.median ?? 1) - 1);
    // Two middle values of few may lie in two buckets.
    expect(off).toBeLessThan(0.35);
  }
  const [mean, exactMean] = [await read.aggregate(means), await store.aggregate(means)];
  expect(mean.map(({ values }) => values.mean?.toFixed(6))).toEqual(
    exactMean.map(({ values }) => values.mean?.toFixed(6)),
  );
  expect(asked).toEqual([]);
});

it('one that is silent is told to the hour, the others to the millisecond', async () => {
  const read = await rolledUpStore({ store, state }, window);
  const query = { ...base, field: 'received_at_ms', statistics: ['max'], by: ['app'] } as const;
  const [found, exact] = [await read.aggregate(query), await store.aggregate(query)];
  const newest = (rows: typeof found, app: string) =>
    rows.find(({ tags }) => tags['app'] === app)?.values.max ?? 0;
  expect(newest(found, 'crm')).toBe(newest(exact, 'crm'));
  expect(Math.abs(newest(found, 'mail') - newest(exact, 'mail'))).toBeLessThan(3_600_000);
});

it('what roll-ups cannot say comes from raw points: a device’s own, and short windows', async () => {
  const read = await rolledUpStore({ store, state }, window);
  const own = { ...means, tags: { device: 'd1' } };
  expect(await read.aggregate(own)).toEqual(await store.aggregate(own));
  expect(await rolledUpStore({ store, state }, windowOf('24h', nowMs))).toBe(store);
});
