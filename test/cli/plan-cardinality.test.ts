import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = new URL('../../', import.meta.url).pathname;
const twenty = join(root, 'examples/twenty-applications.yaml');

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'whyslow-plan-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const plan = (...args: string[]) =>
  new Promise<{ code: number; out: string; err: string }>((resolve) => {
    const command = ['bin/whyslow.mjs', 'plan', 'cardinality', ...args];
    execFile(process.execPath, command, { cwd: root }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });

it('10,000 devices with 20 applications stay within the budget, as docs/store-schema.md says', async () => {
  const { code, out } = await plan('--config', twenty, '--devices', '10000', '--edges', '10');
  expect(code).toBe(0);
  const [, total = ''] = /^total +([\d,]+) /m.exec(out) ?? [];
  expect(Number(total.replaceAll(',', ''))).toBeLessThanOrEqual(200_000);
  const docs = await readFile(join(root, 'docs/store-schema.md'), 'utf8');
  expect(docs).toContain(`counts ${total}:`);
});

it('says what is largest when a fleet is above the budget, and ends with 1', async () => {
  const { code, out } = await plan(
    '--config',
    twenty,
    '--devices',
    '20000',
    '--edges',
    'fra-1,ams-1',
  );
  expect(code).toBe(1);
  expect(out).toMatch(/^20,000 devices, 2 edges$/m);
  expect(out).toMatch(
    /^above the budget: event is the largest part, one series for each source_id/m,
  );
});

it('gives the same as JSON, for no edge at all too', async () => {
  const { code, out } = await plan('--config', twenty, '--devices', '3', '--edges', '0', '--json');
  expect(code).toBe(0);
  const counted = JSON.parse(out) as {
    measurements: { measurement: string; tags: string[]; seriesCount: number }[];
    totalCount: number;
  };
  expect(counted).toMatchObject({ deviceCount: 3, edges: [], budgetCount: 200_000 });
  const of = (name: string) => counted.measurements.find(({ measurement }) => measurement === name);
  expect(of('http')).toEqual({ measurement: 'http', tags: ['device'], seriesCount: 3 });
  expect(of('http_5m')?.seriesCount).toBe(40);
  expect(of('onward')?.seriesCount).toBe(0);
  const sum = counted.measurements.reduce((total, { seriesCount }) => total + seriesCount, 0);
  expect(counted.totalCount).toBe(sum);
});

it('names what is wrong in the file or in its call', async () => {
  const wrong = join(folder, 'wrong.yaml');
  const probe = '{ type: dns, name: a.test, via: tunnel }';
  await writeFile(
    wrong,
    `version: 1\napplications:\n  - { id: a, name: A, hosts: [], probes: [${probe}] }\n`,
  );
  const refused = await plan('--config', wrong, '--devices', '1');
  expect(refused).toMatchObject({ code: 2 });
  expect(refused.err).toMatch(/\/applications\/0\/probes\/0\/via: a dns probe goes direct/);
  const many = await plan('--config', twenty, '--devices', 'many');
  expect(many).toMatchObject({ code: 2 });
  expect(many.err).toMatch(/--devices many: expected a whole number/);
});
