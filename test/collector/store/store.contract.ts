import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FieldsOf, measurements, type Point, series } from '#collector/store/schema.ts';
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

    it('keeps runs of a device apart that began in the same millisecond, and writes none twice', async () => {
      const edges = ['', 'e1'];
      const points = ['a', 'b'].flatMap((app) =>
        edges.flatMap((edge) =>
          ['', 'tcp.refused'].map((failure_type) =>
            makePoint(
              'http',
              startMs,
              { device: 'at-once', app, probe: `${app}-1`, edge, failure_type },
              { ok: failure_type === '' ? 1 : 0, url: app },
            ),
          ),
        ),
      );
      await store.write(points);
      // Again, one by one, the other way round and side by side.
      await Promise.all(points.toReversed().map((point) => store.write([point])));
      const device = { device: 'at-once' };
      expect(byKey(await all('http', device))).toEqual(byKey(points));
      expect(await all('http', { ...device, edge: '' })).toHaveLength(4);
      expect(await all('http', { ...device, edge: ['', 'e1'], app: 'a' })).toHaveLength(4);
      expect(await all('http', { ...device, edge: 'e1', failure_type: '' })).toHaveLength(2);
      const exact = { measurement: 'http', fromMs: startMs, toMs: startMs + 1 } as const;
      expect(await store.select({ ...exact, tags: device, limit: 100 })).toHaveLength(8);
      const before = { ...exact, fromMs: startMs - 1, toMs: startMs };
      expect(await store.select({ ...before, tags: device, limit: 100 })).toEqual([]);
      const rows = await store.aggregate({
        ...{ measurement: 'http', field: 'ok', statistics: ['count', 'sum'], ...wide },
        ...{ tags: device, by: ['failure_type', 'app'] },
      });
      expect(rows.map(({ tags, values }) => [Object.values(tags), values])).toEqual([
        [['', 'a'], { count: 2, sum: 2 }],
        [['', 'b'], { count: 2, sum: 2 }],
        [['tcp.refused', 'a'], { count: 2, sum: 0 }],
        [['tcp.refused', 'b'], { count: 2, sum: 0 }],
      ]);
    });

    it('has a later writing replace the point of the same labels and no other', async () => {
      const of = (app: string, fields: object) =>
        makePoint('verdict', startMs, { device: 'replaced', app }, fields);
      await store.write([of('a', { score: 1, segment: 'dns' }), of('b', { score: 2 })]);
      await store.write([of('a', { score: 3 })]);
      expect(byKey(await all('verdict', { device: 'replaced' }))).toEqual([
        of('a', { score: 3 }),
        of('b', { score: 2 }),
      ]);
    });

    it('groups by device and edge together, those of a filter only', async () => {
      const points = ['d1', 'd2'].flatMap((device) =>
        ['', 'e1', 'e2'].map((edge, i) =>
          makePoint('tunnel', startMs, { device: `both-${device}`, edge }, { control_rtt_ms: i }),
        ),
      );
      await store.write(points);
      const rows = await store.aggregate({
        ...{ measurement: 'tunnel', field: 'control_rtt_ms', statistics: ['last'], ...wide },
        tags: { device: ['both-d1', 'both-d2'], edge: ['', 'e2'] },
        by: ['device', 'edge'],
        everyMs: 60_000,
      });
      expect(rows).toEqual(
        ['both-d1', 'both-d2'].flatMap((device) => [
          { tags: { device, edge: '' }, timeMs: startMs, values: { last: 0 } },
          { tags: { device, edge: 'e2' }, timeMs: startMs, values: { last: 2 } },
        ]),
      );
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

    it('gives back every text a label can have, all of one millisecond, and finds each by it', async () => {
      const random = seededRandom(21);
      const texts = new Set([
        ...nastyTexts.filter((text) => text.length < 100),
        ...Array.from({ length: 200 }, () => randomText(random)),
      ]);
      const points = [...texts].map((reason, i) =>
        makePoint('missed', startMs, { device: 'nasty', probe: 'p', reason }, { run_count: i }),
      );
      await store.write(points);
      await store.write(points.toReversed());
      expect(byKey(await all('missed', { device: 'nasty' }))).toEqual(byKey(points));
      for (const point of points.slice(0, 40)) {
        expect(await all('missed', point.tags)).toEqual([point]);
      }
      const range = { fromMs: startMs, toMs: startMs + 1 };
      const found = await store.tagValues({ measurement: 'missed', tag: 'reason', ...range });
      expect(found.filter((text) => texts.has(text))).toEqual([...texts].sort());
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

    it('merges roll-ups, each field in the way its name says, by tags and buckets', async () => {
      const atMs = Math.ceil((startMs + 88_000_000) / 3_600_000) * 3_600_000;
      const row = (hour: number, via: string, n: number | null) =>
        makePoint(
          'http_1h',
          atMs + hour * 3_600_000,
          { app: 'merged', via, edge: hour === 0 ? '' : 'e1' },
          { run_count: n, device_count: n, tls_sum_ms: n, tls_min_ms: n, tls_max_ms: n },
        );
      await store.write([row(0, 'direct', 3), row(1, 'direct', 5), row(2, 'direct', 7)]);
      await store.write([row(0, 'tunnel', null), row(2, 'tunnel', 2)]);
      const query = {
        measurement: 'http_1h',
        fields: ['run_count', 'device_count', 'tls_sum_ms', 'tls_min_ms', 'tls_max_ms'],
        ...{ fromMs: atMs, toMs: atMs + 4 * 3_600_000, tags: { app: 'merged' } },
      } as const;
      const values = (sum: number, min: number, max: number) => ({
        ...{ run_count: sum, device_count: max, tls_sum_ms: sum, tls_min_ms: min, tls_max_ms: max },
      });
      expect(await store.merge(query)).toEqual([
        { tags: {}, timeMs: null, values: values(17, 2, 7) },
      ]);
      expect(await store.merge({ ...query, by: ['via'] })).toEqual([
        { tags: { via: 'direct' }, timeMs: null, values: values(15, 3, 7) },
        { tags: { via: 'tunnel' }, timeMs: null, values: values(2, 2, 2) },
      ]);
      const everyMs = 2 * 3_600_000;
      const shifted = Math.floor(atMs / everyMs) * everyMs;
      const found = await store.merge({
        ...query,
        everyMs,
        tags: { app: 'merged', via: ['direct'] },
      });
      expect(found.map(({ timeMs }) => (timeMs ?? 0) - shifted)).toEqual([0, everyMs]);
      expect(found.reduce((sum, one) => sum + (one.values['run_count'] ?? 0), 0)).toBe(15);
      const wrong = { ...query, fields: ['nothing'] } as never;
      await expect(store.merge(wrong)).rejects.toThrow('no field nothing');
    });

    it('reads of a point only the fields that are asked for', async () => {
      const point = filledPoint('http', startMs + 77_000_000);
      await store.write([point, { ...point, timeMs: point.timeMs + 1 }]);
      const range = { fromMs: point.timeMs, toMs: point.timeMs + 2, limit: 10 };
      const fields = ['wait_ms', 'url'] as const;
      const found = await store.select({ measurement: 'http', fields, ...range });
      const { wait_ms, url } = point.fields as FieldsOf<'http'>;
      const empty = makePoint('http', point.timeMs, {}).fields;
      expect(found).toEqual([
        { ...point, fields: { ...empty, wait_ms, url } },
        { ...point, timeMs: point.timeMs + 1, fields: { ...empty, wait_ms, url } },
      ]);
      const none = await store.select({ measurement: 'http', fields: [], ...range });
      expect(none).toEqual(found.map((one) => ({ ...one, fields: empty })));
      const wrong = { measurement: 'http', fields: ['nothing'], ...range } as never;
      await expect(store.select(wrong)).rejects.toThrow('no field nothing');
    });

    it('forgets only of the measurements that are named', async () => {
      const cut = startMs + 1_800_000;
      const old = cut - 5 * 86_400_000;
      const http = (ms: number) => makePoint('http', ms, { device: 'kept-by-name' });
      const hours = (ms: number) => makePoint('http_1h', ms, { app: 'kept-by-name' });
      await store.write([http(old), http(old + 90_000_000), http(cut), hours(old), hours(cut)]);
      await store.deleteBefore(cut, ['http']);
      const left = async (measurement: 'http' | 'http_1h', tags: object) =>
        (await store.select({ measurement, tags, ...wide, fromMs: old, limit: 100 })).map(
          ({ timeMs }) => timeMs - cut,
        );
      expect(await left('http', { device: 'kept-by-name' })).toEqual([0]);
      expect(await left('http_1h', { app: 'kept-by-name' })).toEqual([old - cut, 0]);
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
