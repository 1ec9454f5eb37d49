import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openStore } from '#collector/store/open.ts';
import { check } from '#contract/check.ts';
import { Acknowledgement } from '#contract/telemetry.ts';
import { sampleRecords } from '#test/collector/store/sample-records.ts';
import { type CollectorLab, type Holder, startCollectorLab } from '#test/support/collector-lab.ts';
import { makeFolder, removeFolder } from '#test/support/server-process.ts';
import { slowResults } from '#test/support/slow-results.ts';
import { makeEvent } from '#test/support/telemetry.ts';

let lab: CollectorLab;
let device: Holder;
const stateFolder = makeFolder('ingest');
beforeAll(async () => {
  lab = await startCollectorLab({ stateFolder, diagnoseDelayMs: 600_000 });
  device = await lab.enrollDevice();
  const applications = ['twice', 'recut', 'at-once', 'partly', 'beside-a-report', 'foreign'].map(
    (id) => ({
      id,
      name: id,
      hosts: [],
      probes: [],
    }),
  );
  await lab.operator('/v1/organisation', { method: 'PUT', body: { version: 1, applications } });
}, 120_000);
afterAll(async () => {
  await lab.stop();
  removeFolder(stateFolder);
}, 60_000);

const someResults = (deviceId: string, appId: string, usualCount = 2) =>
  slowResults({ deviceId, appId, endMs: Date.now(), usualCount, slowCount: 0 });

/** Runs stored for an application, as its page counts them. */
const storedRuns = async (appId: string): Promise<number> => {
  const answer = await lab.operator(`/v1/devices/${device.id}/applications/${appId}`);
  expect(answer.status).toBe(200);
  return (answer.json['runs'] as unknown[]).length;
};

const post = (raw: Buffer, headers: Record<string, string> = {}) =>
  lab.device('/v1/ingest', {
    method: 'POST',
    as: device,
    raw,
    headers: { 'content-type': 'application/json', 'content-encoding': 'gzip', ...headers },
  });

describe('a batch', () => {
  test('is stored and acknowledged; sent twice it counts once', async () => {
    const records = someResults(device.id, 'twice');
    const id = randomUUID();
    const first = await lab.postBatch(device, records, id);
    expect(first.status).toBe(200);
    expect(check(Acknowledgement, first.json).ok).toBe(true);
    expect(first.json).toMatchObject({ id, acceptedCount: 4, duplicate: false });
    expect(await storedRuns('twice')).toBe(4);

    const second = await lab.postBatch(device, records, id);
    expect(second.json).toMatchObject({ id, acceptedCount: 4, duplicate: true });
    // The same records under another id, as after a crash of the agent: still the same points.
    expect((await lab.postBatch(device, records)).status).toBe(200);
    expect(await storedRuns('twice')).toBe(4);
  });

  test('cut otherwise, shuffled and sent twice more is the same results, each once', async () => {
    const records = someResults(device.id, 'recut', 6);
    expect((await lab.postBatch(device, records)).status).toBe(200);
    for (const size of [5, 7]) {
      const shuffled = records
        .map((record) => ({ record, at: randomBytes(4).readUInt32BE() }))
        .sort((a, b) => a.at - b.at)
        .map(({ record }) => record);
      while (shuffled.length > 0) {
        const answer = await lab.postBatch(device, shuffled.splice(0, size));
        expect(answer.json).toMatchObject({ duplicate: false });
      }
    }
    expect(await storedRuns('recut')).toBe(12);
  });

  test('sent twice at once counts once', async () => {
    const records = someResults(device.id, 'at-once');
    const id = randomUUID();
    const answers = await Promise.all([1, 2].map(() => lab.postBatch(device, records, id)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(answers.filter(({ json }) => json['duplicate'] === false)).toHaveLength(1);
    expect(await storedRuns('at-once')).toBe(4);
  });

  test('keeps its good records when others are nonsense, and names each wrong field', async () => {
    const [good, other] = someResults(device.id, 'partly');
    const records = [
      good,
      { ...other, durationMs: -1 },
      { kind: 'result', type: 'telepathy' },
      'text',
      null,
      { ...other, appId: 'Not A Slug', extra: 1 },
      { kind: '__proto__' },
      { kind: { toString: 1 } },
      { kind: 'result', type: { toString: 1 } },
      makeEvent(device.id, 'fine'),
    ];
    const answer = await lab.postBatch(device, records);
    expect(answer.status).toBe(400);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.json).toMatchObject({
      type: 'urn:whyslow:problem:invalid-records',
      acceptedCount: 2,
      rejectedCount: 8,
    });
    const pointers = (answer.json['errors'] as { pointer: string }[]).map((error) => error.pointer);
    expect(pointers).toEqual([
      '/records/1/durationMs',
      '/records/2/type',
      '/records/3/kind',
      '/records/4/kind',
      '/records/5/appId',
      '/records/6/kind',
      '/records/7/kind',
      '/records/8/type',
    ]);
    expect(await storedRuns('partly')).toBe(1);
  });

  test('keeps its good records when a run’s report says what no engine could keep', async () => {
    const report = (changes: Record<string, unknown>) => ({
      kind: 'run-report',
      id: randomUUID(),
      deviceId: device.id,
      requestId: randomUUID(),
      at: Date.now(),
      state: 'running',
      madeCount: 2 ** 31 - 1,
      lostCount: 0,
      reason: 'zu spät 🕰',
      ...changes,
    });
    const bad = [
      { madeCount: 2 ** 31 },
      { lostCount: Number.MAX_SAFE_INTEGER },
      { reason: 'a\0b' },
      { reason: 'a\ud800b' },
    ];
    const records = [report({}), ...bad.map(report), ...someResults(device.id, 'beside-a-report')];
    const { status, json } = await lab.postBatch(device, records);
    expect(status).toBe(400);
    expect(json).toMatchObject({ acceptedCount: 5, rejectedCount: 4 });
    const pointers = (json['errors'] as { pointer: string }[]).map(({ pointer }) => pointer);
    expect(pointers).toEqual([
      '/records/1/madeCount',
      '/records/2/lostCount',
      '/records/3/reason',
      '/records/4/reason',
    ]);
    expect(await storedRuns('beside-a-report')).toBe(4);
  });

  test('may speak only of its sender', async () => {
    const other = await lab.enrollDevice('other');
    const answer = await lab.postBatch(device, [
      ...someResults(other.id, 'foreign'),
      makeEvent(other.id, 'not mine'),
      { ...makeEvent('fra-1', 'not an edge'), source: 'edge' },
    ]);
    expect(answer.json).toMatchObject({ status: 400, acceptedCount: 0, rejectedCount: 6 });
    const pointers = (answer.json['errors'] as { pointer: string }[]).map((error) => error.pointer);
    expect(new Set(pointers.map((pointer) => pointer.split('/')[3]))).toEqual(
      new Set(['deviceId', 'sourceId']),
    );
    expect(await storedRuns('foreign')).toBe(0);
  });

  test('from a clock that is a day ahead is refused with the field and the fix', async () => {
    const [result] = slowResults({
      deviceId: device.id,
      appId: 'future',
      endMs: Date.now() + 86_400_000,
      usualCount: 1,
      slowCount: 0,
    });
    const answer = await lab.postBatch(device, [result]);
    expect(answer.json['errors']).toEqual([
      { pointer: '/records/0/startedAt', message: expect.stringMatching(/set the sender’s clock/) },
    ]);
  });
});

describe('what is no batch', () => {
  test('200 MB of zeros in 200 kB are refused before they unfold', async () => {
    const bomb = gzipSync(Buffer.alloc(200 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(400_000);
    const before = process.memoryUsage().rss;
    const answer = await post(bomb);
    expect(answer.json).toMatchObject({ status: 413, type: 'urn:whyslow:problem:body-too-large' });
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
  });

  test.each([
    ['gzip that was cut off', () => gzipSync('{"version":1}').subarray(0, 12), {}, 400],
    ['no gzip at all', () => Buffer.from('{}'), {}, 400],
    ['no JSON', () => gzipSync('nonsense'), {}, 400],
    ['an unknown encoding', () => Buffer.from('{}'), { 'content-encoding': 'br' }, 415],
    ['another media type', () => gzipSync('{}'), { 'content-type': 'text/csv' }, 415],
    ['more than 4 MB', () => Buffer.alloc(5 * 1024 * 1024), {}, 413],
    ['an empty body', () => Buffer.alloc(0), {}, 400],
    ['brackets, a million deep', () => gzipSync('['.repeat(1_000_000)), {}, 413],
  ])('%s is a problem, not a fault', async (_name, make, headers, status) => {
    const answer = await post(make(), headers);
    expect(answer.json).toMatchObject({ status });
    expect(answer.text).not.toMatch(/at .*\.ts|node_modules/);
  });

  const envelope = (records: string) =>
    `{"version":1,"id":"${randomUUID()}","sentAt":${Date.now()},"records":[${records}]}`;
  const many = (text: string, count: number) => `${text},`.repeat(count - 1) + text;

  test.each([
    ['20 million empty records in 58 kB', () => gzipSync(envelope(many('{}', 20_000_000))), {}],
    [
      '1.3 million empty records as they are',
      () => Buffer.from(envelope(many('{}', 1_300_000))),
      { 'content-encoding': 'identity' },
    ],
    [
      'one record of a million lists',
      () =>
        gzipSync(envelope(`[${many('[]', 1_000_000)},"${randomBytes(30_000).toString('hex')}"]`)),
      {},
    ],
    ['5,001 records', () => gzipSync(envelope(many('{}', 5_001))), {}],
    [
      'a record nested 100 deep',
      () => gzipSync(envelope(`${'{"a":'.repeat(100)}1${'}'.repeat(100)}`)),
      {},
    ],
  ])(
    '%s: 413, while others are answered',
    async (_name, make, headers) => {
      const bomb = make();
      const delay = monitorEventLoopDelay({ resolution: 20 });
      delay.enable();
      const answer = await post(bomb, headers);
      delay.disable();
      expect(answer.json).toMatchObject({
        status: 413,
        type: 'urn:whyslow:problem:body-too-large',
      });
      expect(delay.max / 1e6).toBeLessThan(2_000);
    },
    120_000,
  );

  test('brackets and commas inside texts are text', async () => {
    const text = `\\"${'[{,'.repeat(60)}`.slice(0, 150);
    const answer = await lab.postBatch(device, [makeEvent(device.id, text)]);
    expect(answer.status).toBe(200);
  });

  test('a wrong envelope is told by field', async () => {
    const answer = await post(gzipSync(JSON.stringify({ version: 2, id: 'x', records: [] })));
    const pointers = (answer.json['errors'] as { pointer: string }[]).map((error) => error.pointer);
    expect(pointers).toEqual(expect.arrayContaining(['/version', '/id', '/records', '/sentAt']));
  });
});

test('nobody without a certificate gets as far as the body', async () => {
  const answer = await lab.device('/v1/ingest', {
    method: 'POST',
    raw: Buffer.alloc(1_000),
    headers: { 'content-type': 'application/json' },
  });
  expect(answer.status).toBe(401);
});

/** The last: the file is read once the collector has let it go. */
test('a site is stored under the collector’s name for it, not the one its devices can make', async () => {
  const sample = { ...sampleRecords['device'], deviceId: device.id, at: Date.now() };
  expect((await lab.postBatch(device, [sample])).status).toBe(200);
  await lab.stop();
  const store = await openStore({ engine: 'duckdb', file: join(stateFolder, 'series.duckdb') });
  const [fromMs, toMs] = [Date.now() - 60_000, Date.now() + 60_000];
  const points = await store.select({ measurement: 'device', fromMs, toMs, limit: 10 });
  await store.stop();
  expect(points).toHaveLength(1);
  expect(points[0]?.fields.site_id).toMatch(/^[\w-]{22}$/);
  expect(points[0]?.fields.site_id).not.toBe('qL8R4QIcQ_ZsRqOAbeRfcZ');
});
