import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { describe, expect, it } from 'vitest';
import { openDuckdb } from '#collector/store/duckdb.ts';
import { openStore } from '#collector/store/open.ts';
import type { Tables } from '#collector/store/row.ts';
import { series } from '#collector/store/schema.ts';
import { startChildScript } from '#test/support/child-script.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { makePoint } from './make-point.ts';
import { storeContract } from './store.contract.ts';

storeContract('DuckDB', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'whyslow-duckdb-'));
  const store = await openStore({ engine: 'duckdb', file: join(folder, 'series.duckdb') });
  return {
    store,
    async stop() {
      await store.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
});

const wide = { fromMs: 0, toMs: 4_102_444_800_000, limit: 100_000 };

describe('a DuckDB file', () => {
  it('keeps what was acknowledged when its process is killed, whole batches and none twice', async () => {
    const file = join(await makeTemporaryFolder(), 'series.duckdb');
    const child = startChildScript(join(import.meta.dirname, 'write-until-killed.ts'), [file]);
    let acknowledged = 0;
    for (let i = 0; i < 12; i += 1) acknowledged = Number(await child.line());
    await child.kill();
    const store = await openStore({ engine: 'duckdb', file });
    const found = await store.select({ measurement: 'http', ...wide });
    expect(found.length).toBeGreaterThanOrEqual((acknowledged + 1) * 100);
    expect(found.map(({ timeMs }) => timeMs)).toEqual(found.map((_, i) => i));
    expect(found.length % 100).toBe(0);
    await store.stop();
  });

  it('is one process’s: another is told who holds it', async () => {
    const file = join(await makeTemporaryFolder(), 'series.duckdb');
    const child = startChildScript(join(import.meta.dirname, 'write-until-killed.ts'), [file]);
    await child.line();
    const refused = openStore({ engine: 'duckdb', file });
    await expect(refused).rejects.toThrow(/series\.duckdb is in use by process \d+: stop it first/);
    await child.kill();
  });

  it('is one opener’s within a process too', async () => {
    const file = join(await makeTemporaryFolder(), 'series.duckdb');
    const store = await openStore({ engine: 'duckdb', file });
    await expect(openStore({ engine: 'duckdb', file })).rejects.toThrow('is in use');
    await store.stop();
    const next = await openStore({ engine: 'duckdb', file });
    await next.stop();
  });

  it('gains the fields and tags the schema gains, and keeps its points', async () => {
    const file = join(await makeTemporaryFolder(), 'series.duckdb');
    const before: Tables = { leg: { tags: ['device', 'app'], fields: { ms: 'float' } } };
    const old = await openDuckdb({ file, tables: before });
    const point = makePoint('leg', 1, { device: 'd', app: 'a' }, { ms: 5 });
    await old.write([point]);
    await old.stop();
    for (const round of [1, 2]) {
      const store = await openDuckdb({ file });
      const later = makePoint('leg', 2, { device: 'd', app: 'a', segment: 'dns' }, { added_ms: 7 });
      await store.write([point, later]);
      const found = await store.select({ measurement: 'leg', ...wide });
      expect(found, `round ${round}`).toEqual([point, later]);
      await store.stop();
    }
  });

  it('refuses to open when a field’s kind changed, and names it', async () => {
    const file = join(await makeTemporaryFolder(), 'series.duckdb');
    const store = await openDuckdb({ file });
    await store.stop();
    const { fields } = series.leg;
    const changed: Tables = {
      ...series,
      leg: { ...series.leg, fields: { ...fields, ms: 'string' } },
    };
    await expect(openDuckdb({ file, tables: changed })).rejects.toThrow('leg.ms is DOUBLE');
    const again = await openDuckdb({ file });
    await again.stop();
  });

  it('can be read by DuckDB’s own tools once closed, one row a point', async () => {
    const file = join(await makeTemporaryFolder(), 'series.duckdb');
    const store = await openStore({ engine: 'duckdb', file });
    const point = makePoint('device', 1, { device: 'd' }, { load1: 0.5, spool_bytes: 7 });
    await store.write([point, point]);
    await store.stop();
    const instance = await DuckDBInstance.create(file, { access_mode: 'READ_ONLY' });
    const connection = await instance.connect();
    const reader = await connection.runAndReadAll(
      'select device, time_ms, load1, spool_bytes from device',
    );
    expect(reader.getRowsJS()).toEqual([['d', 1n, 0.5, 7n]]);
    connection.disconnectSync();
    instance.closeSync();
  });

  it('serves questions while it writes', async () => {
    const store = await openStore({
      engine: 'duckdb',
      file: join(await makeTemporaryFolder(), 'series.duckdb'),
    });
    const batch = (n: number) =>
      Array.from({ length: 500 }, (_, i) =>
        makePoint('device', n * 500 + i, { device: 'd' }, { load1: 1 }),
      );
    const count = async () => {
      const query = { measurement: 'device', field: 'load1', statistics: ['count'] } as const;
      const [row] = await store.aggregate({ ...query, ...wide });
      return row?.values.count ?? 0;
    };
    const writes = Promise.all(Array.from({ length: 20 }, (_, n) => store.write(batch(n))));
    const seen = [await count(), await count(), await count()];
    await writes;
    // Whole batches only, never fewer than before.
    expect(seen.filter((n) => n % 500 !== 0)).toEqual([]);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(await count()).toBe(10_000);
    await store.stop();
  });
});
