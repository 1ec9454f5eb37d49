import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openStore } from '#collector/store/open.ts';
import { toPoints } from '#collector/store/points.ts';
import { StoreUnavailable } from '#collector/store/store.ts';
import { slowResults } from '#test/support/slow-results.ts';
import { mountSmallDisk } from '#test/support/small-disk.ts';

const deviceId = randomUUID();
const endMs = Date.now();
const batch = (index: number) =>
  slowResults({
    deviceId,
    appId: 'crm',
    endMs: endMs - index * 3_000_000,
    usualCount: 250,
    slowCount: 0,
  }).flatMap((result) => toPoints(result, endMs));

test.each([
  ['at once', 0],
  ['while it writes its log', 1_000_000],
])(
  'DuckDB on a disk that is full %s takes nothing it cannot keep, and all once there is room',
  async (_when, leaveBytes) => {
    const disk = mountSmallDisk(96);
    onTestFinished(() => disk.remove());
    const open = () => openStore({ engine: 'duckdb', file: join(disk.folder, 'series.duckdb') });
    const store = await open();
    const count = async (from: typeof store) => {
      const all = { measurement: 'http', field: 'ok', fromMs: 0, toMs: endMs + 1 } as const;
      const [row] = await from.aggregate({ ...all, statistics: ['count'] });
      return row?.values.count;
    };
    await store.write(batch(0));
    disk.fill(leaveBytes);
    const refused: number[] = [];
    let written = 1;
    for (; refused.length < 2 && written < 120; written += 1) {
      await store.write(batch(written)).catch((error: unknown) => {
        expect(error).toBeInstanceOf(StoreUnavailable);
        refused.push(written);
      });
    }
    expect(refused).toHaveLength(2);
    // A checkpoint without room ends the engine ("invalidated"): it has to be opened anew.
    await expect(store.deleteBefore(1)).rejects.toBeInstanceOf(StoreUnavailable);
    disk.makeRoom();
    // The engine is not opened anew more than once a second.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    for (const index of refused) await store.write(batch(index));
    expect(await count(store)).toBe(written * 500);
    await store.stop();
    const again = await open();
    expect(await count(again)).toBe(written * 500);
    await again.stop();
  },
  120_000,
);
