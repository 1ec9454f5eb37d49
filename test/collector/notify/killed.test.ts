import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import type { WebhookMessage } from '#contract/webhook.ts';
import { startChildScript } from '#test/support/child-script.ts';
import { collectorHands } from '#test/support/collector-lab.ts';
import { freePort } from '#test/support/server-process.ts';
import { slowResults } from '#test/support/slow-results.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const script = fileURLToPath(new URL('../../support/collector-child.ts', import.meta.url));

const startChild = async (folder: string, diagnoseDelayMs: number) => {
  const child = startChildScript(script, [folder, String(diagnoseDelayMs)]);
  onTestFinished(() => child.kill());
  const at = JSON.parse(await child.line()) as {
    deviceUrl: string;
    operatorUrl: string;
    operatorToken: string;
  };
  return { ...collectorHands(at), ...at, kill: () => child.kill() };
};

test('what was acknowledged is judged and told, though the collector is killed after every step', async () => {
  const folder = await makeTemporaryFolder();
  const port = await freePort();
  const webhook = {
    id: 'desk',
    url: `http://127.0.0.1:${port}/`,
    secret: `whsec_${'A'.repeat(43)}=`,
  };

  const crm = { id: 'crm', name: 'CRM', hosts: [], probes: [] };
  const first = await startChild(folder, 3_000);
  const device = await first.enrollDevice();
  await first.operator('/v1/organisation', {
    method: 'PUT',
    body: { version: 1, applications: [crm], webhooks: [webhook] },
  });
  const records = slowResults({
    deviceId: device.id,
    appId: 'crm',
    endMs: Date.now(),
    usualCount: 30,
    slowCount: 6,
  });
  expect((await first.postBatch(device, records)).status).toBe(200);
  await first.kill(); // acknowledged, not yet judged

  const second = await startChild(folder, 3_000);
  expect(second.operatorToken).toBe(first.operatorToken);
  await waitUntil(async () => {
    const { json } = await second.operator('/v1/deliveries');
    const [delivery] = json['items'] as { attemptCount: number; state: string }[];
    return delivery?.state === 'waiting' && delivery.attemptCount > 0;
  }, 60_000);
  await second.kill(); // judged, tried in vain, not yet told

  const bodies: string[] = [];
  const receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      bodies.push(body);
      response.end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(port, '127.0.0.1', resolve));
  onTestFinished(() => {
    receiver.close();
    receiver.closeAllConnections();
  });
  const third = await startChild(folder, 0);
  await waitUntil(() => bodies.length > 0, 60_000);
  expect(JSON.parse(bodies[0] ?? '') as WebhookMessage).toMatchObject({
    type: 'verdict.opened',
    verdict: { state: 'slow', segment: 'server' },
  });

  // The agent, not sure of it, sends its results again: no second incident, no second message.
  expect((await third.postBatch(device, records)).status).toBe(200);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(bodies).toHaveLength(1);
  const incidents = (await third.operator('/v1/incidents')).json['incidents'] as unknown[];
  expect(incidents).toHaveLength(1);
}, 180_000);
