import { expect, it } from 'vitest';
import { createFold } from '#collector/rollup/fold.ts';
import { mergeRows } from '#collector/rollup/merge.ts';
import type { FieldsOf, Point } from '#collector/store/schema.ts';
import { series } from '#collector/store/schema.ts';
import { makePoint, seededRandom } from '#test/collector/store/make-point.ts';

const startMs = 1_700_000_100_000;
const tags = { app: 'crm', probe: 'home', via: 'tunnel', edge: 'fra-1' };
const run = (device: string, fields: Partial<FieldsOf<'http'>>, more: object = {}) =>
  makePoint('http', startMs + 5, { device, ...tags, ...more }, { ok: 1, distorted: 0, ...fields });

const rolled = (points: readonly Point<'http'>[]): Point<'http_5m'>[] => {
  const fold = createFold('http', startMs);
  fold.add(points);
  return fold.points() as Point<'http_5m'>[];
};

it('has a row for each combination of tags, with the schema’s fields and no others', () => {
  const rows = rolled([run('a', {}), run('b', {}), run('a', {}, { via: 'direct' })]);
  expect(rows.map((row) => [row.tags.via, row.timeMs, row.fields.run_count])).toEqual([
    ['tunnel', startMs, 2],
    ['direct', startMs, 1],
  ]);
  for (const { fields } of rows) {
    expect(Object.keys(fields).sort()).toEqual(Object.keys(series.http_5m.fields).sort());
  }
});

it('adds up times of runs that say something, and counts the others by what they are', () => {
  const [row] = rolled([
    run('a', { duration_ms: 100, wait_ms: 40 }),
    run('b', { duration_ms: 300, wait_ms: 60 }),
    run('b', { duration_ms: 51, ok: 0, failure_source: 'target' }),
    run('c', { duration_ms: 9_000, ok: 0, failure_source: 'agent' }),
    run('d', { duration_ms: 9_000, distorted: 1 }),
    run('e', { duration_ms: 9_000, burst_id: 'x' }),
    run('e', { duration_ms: 9_000, request_id: 'x' }),
  ]);
  expect(row?.fields).toMatchObject({
    run_count: 7,
    ok_count: 2,
    failed_count: 1,
    inconclusive_count: 1,
    distorted_count: 1,
    beside_plan_count: 2,
    device_count: 5,
    duration_count: 3,
    duration_sum_ms: 451,
    duration_min_ms: 51,
    duration_max_ms: 300,
    wait_count: 2,
    wait_sum_ms: 100,
    dns_count: 0,
    dns_sum_ms: 0,
    dns_min_ms: null,
    le_50_ms_count: 0,
    le_60_ms_count: 1,
    le_85_ms_count: 1,
    le_100_ms_count: 2,
    le_60000_ms_count: 3,
  });
});

it('rolls up paths, page loads and tunnels by what they measure', () => {
  const path = createFold('path', startMs);
  const ok = { ok: 1, distorted: 0 };
  path.add([
    makePoint('path', startMs, { device: 'a', ...tags }, { ...ok, loss_ratio: 0.5, reached: 1 }),
    makePoint('path', startMs, { device: 'b', ...tags }, { ...ok, loss_ratio: 0, reached: 0 }),
    makePoint('path', startMs + 1, { device: 'b', ...tags }, { ...ok, former_route_hash: 'x' }),
  ]);
  expect(path.points()[0]?.fields).toMatchObject({
    ...{ run_count: 3, reached_count: 1, route_change_count: 1, device_count: 2 },
    ...{ loss_count: 2, loss_sum_ratio: 0.5, loss_max_ratio: 0.5 },
  });
  const page = createFold('page_load', startMs);
  page.add([
    makePoint('page_load', startMs, { device: 'a', ...tags }, { ...ok, lcp_ms: 2_400, cls: 0.1 }),
  ]);
  expect(page.points()[0]?.fields).toMatchObject({
    ...{ lcp_count: 1, le_2000_ms_count: 0, le_2500_ms_count: 1, layout_shift_sum_cls: 0.1 },
  });
  const tunnel = createFold('tunnel', startMs);
  const sample = (device: string, fields: Partial<FieldsOf<'tunnel'>>) =>
    makePoint('tunnel', startMs, { device, edge: 'fra-1' }, fields);
  tunnel.add([
    sample('a', { up: 1, control_rtt_ms: 12, up_bytes: 100, reconnect_count: 1 }),
    sample('b', { up: 0, control_rtt_ms: null, up_bytes: 50, reconnect_count: 2 }),
    sample('b', { up: 1, control_rtt_ms: 400, up_bytes: 50, burst_id: 'x' }),
  ]);
  expect(tunnel.points()[0]?.fields).toMatchObject({
    ...{ sample_count: 3, up_count: 1, beside_plan_count: 1, device_count: 2, up_sum_bytes: 150 },
    ...{ reconnect_count: 3, control_rtt_count: 1, control_rtt_max_ms: 12, le_12_ms_count: 1 },
  });
});

it('merged rows are what all their points give at once, but for devices: there the most', () => {
  const random = seededRandom(11);
  const points = Array.from({ length: 1_200 }, (_, n) =>
    run(
      `device-${n % 40}`,
      // Whole numbers: their sums have no last digits to differ in.
      { duration_ms: Math.ceil(random() * 3_000), tls_ms: n % 3 === 0 ? null : n },
      { via: n % 2 === 0 ? 'tunnel' : 'direct' },
    ),
  );
  const portions = Array.from({ length: 12 }, (_, i) => points.slice(i * 100, i * 100 + 100));
  const merged = mergeRows(portions.flatMap(rolled), { measurement: 'http_1h', timeMs: startMs });
  const atOnce = rolled(points).map((row) => ({
    ...row,
    measurement: 'http_1h',
    fields: { ...row.fields, device_count: 20 },
  }));
  expect(merged).toEqual(atOnce);
});

it('counts each device once, however many there are and in whatever order', () => {
  const fold = createFold('http', startMs);
  const random = seededRandom(5);
  for (let n = 0; n < 30; n += 1) {
    fold.add(Array.from({ length: 500 }, () => run(`d${Math.floor(random() ** 3 * 3_000)}`, {})));
  }
  const again = seededRandom(5);
  const devices = new Set(Array.from({ length: 15_000 }, () => Math.floor(again() ** 3 * 3_000)));
  expect(fold.points()[0]?.fields).toMatchObject({ run_count: 15_000, device_count: devices.size });
});
