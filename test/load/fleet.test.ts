import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openStore } from '#collector/store/open.ts';
import { check } from '#contract/check.ts';
import { records } from '#contract/telemetry.ts';
import { type CollectorLab, startCollectorLab } from '#test/support/collector-lab.ts';
import { makeFolder, removeFolder } from '#test/support/server-process.ts';
import { Device } from './device.ts';
import { runFleet, type Summary } from './fleet.ts';
import { type Kits, makeKits } from './forms.ts';
import { enrollDevices } from './identities.ts';
import { readOptions } from './options.ts';

const folder = makeFolder('load');
let kits: Kits;
let lab: CollectorLab;
let summary: Summary;

const rates = { resultsPerMinute: 1_200, sampleSeconds: 1 };

beforeAll(async () => {
  kits = makeKits(1);
  lab = await startCollectorLab({ stateFolder: folder, diagnoseDelayMs: 600_000 });
  const token = await lab.makeToken({ role: 'device', uses: 3, expiresInSeconds: 600 });
  const collectorUrl = lab.deviceUrl;
  const devices = await enrollDevices({
    ...{ collectorUrl, token: () => token, count: 3, onProgress: () => undefined },
  });
  summary = await runFleet({
    ...{ collectorUrl, devices, kits, rates, slowRatio: 0.4, slowAfterMs: 0, run: '0badcafe' },
    ...{ lingerMs: 300, configEveryMs: 500, inFlight: 8, forMs: 2_000 },
    signal: new AbortController().signal,
  });
  await lab.stop();
}, 120_000);

afterAll(() => removeFolder(folder));

test('every kind of record of a simulated device is one the contract takes', () => {
  for (const kit of [...kits.usual, ...kits.slow]) {
    const device = new Device({
      ...{ index: 1, id: '5a3910a3-b88c-4eb1-8cf8-355fe530c82f', kit, rates, run: '0badcafe' },
      from: Date.now() - 10_000,
    });
    const batch = JSON.parse(device.next(Date.now())?.text ?? '') as { records: never[] };
    expect(batch.records.length).toBeGreaterThan(190);
    for (const record of batch.records) {
      const { kind, type } = record as { kind: string; type: string };
      const schema = Object.entries(records).find(([name]) => name === (type ?? kind))?.[1];
      expect(schema && check(schema, record)).toMatchObject({ ok: true });
    }
  }
});

test('what a simulated fleet counts as acknowledged is in the store, each result once', async () => {
  expect(summary).toMatchObject({ owedResults: 0, refusedRecords: 0, brokenConnections: 0 });
  expect(summary.acknowledgedResults).toBe(3 * 40);
  expect(summary.configs).toBe(3);
  expect(summary.acknowledgeMs.p50).toBeGreaterThan(0);
  const store = await openStore({ engine: 'duckdb', file: join(folder, 'series.duckdb') });
  const ids: string[] = [];
  for (const measurement of ['http', 'path', 'page_load', 'dns'] as const) {
    const range = { measurement, fromMs: 0, toMs: Date.now() + 60_000, limit: 1_000 };
    const points = await store.select(range);
    ids.push(...points.map(({ fields }) => String(fields.result_id)));
  }
  await store.stop();
  expect(ids.length).toBe(120);
  expect(new Set(ids).size).toBe(120);
  expect(ids.every((id) => id.startsWith('0badcafe-'))).toBe(true);
});

test('the simulator says which option is wrong', () => {
  expect(readOptions(['--devices', '500', '--json']).json).toBe('-');
  expect(() => readOptions(['--devices', 'many'])).toThrow('--devices many');
});
