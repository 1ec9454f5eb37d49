import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { type OtlpSettings, startOtlpExport } from '#collector/export/otlp-export.ts';
import { createMetrics } from '#collector/metrics/metrics.ts';
import type { HttpResult } from '#contract/result.ts';
import { silentLog } from '#runtime/log.ts';
import { startCollectorLab } from '#test/support/collector-lab.ts';
import { slowResults } from '#test/support/slow-results.ts';
import { waitUntil } from '#test/support/wait-until.ts';

type Got = {
  path: string;
  headers: IncomingMessage['headers'];
  // biome-ignore lint/suspicious/noExplicitAny: what a receiver of JSON has before it has looked.
  body: any;
};
type Answer = { status: number; headers?: Record<string, string>; body?: unknown };

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** A receiver on loopback that decodes what it gets; it answers as it is told, else 200. */
const startReceiver = async (answers: Answer[] = []) => {
  const got: Got[] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(gunzipSync(Buffer.concat(chunks)).toString());
      got.push({ path: request.url ?? '', headers: request.headers, body });
      const { status, headers = {}, body: told = {} } = answers.shift() ?? { status: 200 };
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify(told));
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/otlp`;
  const records = () =>
    got
      .filter(({ path }) => path === '/otlp/v1/logs')
      .flatMap(({ body }) => body.resourceLogs[0].scopeLogs[0].logRecords);
  return { url, got, records };
};

const startExporter = (url: string, changes: Partial<OtlpSettings> = {}) => {
  const metrics = createMetrics();
  const settings: OtlpSettings = {
    url,
    what: ['results'],
    intervalSeconds: 1,
    queueRecords: 1_000,
    ...changes,
  };
  const exporter = startOtlpExport({
    settings,
    tenant: 'acme',
    counted: metrics.export,
    now: Date.now,
    log: silentLog(),
  });
  stops.push(exporter.stop);
  const counted = async (line: string): Promise<number> => {
    const lines = (await metrics.registry.text()).split('\n');
    const found = lines.find((each) => each.startsWith(`whyslow_export_${line} `));
    return Number(found?.split(' ').at(-1) ?? 0);
  };
  return { exporter, counted };
};

const deviceId = '018f5f5e-0000-4000-8000-000000000001';
const resultsOf = (count: number): HttpResult[] =>
  slowResults({
    deviceId,
    appId: 'crm',
    endMs: 1_760_000_000_123,
    usualCount: count,
    slowCount: 0,
  });

/** As a receiver reads attributes; fails where a value is not of the one kind its name says. */
const read = (attributes: { key: string; value: Record<string, unknown> }[]) =>
  Object.fromEntries(
    attributes.map(({ key, value }) => {
      const [[kind, of] = ['', undefined], ...more] = Object.entries(value);
      expect(more).toEqual([]);
      if (kind === 'intValue') expect(of).toMatch(/^-?\d+$/);
      else
        expect(typeof of).toBe(
          kind.replace('Value', '').replace('double', 'number').replace('bool', 'boolean'),
        );
      return [key, kind === 'intValue' ? Number(of) : of];
    }),
  );

describe('what is sent', () => {
  test('a result is a log record by OTLP’s JSON mapping', async () => {
    const receiver = await startReceiver();
    const { exporter } = startExporter(receiver.url, { headers: { 'x-api-key': 'k' } });
    const [result] = resultsOf(1);
    if (!result) throw new Error('no result');
    const failed = {
      ...result,
      availability: 0,
      failure: {
        type: 'tcp.refused',
        source: 'target',
        phase: 'connect',
        message: 'm',
        action: 'a',
      },
    } as HttpResult;
    exporter.stored([result, failed]);
    await waitUntil(() => receiver.records().length === 2);
    const [{ path, headers, body } = { path: '', headers: {}, body: {} }] = receiver.got;
    expect(path).toBe('/otlp/v1/logs');
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-api-key': 'k' });
    expect(read(body.resourceLogs[0].resource.attributes)).toMatchObject({
      'service.name': 'whyslow-collector',
      'whyslow.tenant': 'acme',
    });
    const [good, bad] = receiver.records();
    expect(good).toMatchObject({
      timeUnixNano: `${result.startedAt}000000`,
      severityNumber: 9,
      eventName: 'whyslow.result',
    });
    expect(read(good.attributes)).toEqual({
      'whyslow.result.id': result.id,
      'device.id': deviceId,
      'whyslow.app': 'crm',
      'whyslow.probe': result.probeId,
      'whyslow.probe.type': 'http',
      'whyslow.via': 'tunnel',
      'whyslow.edge': 'fra-1',
      'whyslow.run.duration': result.durationMs / 1_000,
      'whyslow.run.available': true,
    });
    expect(bad.severityNumber).toBe(13);
    expect(read(bad.attributes)).toMatchObject({
      'error.type': 'tcp.refused',
      'whyslow.failure.source': 'target',
      'whyslow.run.available': false,
    });
  });

  test('metrics are one cumulative histogram, by application, way and edge and never by device', async () => {
    const receiver = await startReceiver();
    const { exporter } = startExporter(receiver.url, { what: ['metrics'] });
    const results = resultsOf(40);
    exporter.stored(results.slice(0, 20));
    await waitUntil(() => receiver.got.length > 0);
    exporter.stored(results.slice(20));
    const pointsOf = (one: Got | undefined) =>
      one?.body.resourceMetrics[0].scopeMetrics[0].metrics[0].histogram.dataPoints ?? [];
    const countOf = (one: Got | undefined) =>
      pointsOf(one).reduce((sum: number, { count }: { count: string }) => sum + Number(count), 0);
    await waitUntil(() => countOf(receiver.got.at(-1)) === results.length);
    const last = receiver.got.at(-1);
    const [metric] = last?.body.resourceMetrics[0].scopeMetrics[0].metrics ?? [];
    expect(metric).toMatchObject({ name: 'whyslow.run.duration', unit: 's' });
    expect(metric.histogram.aggregationTemporality).toBe(2);
    expect(JSON.stringify(metric)).not.toContain(deviceId);
    const starts = receiver.got.flatMap(pointsOf).map((point) => point.startTimeUnixNano);
    expect(new Set(starts).size).toBe(1);
    for (const point of pointsOf(last)) {
      expect(point.bucketCounts).toHaveLength(point.explicitBounds.length + 1);
      const { 'whyslow.via': via } = read(point.attributes);
      const own = results
        .filter((result) => result.via === via)
        .map(({ durationMs }) => durationMs / 1_000);
      expect(point.count).toBe(String(own.length));
      expect(point.sum).toBeCloseTo(
        own.reduce((sum, each) => sum + each, 0),
        6,
      );
      expect([point.min, point.max]).toEqual([Math.min(...own), Math.max(...own)]);
      const counts = point.bucketCounts.map(Number);
      for (const [index, bound] of point.explicitBounds.entries()) {
        const upTo = counts
          .slice(0, index + 1)
          .reduce((sum: number, each: number) => sum + each, 0);
        expect(upTo).toBe(own.filter((each) => each <= bound).length);
      }
    }
  });
});

describe('a receiver that does not take it', () => {
  test('busy or away it is asked again, after as long as it asks for, and gets each record once', async () => {
    const receiver = await startReceiver([
      { status: 429, headers: { 'retry-after': '1' } },
      { status: 503 },
    ]);
    const { exporter, counted } = startExporter(receiver.url);
    exporter.stored(resultsOf(3));
    const startedMs = performance.now();
    await waitUntil(() => receiver.got.length === 3);
    expect(performance.now() - startedMs).toBeGreaterThan(1_000);
    const sent = receiver.got.map(({ body }) => JSON.stringify(body));
    expect(new Set(sent).size).toBe(1);
    await waitUntil(async () => (await counted('records_total{signal="logs"}')) === 6);
    expect(await counted('requests_total{signal="logs",outcome="later"}')).toBe(2);
    expect(await counted('records_waiting')).toBe(0);
  });

  test('what it refuses, or takes in part, is counted and not sent again', async () => {
    const receiver = await startReceiver([
      { status: 400, body: { message: 'no' } },
      {
        status: 200,
        body: { partialSuccess: { rejectedLogRecords: '2', errorMessage: 'too old' } },
      },
    ]);
    const { exporter, counted } = startExporter(receiver.url);
    exporter.stored(resultsOf(2));
    await waitUntil(
      async () => (await counted('dropped_total{signal="logs",reason="refused"}')) === 4,
    );
    exporter.stored(resultsOf(3));
    await waitUntil(
      async () => (await counted('dropped_total{signal="logs",reason="rejected"}')) === 2,
    );
    expect(await counted('records_total{signal="logs"}')).toBe(4);
    expect(receiver.got).toHaveLength(2);
  });

  test('gone, it costs a bounded queue and no waiting; what did not fit is counted', async () => {
    const { exporter, counted } = startExporter('http://127.0.0.1:9/otlp', { queueRecords: 100 });
    const results = resultsOf(100);
    const before = process.cpuUsage();
    exporter.stored(results);
    expect(process.cpuUsage(before).user).toBeLessThan(500_000);
    expect(await counted('dropped_total{signal="logs",reason="full"}')).toBe(100);
    expect(await counted('records_waiting')).toBe(100);
    await exporter.stop();
    expect(await counted('dropped_total{signal="logs",reason="stopped"}')).toBe(100);
  });
});

test('a collector exports what it stored and judged, and a batch that came twice once', async () => {
  const receiver = await startReceiver();
  const what = ['metrics', 'results', 'verdicts'] as ('metrics' | 'results' | 'verdicts')[];
  const otlp = { url: receiver.url, what, intervalSeconds: 1 };
  const lab = await startCollectorLab({ export: { otlp } });
  stops.push(() => lab.stop());
  const body = { version: 1, applications: [{ id: 'crm', name: 'CRM', hosts: [], probes: [] }] };
  await lab.operator('/v1/organisation', { method: 'PUT', body });
  const device = await lab.enrollDevice();
  const about = { deviceId: device.id, appId: 'crm', endMs: Date.now() };
  const results = slowResults({ ...about, usualCount: 30, slowCount: 6 });
  const id = '018f5f5e-0000-4000-8000-0000000000bb';
  await lab.postBatch(device, results, id);
  expect((await lab.postBatch(device, results, id)).json['duplicate']).toBe(true);
  const named = (name: string) =>
    receiver.records().filter(({ eventName }: { eventName: string }) => eventName === name);
  await waitUntil(() => named('whyslow.verdict').length > 0, 60_000);
  await waitUntil(() => named('whyslow.result').length >= results.length);
  await lab.stop();
  const ids = named('whyslow.result').map(
    ({ attributes }) => read(attributes)['whyslow.result.id'],
  );
  expect([...ids].sort()).toEqual(results.map((result) => result.id).sort());
  const [verdict] = named('whyslow.verdict');
  expect(verdict.severityNumber).toBe(13);
  expect(verdict.body.stringValue).toMatch(/CRM/);
  expect(read(verdict.attributes)).toMatchObject({
    'device.id': device.id,
    'whyslow.app': 'crm',
    'whyslow.verdict.state': 'slow',
    'whyslow.verdict.segment': 'server',
  });
  expect(receiver.got.some(({ path }) => path === '/otlp/v1/metrics')).toBe(true);
}, 120_000);
