import { expect, it, onTestFinished } from 'vitest';
import { startAgent } from '#agent/agent.ts';
import { startEdge } from '#edge/edge.ts';
import { silentLog } from '#runtime/log.ts';
import { startCollectorLab } from '#test/support/collector-lab.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';

type Run = { type: string; edgeId: string; ok: boolean; detail: string };

const organisation = {
  version: 1,
  applications: [
    {
      id: 'calls',
      name: 'Calls',
      hosts: [],
      probes: [{ type: 'voice', intervalSeconds: 2, streamSeconds: 1 }],
    },
  ],
};

it('measures a call to the edge at the port the edge announced, and stores it with the collector', async () => {
  const log = silentLog();
  const collector = await startCollectorLab();
  onTestFinished(() => collector.stop());
  const applied = await collector.operator('/v1/organisation', {
    method: 'PUT',
    body: organisation,
  });
  expect(applied.status, applied.text).toBeLessThan(300);

  const program = async (role: 'edge' | 'device') => ({
    stateFolder: await makeTemporaryFolder(),
    collectorUrl: collector.deviceUrl,
    enrollmentToken: await collector.makeToken({ role }),
    configIntervalMs: 200,
    spoolMaxBytes: 5_000_000,
  });
  const edge = await startEdge(
    {
      ...(await program('edge')),
      edgeId: 'fra1',
      location: 'Frankfurt',
      listen: { host: '127.0.0.1', port: 0 },
      advertise: { host: '127.0.0.1' },
      // Any free one: nobody but the edge can tell which.
      reflectorPort: 0,
      drainMs: 0,
    },
    { log },
  );
  onTestFinished(() => edge.stop());
  const agent = await startAgent(
    {
      ...(await program('device')),
      name: 'laptop-7',
      listenHost: '127.0.0.1',
      proxyPort: 0,
      socksPort: 0,
      extraCaFiles: [],
    },
    { log },
  );
  onTestFinished(() => agent.stop());

  const runs = async (): Promise<Run[]> => {
    const path = `/v1/devices/${agent.deviceId}/applications/calls`;
    const { json } = await collector.operator(path);
    return ((json['runs'] ?? []) as Run[]).filter(({ type }) => type === 'voice');
  };
  // The first may come before the tunnel is up, and then says so.
  await waitUntil(async () => (await runs()).some(({ ok }) => ok), 60_000);
  const call = (await runs()).find(({ ok }) => ok);
  expect(call).toMatchObject({ edgeId: 'fra1' });
  expect(call?.detail).toMatch(/^opinion score [1-4]\.\d\d, [\d.]+ % lost, jitter [\d.]+ ms$/);
});
