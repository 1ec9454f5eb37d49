import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLog } from '#runtime/log.ts';
import { type CollectorLab, startCollectorLab } from '#test/support/collector-lab.ts';
import { makeFolder, removeFolder } from '#test/support/server-process.ts';
import { slowResults } from '#test/support/slow-results.ts';
import { waitUntil } from '#test/support/wait-until.ts';

let folder: string;
let file: number;
let lab: CollectorLab;
beforeAll(async () => {
  folder = makeFolder('logs');
  file = openSync(join(folder, 'log'), 'w');
  lab = await startCollectorLab({}, createLog('collector', 'debug', file));
}, 120_000);
afterAll(async () => {
  await lab.stop();
  closeSync(file);
  removeFolder(folder);
}, 60_000);

type Line = { component?: string; time?: string; msg?: string; instance?: string };
const text = () => readFileSync(join(folder, 'log'), 'utf8');
const lines = (): Line[] =>
  text()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

const canary = 'CanaryCanaryCanaryCanaryCanary';
const secret = `whsec_${Buffer.from(canary).toString('base64')}`;

test('whatever happens, each line is one object with its component, and none tells a secret', async () => {
  const applications = [{ id: 'crm', name: 'CRM', hosts: [], probes: [] }];
  const webhooks = [{ id: 'hook', url: `http://127.0.0.1:9/${canary}-path`, secret }];
  const body = { version: 1, applications, webhooks };
  expect((await lab.operator('/v1/organisation', { method: 'PUT', body })).status).toBe(200);
  const enrollment = await lab.makeToken({ role: 'device' });
  const { holder: device } = await lab.enrollWith(enrollment);
  await lab.enrollWith(enrollment);
  const entered = await lab.operator(`/enter?token=${lab.operatorToken}`, { token: null });
  const cookie = String(entered.headers['set-cookie']).split(';')[0] ?? '';
  await lab.operator('/', { token: null, headers: { cookie } });
  await lab.operator(`/v1/nothing?token=${canary}-query`, { token: `${canary}-bearer` });
  await lab.operator('/v1/organisation', { method: 'PUT', body: { ...body, [canary]: 1 } });
  const about = { deviceId: device.id, appId: 'crm', endMs: Date.now() };
  await lab.postBatch(device, slowResults({ ...about, usualCount: 30, slowCount: 6 }));
  // A message that cannot be delivered is retried, and the log says so.
  await waitUntil(() => text().includes('job failed'), 60_000);

  for (const line of lines()) {
    expect(line.component, JSON.stringify(line)).toMatch(/^[a-z-]+$/);
    expect(line.time).toMatch(/^\d{4}-/);
    expect(line.msg).not.toBe('');
  }
  const token = String(lab.operatorToken);
  for (const hidden of [canary, secret, token, enrollment, cookie.split('=')[1] ?? '?']) {
    expect(text()).not.toContain(hidden);
  }
  expect(text()).not.toContain('PRIVATE KEY');
}, 120_000);

test('an error answer has an id, and the log the line of it', async () => {
  const answer = await lab.operator('/v1/devices/018f5f5e-0000-4000-8000-000000000001');
  const instance = String(answer.json['instance']);
  expect(instance).toMatch(/^urn:uuid:[0-9a-f-]{36}$/);
  expect(lines().find((line) => line.instance === instance)).toMatchObject({
    component: 'http',
    problem: 'not-found',
    route: '/v1/devices/:id',
    method: 'GET',
  });
});

test('a statement that failed is told without its values', async () => {
  const path = join(folder, 'other');
  const other = openSync(path, 'w');
  const log = createLog('collector', 'debug', other);
  const row = Object.assign(new Error('duplicate key'), { detail: `Key (secret)=(${canary})` });
  const params = [canary, `two\n    at lines ${canary}`];
  const failed = Object.assign(
    new Error(`Failed query: insert into t values ($1, $2)\nparams: ${params}`, { cause: row }),
    { params },
  );
  log.error({ component: 'test', err: failed }, 'failed');
  log.error({ component: 'test', err: new Error('outer', { cause: failed }) }, 'failed');
  log.error({ component: 'test', err: row }, 'failed');
  closeSync(other);
  const told = readFileSync(path, 'utf8');
  expect(told).not.toContain(canary);
  expect(told).toContain('insert into t values ($1, $2)');
  expect(told).toContain('duplicate key');
  expect(told).toContain('logs.test.ts');
});
