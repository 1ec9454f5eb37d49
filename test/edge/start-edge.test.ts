import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { check } from '#contract/check.ts';
import type { EdgeConfig } from '#contract/policy.ts';
import { EdgeSample, OnwardSample } from '#contract/telemetry.ts';
import { readEdgeConfig } from '#edge/config.ts';
import { startEdge } from '#edge/edge.ts';
import { silentLog } from '#runtime/log.ts';
import { startCollectorEndpoint } from '#test/support/collector-endpoint.ts';
import { emptyPolicy } from '#test/support/edge-lab.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';

it('enrols, takes its policy, measures onward and reports to the collector', async () => {
  const collector = await startCollectorEndpoint();
  onTestFinished(() => collector.stop());
  const origin = createServer((socket) => socket.on('error', () => {}).end());
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  onTestFinished(() => void origin.close());
  const { port } = origin.address() as { port: number };
  const policy: EdgeConfig = {
    ...emptyPolicy('fra1'),
    sampleIntervalMs: 1_000,
    privateApplications: [
      { appId: 'crm', hosts: ['crm.test'], ports: [port], addresses: { 'crm.test': '127.0.0.1' } },
    ],
    onward: [
      { appId: 'crm', host: 'crm.test', port, intervalMs: 60_000 },
      { appId: 'inside', host: '10.0.0.1', port: 80, intervalMs: 60_000 },
    ],
  };
  await collector.setConfig(policy);
  const edge = await startEdge(
    {
      stateFolder: await makeTemporaryFolder(),
      collectorUrl: collector.url,
      enrollmentToken: collector.createToken(),
      edgeId: 'fra1',
      location: 'Frankfurt',
      listen: { host: '127.0.0.1', port: 0 },
      advertise: { host: '127.0.0.1' },
      configIntervalMs: 200,
      drainMs: 0,
    },
    { log: silentLog() },
  );
  onTestFinished(() => edge.stop());

  const stored = (kind: string) => collector.stored().filter((record) => record.kind === kind);
  await waitUntil(() => stored('edge').length >= 1 && stored('onward').length >= 2, 30_000);
  expect(check(EdgeSample, stored('edge')[0]).ok).toBe(true);
  const onward = stored('onward') as OnwardSample[];
  for (const sample of onward) expect(check(OnwardSample, sample).ok).toBe(true);
  const crm = onward.find(({ appId }) => appId === 'crm');
  expect(crm).toMatchObject({ edgeId: 'fra1', connectLossRatio: 0 });
  expect(crm?.connectMs).toBeGreaterThan(0);
  expect(crm?.path === null).toBe(crm?.pathMissing !== '');
  expect(onward.find(({ appId }) => appId === 'inside')?.pathMissing).toMatch(/not public/);

  await edge.stop();
  const names = collector.stored().flatMap((record) => ('name' in record ? [record.name] : []));
  expect(names).toEqual(expect.arrayContaining(['started', 'policy-applied', 'stopped']));
});

it('refuses a config file it does not understand, naming the field', async () => {
  const file = join(await makeTemporaryFolder(), 'edge.yaml');
  const good = 'collectorUrl: https://c.test\nedgeId: fra1\nadvertise: { host: e.test }\n';
  await writeFile(file, good);
  expect(readEdgeConfig(file)).toMatchObject({ edgeId: 'fra1', listen: { port: 8443 } });
  await writeFile(file, `${good}lisen: { port: 1 }\n`);
  expect(() => readEdgeConfig(file)).toThrow(/\/lisen/);
  await writeFile(file, good.replace('fra1', 'Not A Slug'));
  expect(() => readEdgeConfig(file)).toThrow(/\/edgeId.*lower-case/);
});
