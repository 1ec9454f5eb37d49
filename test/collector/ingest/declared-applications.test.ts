import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CollectorLab, startCollectorLab } from '#test/support/collector-lab.ts';
import { slowResults } from '#test/support/slow-results.ts';
import { waitUntil } from '#test/support/wait-until.ts';

let lab: CollectorLab;
beforeAll(async () => {
  lab = await startCollectorLab();
}, 120_000);
afterAll(() => lab.stop(), 60_000);

const declare = async (...ids: string[]): Promise<void> => {
  const applications = ids.map((id) => ({ id, name: id, hosts: [], probes: [] }));
  const body = { version: 1, applications };
  expect((await lab.operator('/v1/organisation', { method: 'PUT', body })).status).toBe(200);
};

const judged = async (): Promise<string[]> => {
  const { json } = await lab.operator('/v1/verdicts');
  const items = json['items'] as { verdict: { appId: string } }[];
  return items.map(({ verdict }) => verdict.appId);
};

test('results of an application that is not declared are kept and not judged, until it is', async () => {
  await declare('declared');
  const device = await lab.enrollDevice();
  const send = async (appId: string): Promise<void> => {
    const endMs = Date.now();
    const run = { deviceId: device.id, appId, endMs, usualCount: 30, slowCount: 6 };
    expect((await lab.postBatch(device, slowResults(run))).status).toBe(200);
  };
  await send('invented');
  await send('declared');
  await waitUntil(async () => (await judged()).includes('declared'), 30_000);
  expect(await judged()).not.toContain('invented');

  await declare('declared', 'invented');
  await send('invented');
  await waitUntil(async () => (await judged()).includes('invented'), 30_000);
}, 90_000);
