import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCensus } from '#collector/metrics/census.ts';
import { measureStore } from '#collector/metrics/measured.ts';
import { createMetrics } from '#collector/metrics/metrics.ts';
import { type Store, StoreUnavailable } from '#collector/store/store.ts';
import { type CollectorLab, startCollectorLab } from '#test/support/collector-lab.ts';
import { slowResults } from '#test/support/slow-results.ts';
import { makeEvent } from '#test/support/telemetry.ts';
import { waitUntil } from '#test/support/wait-until.ts';

let lab: CollectorLab;
beforeAll(async () => {
  lab = await startCollectorLab({
    diagnosis: { binSeconds: 1, graceSeconds: 0.1, shardBy: 'organisation' },
  });
}, 120_000);
afterAll(() => lab.stop(), 60_000);

const scrape = async (token?: string | null): Promise<string> =>
  (await lab.operator('/metrics', token === undefined ? {} : { token })).text;

/** The value of one line; undefined: it is not there. */
const lineOf = (text: string, line: string): number | undefined => {
  const found = text.split('\n').find((each) => each.startsWith(`${line} `));
  return found === undefined ? undefined : Number(found.slice(line.length + 1));
};

describe('who may read', () => {
  test('by default a viewer’s token is needed', async () => {
    expect((await lab.operator('/metrics', { token: null })).status).toBe(401);
    const made = await lab.operator('/v1/operators', {
      method: 'POST',
      body: { name: 'prometheus', role: 'viewer' },
    });
    const answer = await lab.operator('/metrics', { token: String(made.json['token']) });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(answer.text).toMatch(/^whyslow_build_info\{version="[^"]+",node="[^"]+"\} 1$/m);
  });
});

test('counts what came in: batches, records by kind, duplicates, refusals, bytes, and who sent', async () => {
  const device = await lab.enrollDevice();
  const events = [makeEvent(device.id, 'one'), makeEvent(device.id, 'two')];
  const id = '018f5f5e-0000-4000-8000-0000000000aa';
  await lab.postBatch(device, events, id);
  await lab.postBatch(device, events, id);
  const bad = [makeEvent(device.id, 'three'), { kind: 'nothing' }, 7];
  expect((await lab.postBatch(device, bad)).status).toBe(400);
  const results = slowResults({
    deviceId: device.id,
    appId: 'crm',
    endMs: Date.now(),
    usualCount: 1,
    slowCount: 1,
  });
  await lab.postBatch(device, results);

  const text = await scrape();
  const of = (line: string) => lineOf(text, line);
  expect(of('whyslow_ingest_batches_total{role="device",outcome="stored"}')).toBe(3);
  expect(of('whyslow_ingest_batches_total{role="device",outcome="duplicate"}')).toBe(1);
  expect(of('whyslow_ingest_records_total{kind="event"}')).toBe(3);
  expect(of('whyslow_ingest_records_total{kind="result"}')).toBe(results.length);
  expect(of('whyslow_ingest_records_refused_total{role="device"}')).toBe(2);
  expect(of('whyslow_ingest_received_bytes_total')).toBeGreaterThan(400);
  expect(of('whyslow_ingest_duration_seconds_count')).toBe(4);
  expect(of('whyslow_ingest_places_taken')).toBe(0);
  expect(of('whyslow_ingest_turns{state="working"}')).toBe(0);
  expect(of('whyslow_senders_seen{role="device"}')).toBe(1);
  expect(of('whyslow_senders_seen{role="edge"}')).toBe(0);
  expect(of('whyslow_store_points_total{engine="duckdb"}')).toBeGreaterThan(4);
  expect(of('whyslow_http_problems_total{listener="device",problem="invalid-records"}')).toBe(1);
  expect(
    of(
      'whyslow_http_request_duration_seconds_count{listener="device",method="POST",route="/v1/ingest",status="2xx"}',
    ),
  ).toBe(3);
});

test('tells of jobs, engines, certificates, bins, incidents and messages', async () => {
  await waitUntil(
    async () => lineOf(await scrape(), 'whyslow_fleet_bin_age_seconds') !== undefined,
    40_000,
  );
  const text = await scrape();
  const of = (line: string) => lineOf(text, line);
  for (const engine of ['store', 'jobs', 'state']) {
    expect(of(`whyslow_engine_up{engine="${engine}"}`)).toBe(1);
  }
  expect(of('whyslow_job_duration_seconds_count{queue="tick",outcome="done"}')).toBeGreaterThan(0);
  expect(of('whyslow_jobs{queue="diagnose",state="failed"}')).toBe(0);
  expect(of('whyslow_incidents_open')).toBe(0);
  expect(of('whyslow_webhooks_waiting')).toBe(0);
  expect(of('whyslow_fleet_bin_age_seconds')).toBeGreaterThanOrEqual(0);
  const yearSeconds = 365 * 86_400;
  const nowSeconds = Date.now() / 1_000;
  expect(of('whyslow_certificate_expiry_timestamp_seconds{certificate="ca"}')).toBeGreaterThan(
    nowSeconds + yearSeconds,
  );
  expect(
    of('whyslow_certificate_expiry_timestamp_seconds{certificate="listener"}'),
  ).toBeGreaterThan(nowSeconds + 86_400);
  expect(of('process_cpu_seconds_total')).toBeGreaterThan(0);
  expect(text).toMatch(/^nodejs_gc_duration_seconds_count\{kind="minor"\} \d+$/m);
  expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds /m);
});

test('no label has an id in it, however many devices and wrong paths there were', async () => {
  const device = await lab.enrollDevice('another');
  await lab.device(`/v1/nothing/${device.id}`, { as: device });
  await lab.operator(`/v1/devices/${device.id}`);
  await lab.operator('/nowhere', { method: 'PUT' });
  const text = await scrape();
  expect(text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-/);
  expect(
    lineOf(
      text,
      'whyslow_http_request_duration_seconds_count{listener="operator",method="any",route="none",status="4xx"}',
    ),
  ).toBe(1);
  expect(text.split('\n').length).toBeLessThan(2_500);
});

test('an engine that hangs is told as away, in bounded time and without old figures', async () => {
  const hanging = createServer(() => undefined).listen(0, '127.0.0.1');
  await new Promise((resolve) => hanging.once('listening', resolve));
  const { port } = hanging.address() as AddressInfo;
  const ask = () => fetch(`http://127.0.0.1:${port}/`).then(() => undefined);
  const metrics = createMetrics();
  metrics.census.jobs.set({ queue: 'notify', state: 'waiting' }, 7);
  const none = { openIncidents: 2, liveShared: 0, waitingDeliveries: 0, furthestBehindMs: null };
  const census = createCensus({
    metrics,
    store: { ping: async () => undefined },
    jobs: { counts: () => ask().then(() => ({}) as never) },
    rows: { count: async () => none },
    now: Date.now,
  });
  await census();
  const text = await metrics.registry.text();
  expect(lineOf(text, 'whyslow_engine_up{engine="jobs"}')).toBe(0);
  expect(lineOf(text, 'whyslow_engine_up{engine="store"}')).toBe(1);
  expect(lineOf(text, 'whyslow_jobs{queue="notify",state="waiting"}')).toBeUndefined();
  expect(lineOf(text, 'whyslow_incidents_open')).toBe(2);
  hanging.closeAllConnections();
  hanging.close();
}, 30_000);

test('a store’s failures are counted by their reason and thrown as before', async () => {
  const metrics = createMetrics();
  const broken = {
    engine: 'duckdb',
    write: () => Promise.reject(new StoreUnavailable('the store is stopped')),
  } as unknown as Store;
  await expect(measureStore(broken, metrics).write([])).rejects.toThrow(StoreUnavailable);
  const text = await metrics.registry.text();
  const line = 'whyslow_store_errors_total{engine="duckdb",operation="write",reason="unavailable"}';
  expect(lineOf(text, line)).toBe(1);
});
