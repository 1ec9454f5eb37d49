import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CollectorLab, startCollectorLab } from '#test/support/collector-lab.ts';
import { slowResults } from '#test/support/slow-results.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import { explain } from './explain-here.ts';

const binary = join(import.meta.dirname, '../../bin/whyslow.mjs');
let lab: CollectorLab;
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'whyslow-apply-'));
  lab = await startCollectorLab();
}, 120_000);
afterAll(async () => {
  await lab.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const apply = async (forwarding: object) => {
  const file = join(folder, 'organisation.json');
  await writeFile(file, JSON.stringify({ version: 1, applications: [], forwarding }));
  const api = ['--collector', lab.operatorUrl, '--token', lab.operatorToken ?? ''];
  return new Promise<{ code: number; stderr: string }>((resolve) => {
    execFile(process.execPath, [binary, 'apply', file, ...api], (error, _stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stderr });
    });
  });
};

test('an edge to pin that has not enrolled is warned of where others have', async () => {
  expect(await apply({ pinnedEdge: 'fra-2' })).toEqual({ code: 0, stderr: '' });
  await lab.enrollEdge('fra-1');
  const warned = await apply({ pinnedEdge: 'fra-2' });
  expect(warned.code).toBe(0);
  expect(warned.stderr).toMatch(
    /warning: \/forwarding\/pinnedEdge: no edge is called fra-2; there is fra-1/,
  );
  expect(await apply({ pinnedEdge: 'fra-1' })).toEqual({ code: 0, stderr: '' });
}, 60_000);

test('what cannot work is refused by field, with the fix', async () => {
  const { code, stderr } = await apply({ identityProviders: ['https://login.example.com/'] });
  expect(code).toBe(2);
  expect(stderr).toContain('/forwarding/identityProviders/0: “https://login.example.com/”: it is');
}, 60_000);

const api = () => ['--collector', lab.operatorUrl, '--token', lab.operatorToken ?? ''];

test('explain asks the collector for its newest verdict of a device and application', async () => {
  const holder = await lab.enrollDevice('LAPTOP-7');
  const applications = [{ id: 'payroll', name: 'Payroll', hosts: [], probes: [] }];
  await lab.operator('/v1/organisation', { method: 'PUT', body: { version: 1, applications } });
  const endMs = Date.now();
  const runs = { deviceId: holder.id, appId: 'payroll', endMs, usualCount: 20, slowCount: 4 };
  await lab.postBatch(holder, slowResults(runs));
  await waitUntil(async () => {
    const { json } = await lab.operator('/v1/verdicts');
    return (json as { items?: unknown[] }).items?.length === 1;
  }, 30_000);
  expect(await explain('LAPTOP-7/payroll', ...api())).toMatch(/application payroll, device/);
  expect(await explain('LAPTOP-7/payroll@2020-01-01T00:00Z', ...api())).toContain(
    'the collector keeps the newest verdict in full',
  );
  expect(await explain('LAPTOP-7/wiki', ...api())).toContain('no verdict about wiki');
  expect(await explain('LAPTOP-8/wiki', ...api())).toContain('no device is called LAPTOP-8');
}, 60_000);

test('explain says what it expects where neither file nor application fits', async () => {
  expect(await explain('payroll', ...api())).toContain('expected FILE:LINE, - or DEVICE');
  expect(await explain('LAPTOP-7/payroll@noon', ...api())).toContain('expected a time such as');
});
