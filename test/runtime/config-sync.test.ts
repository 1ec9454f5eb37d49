import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DeviceConfig } from '#contract/policy.ts';
import { createAuthority } from '#runtime/certificates.ts';
import { createCollectorClient } from '#runtime/collector-client.ts';
import { startConfigSync } from '#runtime/config-sync.ts';
import { loadOrEnroll } from '#runtime/identity.ts';
import { silentLog } from '#runtime/log.ts';
import { startCollectorEndpoint } from '#test/support/collector-endpoint.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const makeConfig = (revision: string): DeviceConfig => ({
  kind: 'device-config',
  version: 1,
  revision,
  issuedAt: Date.now(),
  deviceId: randomUUID(),
  forwarding: { mode: 'tunnel', bypass: [], whenTunnelDown: 'open', pinnedEdge: '' },
  edges: [],
  plan: { revision, probes: [] },
  captivePortalUrl: 'http://127.0.0.1:1/generate_204',
  sampleIntervalMs: 5_000,
});

const setUp = async () => {
  const collector = await startCollectorEndpoint();
  onTestFinished(() => collector.stop());
  const folder = await makeTemporaryFolder();
  const log = silentLog();
  const identity = await loadOrEnroll({
    folder,
    collectorUrl: collector.url,
    token: collector.createToken(),
    role: 'device',
    name: 'laptop-7',
    platform: 'linux',
    programVersion: '0.1.0',
    log,
  });
  onTestFinished(() => identity.stop());
  const client = createCollectorClient({
    collectorUrl: collector.url,
    identity: identity.current,
    log,
  });
  onTestFinished(() => client.stop());
  const taken: string[] = [];
  const confirmed: (string | undefined)[] = [];
  const start = async () => {
    const sync = await startConfigSync({
      client,
      folder,
      schema: DeviceConfig,
      intervalMs: 50,
      caCertificatePem: collector.authority.certificatePem,
      onChange: (config, from) => {
        taken.push(config.revision);
        if (from.isConfirmed) confirmed.push(config.requests?.[0]?.id);
      },
      log,
    });
    onTestFinished(() => sync.stop());
    return sync;
  };
  return { collector, folder, start, taken, confirmed };
};

describe('config sync', () => {
  test('takes up each new revision once and asks with the ETag otherwise', async () => {
    const { collector, start, taken } = await setUp();
    await collector.setConfig(makeConfig('one'));
    const sync = await start();
    await waitUntil(() => collector.requests.some(({ status }) => status === 304));
    await collector.setConfig(makeConfig('two'));
    await waitUntil(() => taken.length === 2);
    expect(taken).toEqual(['one', 'two']);
    expect(sync.current()?.revision).toBe('two');
    expect(sync.status().problem).toBeNull();
  });

  test('uses the last good config before the network answers', async () => {
    const { collector, start, taken } = await setUp();
    await collector.setConfig(makeConfig('one'));
    const first = await start();
    await waitUntil(() => taken.length === 1);
    await first.stop();
    await collector.stop();
    const second = await start();
    expect(second.current()?.revision).toBe('one');
    await waitUntil(() => second.status().problem !== null);
    expect(second.current()?.revision).toBe('one');
    expect(second.status().confirmedAt).toBeNull();
  });

  test('asks again for a kept config that asks something: it may have been killed before it took it up', async () => {
    const { collector, start, confirmed } = await setUp();
    const id = randomUUID();
    const requests = [{ id, order: { probes: ['a'] }, expiresAt: Date.now() + 60_000 }];
    await collector.setConfig({ ...makeConfig('one'), requests });
    const first = await start();
    await waitUntil(() => confirmed.length === 1);
    await first.stop();
    await start();
    await waitUntil(() => confirmed.length === 2);
    expect(confirmed).toEqual([id, id]);
    // From then on with its tag.
    await waitUntil(() => collector.requests.at(-1)?.status === 304);
  });

  test('refuses a config that somebody else signed and keeps the good one', async () => {
    const { collector, start, taken } = await setUp();
    await collector.setConfig(makeConfig('one'));
    const sync = await start();
    await waitUntil(() => taken.length === 1);
    await collector.setConfig(makeConfig('evil'), (await createAuthority('evil')).privateKeyPem);
    await waitUntil(() => sync.status().problem !== null);
    expect(sync.status().problem).toMatch(/signature/);
    expect(sync.current()?.revision).toBe('one');
  });

  test('refuses a signed config of the wrong shape, naming the field', async () => {
    const { collector, start, taken } = await setUp();
    await collector.setConfig(makeConfig('one'));
    const sync = await start();
    await waitUntil(() => taken.length === 1);
    await collector.setConfig({ ...makeConfig('two'), sampleIntervalMs: 'often' });
    await waitUntil(() => sync.status().problem !== null);
    expect(sync.status().problem).toMatch(/\/sampleIntervalMs/);
    expect(taken).toEqual(['one']);
  });

  test('does not use a kept config that was changed on disk', async () => {
    const { collector, folder, start, taken } = await setUp();
    const payload = JSON.stringify(makeConfig('forged'));
    await writeFile(
      join(folder, 'config.json'),
      JSON.stringify({ etag: null, signed: { payload, signature: 'AAAA' } }),
    );
    await collector.setConfig(makeConfig('one'));
    const sync = await start();
    expect(sync.current()).toBeUndefined();
    await waitUntil(() => taken.length === 1);
    expect(taken).toEqual(['one']);
  });
});
