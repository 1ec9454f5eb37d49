import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { createCollectorClient } from '#runtime/collector-client.ts';
import { loadOrEnroll } from '#runtime/identity.ts';
import { silentLog } from '#runtime/log.ts';
import { makeUpload, startShipper } from '#runtime/shipper.ts';
import { openSpool } from '#runtime/spool.ts';
import { startCollectorEndpoint } from '#test/support/collector-endpoint.ts';
import { makeEvent } from '#test/support/telemetry.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const setUp = async () => {
  const collector = await startCollectorEndpoint();
  onTestFinished(() => collector.stop());
  const folder = await makeTemporaryFolder();
  const log = silentLog();
  const identity = await loadOrEnroll({
    folder,
    collectorUrl: collector.url,
    token: collector.createToken(),
    role: 'device',
    name: 'laptop-7',
    platform: 'linux',
    programVersion: '0.1.0',
    log,
  });
  onTestFinished(() => identity.stop());
  const client = createCollectorClient({
    collectorUrl: collector.url,
    identity: identity.current,
    log,
  });
  onTestFinished(() => client.stop());
  const spool = await openSpool({ folder: join(folder, 'spool'), maxBytes: 5_000_000, log });
  onTestFinished(() => spool.close());
  const refusedFolder = join(folder, 'refused');
  const refused: TelemetryRecord[] = [];
  const start = () => {
    const shipper = startShipper({
      spool,
      post: client.postBatch,
      refusedFolder,
      log,
      lingerMs: 10,
      onRefused: (records) => refused.push(...records),
    });
    onTestFinished(() => shipper.stop(100));
    return shipper;
  };
  const append = async (count: number) => {
    const events = Array.from({ length: count }, (_, index) =>
      makeEvent(identity.current().id, `event ${index}`),
    );
    await Promise.all(events.map(spool.append));
    return events;
  };
  return { collector, spool, start, append, refused, refusedFolder };
};

const idsOf = (records: readonly TelemetryRecord[]) => records.map(({ id }) => id).sort();

describe('shipper', () => {
  test('ships batches of at most 500 records and forgets them after the acknowledgement', async () => {
    const { collector, spool, start, append } = await setUp();
    const events = await append(1_201);
    const shipper = start();
    await waitUntil(() => shipper.status().acknowledgedCount === 1_201);
    expect(spool.status().pendingCount).toBe(0);
    expect(idsOf(collector.stored())).toEqual(idsOf(events));
    expect([...collector.batches.values()].map((batch) => batch.length)).toEqual([500, 500, 201]);
    expect(shipper.status()).toMatchObject({ acknowledgedCount: 1_201, problem: null });
  });

  test('gives the same records the same batch id at any time', () => {
    const chunk = { lines: ['{"a":1}', '{"b":2}'], byteCount: 16 };
    expect(makeUpload(chunk, 1).id).toBe(makeUpload(chunk, 2).id);
    expect(makeUpload(chunk, 1).id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab]/);
    expect(makeUpload({ ...chunk, lines: ['{"a":1}'] }, 1).id).not.toBe(makeUpload(chunk, 1).id);
  });

  test.each([503, 429, 500])('sends again after a %i', async (status) => {
    const { collector, spool, start, append } = await setUp();
    collector.order('/v1/ingest', { status, body: { title: 'not now' } });
    const events = await append(3);
    start();
    await waitUntil(() => spool.status().pendingCount === 0);
    expect(idsOf(collector.stored())).toEqual(idsOf(events));
  });

  test('waits as long as the collector asks it to', async () => {
    const { collector, start, append } = await setUp();
    collector.order('/v1/ingest', { status: 503, headers: { 'retry-after': '600' }, body: '' });
    await append(1);
    const shipper = start();
    await waitUntil(() => shipper.status().retryAt !== null);
    expect((shipper.status().retryAt ?? 0) - Date.now()).toBeGreaterThan(500_000);
  });

  test('does not take an answer for an acknowledgement that is none', async () => {
    const { collector, spool, start, append } = await setUp();
    collector.order('/v1/ingest', { status: 200, body: '<html>Welcome to the hotel</html>' });
    const events = await append(2);
    start();
    await waitUntil(() => spool.status().pendingCount === 0);
    expect(idsOf(collector.stored())).toEqual(idsOf(events));
  });

  test('keeps refused records aside with the reason and loses nothing else', async () => {
    const { collector, spool, start, append, refused, refusedFolder } = await setUp();
    collector.refuseRecords((record) =>
      'reason' in record && /^event [13]$/.test(record.reason)
        ? [{ pointer: '/reason', message: 'not liked' }]
        : [],
    );
    await append(5);
    const shipper = start();
    await waitUntil(() => shipper.status().acknowledgedCount === 3);
    expect(spool.status().pendingCount).toBe(0);
    expect(collector.stored()).toHaveLength(3);
    expect(refused.map((record) => 'reason' in record && record.reason)).toEqual([
      'event 1',
      'event 3',
    ]);
    const [name = ''] = await readdir(refusedFolder);
    const kept = (await readFile(join(refusedFolder, name), 'utf8')).trim().split('\n');
    expect(kept).toHaveLength(2);
    expect(JSON.parse(kept[0] ?? '')).toMatchObject({
      reason: expect.stringContaining('/records/1/reason: not liked'),
    });
    expect(shipper.status()).toMatchObject({ refusedCount: 2, acknowledgedCount: 3 });
  });

  test('splits a batch the collector finds too large', async () => {
    const { collector, spool, start, append } = await setUp();
    collector.limitRecords(10);
    const events = await append(35);
    start();
    await waitUntil(() => spool.status().pendingCount === 0);
    expect(idsOf(collector.stored())).toEqual(idsOf(events));
    for (const batch of collector.batches.values()) expect(batch.length).toBeLessThanOrEqual(10);
  });

  test('backs off long from a collector that does not accept its identity, and says so', async () => {
    const { collector, spool, start, append } = await setUp();
    collector.order('/v1/ingest', { status: 403, body: { title: 'revoked' } }, 10);
    await append(1);
    const shipper = start();
    await waitUntil(() => shipper.status().problem !== null);
    expect(shipper.status().problem).toMatch(/does not accept this identity.*revoked/);
    expect((shipper.status().retryAt ?? 0) - Date.now()).toBeGreaterThan(20_000);
    expect(spool.status().pendingCount).toBe(1);
  });

  test('ships what is left when it is stopped', async () => {
    const { collector, start, append } = await setUp();
    const shipper = start();
    const events = await append(20);
    await shipper.stop();
    expect(idsOf(collector.stored())).toEqual(idsOf(events));
  });

  test('stops in time when the collector does not answer', async () => {
    const { collector, spool, start, append } = await setUp();
    await append(1);
    await collector.stop();
    const shipper = start();
    await shipper.stop(200);
    expect(spool.status().pendingCount).toBe(1);
  });
});
