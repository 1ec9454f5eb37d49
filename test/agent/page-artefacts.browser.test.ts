import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startAgent } from '#agent/agent.ts';
import { silentLog } from '#runtime/log.ts';
import { agentConfig } from '#test/support/agent-config.ts';
import { startCollectorLab } from '#test/support/collector-lab.ts';
import { startOrigin } from '#test/support/origin.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';

test('a failed page’s picture and archive reach the collector after its result; no picture, and no secret, once that was typed', async () => {
  const lab = await startCollectorLab({ diagnoseDelayMs: 600_000 });
  onTestFinished(() => lab.stop());
  const origin = await startOrigin();
  onTestFinished(() => origin.stop());
  origin.on('/login', { body: '<!doctype html><input id="p" type="password"><p>Log in' });
  const steps = [
    { type: 'fill', selector: '#p', secret: 'CRM_PASSWORD' },
    { type: 'expect', text: 'Welcome', timeoutSeconds: 0.3 },
  ];
  const url = `${origin.url}/login`;
  const probe = { type: 'page-load', url, steps, har: true, via: 'direct', intervalSeconds: 5 };
  const applied = await lab.operator('/v1/organisation', {
    method: 'PUT',
    body: {
      version: 1,
      forwarding: { mode: 'off' },
      applications: [
        { id: 'crm', name: 'CRM', hosts: [], probes: [probe] },
        { id: 'wiki', name: 'Wiki', hosts: [], probes: [{ ...probe, steps: steps.slice(1) }] },
      ],
    },
  });
  expect(applied.status).toBe(200);
  const folder = await makeTemporaryFolder();
  const secretsFile = join(folder, 'secrets.yaml');
  await writeFile(secretsFile, 'CRM_PASSWORD: hunter22\n');
  await chmod(secretsFile, 0o600);
  const agent = await startAgent(
    agentConfig(
      {
        stateFolder: join(folder, 'agent'),
        collectorUrl: lab.deviceUrl,
        enrollmentToken: await lab.makeToken({ role: 'device' }),
      },
      { secretsFile },
    ),
    { log: silentLog() },
  );
  onTestFinished(() => agent.stop());

  type Run = { resultId: string; artefacts: string[]; failure: { type: string } | null };
  const view = (appId: string) =>
    lab.operator(`/v1/devices/${agent.deviceId}/applications/${appId}`);
  const newest = async (appId: string, count: number): Promise<Run | undefined> => {
    const runs = ((await view(appId)).json['runs'] as Run[] | undefined) ?? [];
    return runs.find(({ artefacts }) => artefacts.length === count);
  };
  await waitUntil(async () => (await newest('wiki', 2)) !== undefined, 40_000);
  await waitUntil(async () => (await newest('crm', 1)) !== undefined, 40_000);
  const run = await newest('crm', 1);
  expect(run?.artefacts).toEqual(['har']);
  expect(run?.failure?.type).toBe('browser.step_failed');
  const har = await lab.operator(`/v1/results/${run?.resultId}/artefacts/har`);
  expect(har.json).toMatchObject({ log: { version: '1.2' } });
  expect(har.text + (await view('crm')).text).not.toContain('hunter22');
});
