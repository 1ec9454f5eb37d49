import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { measurements, type Point, series } from '#collector/store/schema.ts';
import { type Store, StoreUnavailable, statistics } from '#collector/store/store.ts';
import { makePoint, seededRandom } from './make-point.ts';

/** Far from now and round, so that buckets are easy to see. */
const startMs = 1_700_000_000_000 - (1_700_000_000_000 % 60_000);
const wide = { fromMs: 0, toMs: 4_102_444_800_000 };

export type OpenedStore = { store: Store; stop(): Promise<void> };

/** What every store does, whatever its engine. `open` gives an empty one. */
export const storeContract = (engine: string, open: () => Promise<OpenedStore>): void => {
  describe(`a store on ${engine}`, () => {
    let opened: OpenedStore;
    let store: Store;
    beforeAll(async () => {
      opened = await open();
      store = opened.store;
    });
    afterAll(() => opened?.stop());

    const all = <M extends Point['measurement']>(measurement: M, tags: object = {}) =>
      store.select({ measurement, ...wide, limit: 100_000, tags });

    it('answers a ping', async () => {
      await expect(store.ping()).resolves.toBeUndefined();
    });

    it('gives every measurement back as it was written, each kind of value and null', async () => {
      const points = measurements.map((measurement, i) => filledPoint(measurement, startMs + i));
      await store.write(points);
      for (const point of points) {
        const found = await all(point.measurement, { [firstTag(point)]: firstTagValue(point) });
        expect(found).toEqual([point]);
      }
    });

    it('keeps a point of which nothing was measured', async () => {
      const point = makePoint('device', startMs, { device: 'nothing-measured' });
      await store.write([point]);
      expect(await all('device', { device: 'nothing-measured' })).toEqual([point]);
    });

    it('tells no value from empty text and from zero', async () => {
      const written = [
        makePoint('http', startMs, { device: 'three' }, { url: '', dns_ms: 0, status: 0 }),
        makePoint('http', startMs + 1, { device: 'three' }),
      ];
      await store.write(written);
      expect(await all('http', { device: 'three' })).toEqual(written);
    });

    it('counts a point once that is written twice, in one call or in several', async () => {
      const point = makePoint('tunnel', startMs, { device: 'twice', edge: 'e1' }, { up: 1 });
      await store.write([point, point]);
      await store.write([point]);
      await Promise.all([store.write([point]), store.write([point]), store.write([point])]);
      expect(await all('tunnel', { device: 'twice' })).toEqual([point]);
      const [row] = await store.aggregate({
        ...{ measurement: 'tunnel', field: 'up', statistics: ['count', 'sum'], ...wide },
        tags: { device: 'twice' },
      });
      expect(row?.values).toEqual({ count: 1, sum: 1 });
    });

    it('has a point’s later writing replace the earlier, values that are gone included', async () => {
      const tags = { device: 'changed', app: 'a' };
      const before = { state: 'slow', segment: 'dns', added_ms: 120, score: 30 } as const;
      const after = { state: 'ok', score: 90 } as const;
      await store.write([makePoint('verdict', startMs, tags, before)]);
      await store.write([makePoint('verdict', startMs, tags, after)]);
      expect(await all('verdict', tags)).toEqual([makePoint('verdict', startMs, tags, after)]);
      const inOneCall = { device: 'changed-at-once', app: 'a' };
      await store.write([
        makePoint('verdict', startMs, inOneCall, before),
        makePoint('verdict', startMs, inOneCall, after),
      ]);
      expect(await all('verdict', inOneCall)).toEqual([
        makePoint('verdict', startMs, inOneCall, after),
      ]);
    });

    it('keeps points of other tags or another time apart', async () => {
      const points = ['', 'e1', 'e2'].flatMap((edge) =>
        [0, 1].map((ms) => makePoint('tunnel', startMs + ms, { device: 'apart', edge }, { up: 1 })),
      );
      await store.write(points);
      expect(byKey(await all('tunnel', { device: 'apart' }))).toEqual(byKey(points));
      expect(await all('tunnel', { device: 'apart', edge: '' })).toHaveLength(2);
    });

    it('selects by tags, several values of one, and a time range that leaves its end out', async () => {
      const points = ['a', 'b', 'c'].flatMap((app) =>
        [0, 1_000, 2_000].map((ms) =>
          makePoint('verdict', startMs + ms, { device: 'range', app }, { score: ms }),
        ),
      );
      await store.write(points);
      const found = await store.select({
        measurement: 'verdict',
        fromMs: startMs + 1_000,
        toMs: startMs + 2_000,
        tags: { device: 'range', app: ['a', 'c', 'not-there'] },
        limit: 100,
      });
      expect(byKey(found).map(({ tags, timeMs }) => [tags, timeMs])).toEqual([
        [{ device: 'range', app: 'a' }, startMs + 1_000],
        [{ device: 'range', app: 'c' }, startMs + 1_000],
      ]);
      expect(await all('verdict', { device: 'range', app: [] })).toEqual([]);
    });

    it('selects by hundreds of values of one tag', async () => {
      const devices = Array.from({ length: 400 }, (_, n) => `many-${String(n).padStart(32, '0')}`);
      await store.write(
        [...devices, 'many-other'].map((device) => makePoint('device', startMs, { device })),
      );
      expect(await all('device', { device: devices })).toHaveLength(400);
    });

    it('gives the oldest first or the newest first, and no more than the limit', async () => {
      const times = [3, 1, 2, 5, 4].map((n) => startMs + n);
      await store.write(
        times.map((ms) => makePoint('device', ms, { device: 'order' }, { load1: 1 })),
      );
      const ask = (order: 'oldest-first' | 'newest-first') =>
        store.select({
          measurement: 'device',
          ...wide,
          tags: { device: 'order' },
          order,
          limit: 2,
        });
      expect((await ask('oldest-first')).map((p) => p.timeMs - startMs)).toEqual([1, 2]);
      expect((await ask('newest-first')).map((p) => p.timeMs - startMs)).toEqual([5, 4]);
      await expect(store.select({ measurement: 'device', ...wide, limit: 0 })).rejects.toThrow(
        'limit',
      );
    });

    it.each([1, 2, 3, 10, 11, 19, 20, 100, 101])(
      'reckons every statistic of %i values as the definition has it',
      async (n) => {
        const random = seededRandom(n);
        const values = Array.from({ length: n }, () => Math.round(random() * 1e6) / 1e3);
        const device = `statistics-${n}`;
        const points = values.map((value, i) =>
          makePoint('http', startMs + i * 10, { device }, { duration_ms: value }),
        );
        // One more, of which this was not measured, that must not count.
        await store.write([
          ...points,
          makePoint('http', startMs + n * 10, { device }, { status: 1 }),
        ]);
        const [row] = await store.aggregate({
          ...{ measurement: 'http', field: 'duration_ms', statistics, ...wide },
          tags: { device },
        });
        const expected = statisticsOf(values);
        expect(row).toMatchObject({ tags: {}, timeMs: null });
        for (const statistic of statistics) {
          expect(row?.values[statistic], statistic).toBeCloseTo(expected[statistic], 6);
        }
      },
    );

    it('aggregates by tags and time buckets, and leaves out what has no value', async () => {
      const random = seededRandom(7);
      const points = Array.from({ length: 600 }, (_, i) =>
        makePoint(
          'http',
          startMs + i * 1_000,
          { device: 'buckets', app: `app-${i % 3}`, edge: i % 2 === 0 ? 'e1' : '' },
          { wait_ms: i % 5 === 0 ? null : random() * 100 },
        ),
      );
      await store.write(points);
      const rows = await store.aggregate({
        ...{
          measurement: 'http',
          field: 'wait_ms',
          statistics: ['count', 'mean', 'p95', 'median'],
        },
        ...{ fromMs: startMs + 30_000, toMs: startMs + 500_000, everyMs: 120_000 },
        ...{ tags: { device: 'buckets' }, by: ['app', 'edge'] },
      });
      const groups = new Map<string, number[]>();
      for (const { timeMs, tags, fields } of points) {
        if (timeMs < startMs + 30_000 || timeMs >= startMs + 500_000) continue;
        if (fields.wait_ms === null) continue;
        const key = JSON.stringify([tags.app, tags.edge, timeMs - (timeMs % 120_000)]);
        groups.set(key, [...(groups.get(key) ?? []), fields.wait_ms]);
      }
      const keys = rows.map(({ tags, timeMs }) =>
        JSON.stringify([tags['app'], tags['edge'], timeMs]),
      );
      expect(keys).toEqual([...groups.keys()].sort(compareKeys));
      for (const [i, key] of keys.entries()) {
        const expected = statisticsOf(groups.get(key) ?? []);
        expect(rows[i]?.values['count']).toBe(expected.count);
        for (const statistic of ['mean', 'p95', 'median'] as const) {
          expect(rows[i]?.values[statistic]).toBeCloseTo(expected[statistic], 6);
        }
      }
    });

    it('has no row where nothing was measured', async () => {
      const query = {
        measurement: 'http',
        field: 'tls_ms',
        statistics: ['count', 'mean'],
      } as const;
      expect(await store.aggregate({ ...query, ...wide, tags: { device: 'nobody' } })).toEqual([]);
      expect(
        await store.aggregate({ ...query, ...wide, tags: { device: 'nobody' }, everyMs: 1_000 }),
      ).toEqual([]);
    });

    it('counts text and refuses to average it', async () => {
      const points = [0, 1, 2].map((i) =>
        makePoint(
          'http',
          startMs + i,
          { device: 'text' },
          { url: i === 2 ? null : 'https://x.test/' },
        ),
      );
      await store.write(points);
      const of = { measurement: 'http', field: 'url', ...wide, tags: { device: 'text' } } as const;
      expect((await store.aggregate({ ...of, statistics: ['count'] }))[0]?.values).toEqual({
        count: 2,
      });
      await expect(store.aggregate({ ...of, statistics: ['mean'] })).rejects.toThrow('text');
    });

    it('lists the values a tag had in a time range, without none', async () => {
      await store.write(
        ['zeta', '', 'alpha', 'late'].map((segment, i) =>
          makePoint(
            'leg',
            startMs - 86_400_000 * 100 + i,
            { device: 'values', segment },
            { ms: 1 },
          ),
        ),
      );
      const fromMs = startMs - 86_400_000 * 100;
      const ask = { measurement: 'leg', tag: 'segment' } as const;
      expect(await store.tagValues({ ...ask, fromMs, toMs: fromMs + 3 })).toEqual([
        'alpha',
        'zeta',
      ]);
      expect(await store.tagValues({ ...ask, fromMs: fromMs + 10, toMs: fromMs + 20 })).toEqual([]);
    });

    it('gives back every text a tag or a field can have', async () => {
      const random = seededRandom(20);
      const texts = [...nastyTexts, ...Array.from({ length: 300 }, () => randomText(random))];
      const points = texts.map((text, i) =>
        makePoint(
          'event',
          startMs + i,
          { source: 'device', source_id: text, name: 'nasty' },
          { reason: text, event_id: String(i) },
        ),
      );
      await store.write(points);
      const found = await all('event', { name: 'nasty' });
      expect(byKey(found)).toEqual(byKey(points));
    });

    it('finds by exactly the text that was asked for, whatever is in it', async () => {
      const points = nastyTexts.map((text, i) =>
        makePoint('event', startMs + i, { source: 'edge', source_id: `x${text}`, name: 'exact' }),
      );
      await store.write(points);
      for (const point of points) {
        const found = await all('event', { name: 'exact', source_id: point.tags.source_id });
        expect(found).toEqual([point]);
      }
      for (const attack of [`x' OR '1'='1`, `x" OR "1"="1`, `x'; DROP MEASUREMENT "event"; --`]) {
        const found = await all('event', { name: 'exact', source_id: attack });
        expect(found.filter(({ tags }) => tags.source_id !== attack)).toEqual([]);
      }
    });

    it('takes no name that is not in the schema', async () => {
      const hostile = { measurement: 'device', ...wide, limit: 1 } as const;
      await expect(
        store.select({ ...hostile, tags: { '" or 1=1 --': 'x' } as never }),
      ).rejects.toThrow('no tag');
      await expect(
        store.select({ ...hostile, measurement: 'sqlite_master' as never }),
      ).rejects.toThrow('no measurement');
      await expect(
        store.aggregate({ ...hostile, field: 'load1"; drop' as never, statistics: ['mean'] }),
      ).rejects.toThrow('no field');
    });

    it('refuses a call with a point that is not one, and stores none of it', async () => {
      const good = makePoint('device', startMs, { device: 'half' }, { load1: 1 });
      const bad = { ...good, fields: { ...good.fields, load1: 'much' } } as unknown as Point;
      await expect(store.write([good, bad])).rejects.toThrow('load1');
      expect(await all('device', { device: 'half' })).toEqual([]);
    });

    it('stores what is no number as not measured', async () => {
      const tags = { device: 'not-a-number' };
      await store.write([
        makePoint('device', startMs, tags, {
          load1: Number.NaN,
          cpu_ratio: Number.POSITIVE_INFINITY,
        }),
      ]);
      expect(await all('device', tags)).toEqual([makePoint('device', startMs, tags)]);
    });

    it('takes thousands of points in one call and many calls at once', async () => {
      const batch = (device: string) =>
        Array.from({ length: 6_000 }, (_, i) =>
          makePoint('device', startMs + i, { device }, { load1: i }),
        );
      await Promise.all(['many-1', 'many-2', 'many-3'].map((device) => store.write(batch(device))));
      const rows = await store.aggregate({
        ...{ measurement: 'device', field: 'load1', statistics: ['count', 'sum'], ...wide },
        ...{ tags: { device: ['many-1', 'many-2', 'many-3'] }, by: ['device'] },
      });
      expect(rows.map(({ tags, values }) => [tags['device'], values])).toEqual(
        ['many-1', 'many-2', 'many-3'].map((device) => [device, { count: 6_000, sum: 17_997_000 }]),
      );
    });

    it('forgets what is older than asked, in every measurement', async () => {
      const cut = startMs + 3_600_000;
      const at = (ms: number) =>
        measurements.map((measurement) => makePoint(measurement, ms, forgetTags(measurement)));
      await store.write([...at(cut - 1), ...at(cut), ...at(cut + 1)]);
      await store.deleteBefore(cut);
      for (const measurement of measurements) {
        const found = await all(measurement, forgetTags(measurement));
        expect(found.map(({ timeMs }) => timeMs - cut)).toEqual([0, 1]);
        const [oldest] = await store.select({ measurement, ...wide, limit: 1 });
        expect(oldest?.timeMs).toBeGreaterThanOrEqual(cut);
      }
    });

    // Last: the store is stopped.
    it('is unavailable once stopped, and stopping twice is fine', async () => {
      const point = makePoint('device', startMs + 10_000_000, { device: 'late' });
      const underWay = store.write([point]);
      await store.stop();
      await store.stop();
      await expect(underWay).resolves.toBeUndefined();
      await expect(store.write([point])).rejects.toThrow(StoreUnavailable);
      await expect(all('device')).rejects.toThrow(StoreUnavailable);
      await expect(store.ping()).rejects.toThrow(StoreUnavailable);
    });
  });
};

const firstTag = (point: Point): string => series[point.measurement].tags[0];
const firstTagValue = (point: Point): string => Object.values(point.tags)[0] ?? '';

const forgetTags = (measurement: Point['measurement']): Record<string, string> => ({
  [series[measurement].tags[0]]: 'forget',
});

/** Every field with a value of its kind, every third one null. */
const filledPoint = (measurement: Point['measurement'], timeMs: number): Point => {
  const { tags, fields } = series[measurement];
  const values = { float: 0.1 + 0.2, integer: 9_007_199_254_740_991, flag: 1, string: 'tëxt' };
  return makePoint(
    measurement,
    timeMs,
    Object.fromEntries(tags.map((tag) => [tag, `filled-${tag}`])),
    Object.fromEntries(
      Object.entries(fields).map(([name, kind], i) => [name, i % 3 === 2 ? null : values[kind]]),
    ),
  );
};

const byKey = <P extends Point>(points: readonly P[]): P[] =>
  [...points].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
const keyOf = (point: Point): string => JSON.stringify([point.timeMs, Object.entries(point.tags)]);

const compareKeys = (a: string, b: string): number => (a < b ? -1 : 1);

/** The definitions of store.ts, in the plainest way. */
const statisticsOf = (values: readonly number[]) => {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  const sum = values.reduce((a, b) => a + b, 0);
  const at = (i: number) => sorted[i] ?? Number.NaN;
  return {
    count: n,
    sum,
    mean: sum / n,
    min: at(0),
    max: at(n - 1),
    median: n % 2 === 1 ? at((n - 1) / 2) : (at(n / 2 - 1) + at(n / 2)) / 2,
    p95: at(Math.floor(n * 0.95 + 0.5) - 1),
    last: values.at(-1) ?? Number.NaN,
  };
};

const nastyTexts = [
  'plain',
  'a,b',
  'a b',
  ' leading and trailing ',
  'a=b',
  'say "hello"',
  "it's",
  `'; DROP MEASUREMENT "event"; --`,
  '"',
  "'",
  'back\\slash',
  'trailing backslash\\',
  'two\\\\',
  '\\"',
  '\\n is not a line end',
  'line\nend',
  'line\r\nend',
  'tab\there',
  '100 %',
  '%0A %5C %25',
  '#comment',
  'Grüße, 世界 🌍',
  '{"json":["a\\"b"]}',
  '$1 ? :name',
  'x'.repeat(2_000),
];

const randomText = (random: () => number): string => {
  const alphabet = [
    'a',
    'Z',
    '0',
    ' ',
    ',',
    '=',
    '"',
    "'",
    '\\',
    '\n',
    '\t',
    '%',
    '#',
    'é',
    '🌍',
    ';',
    '-',
  ];
  const length = 1 + Math.floor(random() * 12);
  return Array.from({ length }, () => alphabet[Math.floor(random() * alphabet.length)]).join('');
};
