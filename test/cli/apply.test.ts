import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CollectorLab, startCollectorLab } from '#test/support/collector-lab.ts';

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
