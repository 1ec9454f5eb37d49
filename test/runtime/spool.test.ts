import { appendFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { silentLog } from '#runtime/log.ts';
import { openSpool, type Spool } from '#runtime/spool.ts';
import { makeEvent } from '#test/support/telemetry.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

const deviceId = '3f1f6c9e-7b51-4f52-9e2a-111111111111';
const limits = { recordCount: 500, byteCount: 1_000_000 };

const openAt = async (folder: string, maxBytes = 10_000_000) => {
  const dropped: TelemetryRecord[] = [];
  const spool = await openSpool({
    folder,
    maxBytes,
    log: silentLog(),
    onDropped: (records) => dropped.push(...records),
  });
  onTestFinished(() => spool.close());
  return { spool, dropped };
};

const appendMany = (spool: Spool, from: number, to: number, padding = '') =>
  Promise.all(
    Array.from({ length: to - from }, (_, index) =>
      spool.append(makeEvent(deviceId, `${from + index} ${padding}`)),
    ),
  );

const numbersIn = (lines: readonly string[]) =>
  lines.map((line) => Number.parseInt((JSON.parse(line) as { reason: string }).reason, 10));

const drain = async (spool: Spool): Promise<number[]> => {
  const numbers: number[] = [];
  for (let chunk = await spool.next(limits); chunk !== null; chunk = await spool.next(limits)) {
    numbers.push(...numbersIn(chunk.lines));
    await spool.release();
  }
  return numbers;
};

const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => from + index);

describe('spool', () => {
  test('gives records back in order, also after it was opened again', async () => {
    const folder = await makeTemporaryFolder();
    const { spool } = await openAt(folder);
    expect(await appendMany(spool, 0, 1_200)).not.toContain(false);
    await spool.close();
    const { spool: again } = await openAt(folder);
    expect(again.status().pendingCount).toBe(1_200);
    expect(await drain(again)).toEqual(range(0, 1_200));
    expect(again.status()).toMatchObject({ pendingCount: 0, pendingBytes: 0, droppedCount: 0 });
  });

  test('offers the same records until they are released, whatever was appended since', async () => {
    const folder = await makeTemporaryFolder();
    const { spool } = await openAt(folder);
    await appendMany(spool, 0, 3);
    const first = await spool.next(limits);
    await appendMany(spool, 3, 6);
    expect(await spool.next(limits)).toEqual(first);
    await spool.close();
    const { spool: again } = await openAt(folder);
    expect((await again.next(limits))?.lines).toEqual(first?.lines);
    await again.release();
    expect(numbersIn((await again.next(limits))?.lines ?? [])).toEqual([3, 4, 5]);
  });

  test('drops a record that a crash cut off, and counts it', async () => {
    const folder = await makeTemporaryFolder();
    const { spool } = await openAt(folder);
    await appendMany(spool, 0, 5);
    await spool.close();
    const [segment = ''] = (await readdir(folder)).filter((name) => name.endsWith('.ndjson'));
    await appendFile(join(folder, segment), '{"kind":"event","id":"torn');
    const { spool: again } = await openAt(folder);
    expect(again.status().tornCount).toBe(1);
    await appendMany(again, 5, 8);
    expect(await drain(again)).toEqual(range(0, 8));
  });

  test('stays within its limit by dropping the oldest, each one counted', async () => {
    const folder = await makeTemporaryFolder();
    const { spool, dropped } = await openAt(folder, 100_000);
    for (let from = 0; from < 2_000; from += 50)
      await appendMany(spool, from, from + 50, 'x'.repeat(80));
    const sizes = await Promise.all(
      (await readdir(folder))
        .filter((name) => name.endsWith('.ndjson'))
        .map(async (name) => (await stat(join(folder, name))).size),
    );
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(100_000);
    const gone = dropped.map((record) =>
      Number.parseInt((record as { reason: string }).reason, 10),
    );
    const kept = await drain(spool);
    expect(gone.length).toBeGreaterThan(1_000);
    expect(gone).toEqual(range(0, gone.length));
    expect(kept).toEqual(range(gone.length, 2_000));
    expect(spool.status().droppedCount).toBe(gone.length);
  });

  test('does not drop what is being shipped at that moment', async () => {
    const { spool, dropped } = await openAt(await makeTemporaryFolder(), 50_000);
    await appendMany(spool, 0, 10, 'x'.repeat(80));
    const underway = await spool.next(limits);
    for (let from = 10; from < 1_000; from += 50)
      await appendMany(spool, from, from + 50, 'x'.repeat(80));
    expect(dropped.length).toBeGreaterThan(0);
    expect((await spool.next(limits))?.lines).toEqual(underway?.lines);
    await spool.release();
    const gone = dropped.map((record) =>
      Number.parseInt((record as { reason: string }).reason, 10),
    );
    const kept = await drain(spool);
    expect([...range(0, 10), ...gone, ...kept].sort((a, b) => a - b)).toEqual(range(0, 1_010));
  });

  test('halves a chunk that was too large to take', async () => {
    const { spool } = await openAt(await makeTemporaryFolder());
    await appendMany(spool, 0, 5);
    await spool.next(limits);
    expect(numbersIn((await spool.narrow())?.lines ?? [])).toEqual([0, 1, 2]);
    expect(numbersIn((await spool.narrow())?.lines ?? [])).toEqual([0, 1]);
    expect(numbersIn((await spool.narrow())?.lines ?? [])).toEqual([0]);
    expect(await spool.narrow()).toBeNull();
    await spool.release();
    expect(await drain(spool)).toEqual([1, 2, 3, 4]);
  });

  test('gives files back as their records are released', async () => {
    const folder = await makeTemporaryFolder();
    const { spool } = await openAt(folder, 400_000);
    for (let from = 0; from < 1_000; from += 100)
      await appendMany(spool, from, from + 100, 'x'.repeat(80));
    await drain(spool);
    const left = (await readdir(folder)).filter((name) => name.endsWith('.ndjson'));
    expect(left.length).toBeLessThanOrEqual(1);
  });

  test('knows which records still wait, also after it was opened again', async () => {
    const folder = await makeTemporaryFolder();
    const { spool } = await openAt(folder);
    const [gone, waiting] = [makeEvent(deviceId, 'gone'), makeEvent(deviceId, 'waiting')];
    await spool.append(gone);
    await spool.next(limits);
    await spool.release();
    await spool.append(waiting);
    await spool.close();
    const { spool: again } = await openAt(folder);
    expect(await again.findPending([gone.id, waiting.id])).toEqual(new Set([waiting.id]));
  });
});
