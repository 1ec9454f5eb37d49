import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOpen } from '#agent/forwarding/open.ts';
import { compileRoutePolicy } from '#agent/forwarding/route.ts';
import { FlowRefused } from '#agent/tunnel/refused.ts';
import { createTunnel, type Tunnel } from '#agent/tunnel/tunnel.ts';
import type { DeviceConfig } from '#contract/policy.ts';
import { parseEdgeTiming } from '#contract/server-timing.ts';
import { type RunningEdge, startEdge } from '#edge/edge.ts';
import { silentLog } from '#runtime/log.ts';
import { type CollectorLab, type Holder, startCollectorLab } from '#test/support/collector-lab.ts';
import { readAll } from '#test/support/edge-lab.ts';
import { requestOf } from '#test/support/seed-results.ts';
import { makeFolder, removeFolder } from '#test/support/server-process.ts';
import { waitUntil } from '#test/support/wait-until.ts';

describe('an edge that asks its collector once a minute, and is told at once', () => {
  const folder = makeFolder('edge');
  let lab: CollectorLab;
  let origin: Server;
  let port: number;
  let edge: RunningEdge;
  let device: Holder;
  let tunnel: Tunnel;

  beforeAll(async () => {
    lab = await startCollectorLab();
    origin = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(origin, 'listening');
    ({ port } = origin.address() as AddressInfo);
    const applied = await lab.operator('/v1/organisation', {
      method: 'PUT',
      body: organisation(port),
    });
    expect(applied.json['errors'], applied.text).toBeUndefined();
    writeFileSync(join(folder, 'list.txt'), 'games.test games\n');
    edge = await startEdge(
      {
        stateFolder: folder,
        collectorUrl: lab.deviceUrl,
        enrollmentToken: await lab.makeToken({ role: 'edge' }),
        edgeId: 'fra1',
        location: 'Frankfurt',
        listen: { host: '127.0.0.1', port: 0 },
        advertise: { host: '127.0.0.1' },
        configIntervalMs: 60_000,
        categoryFile: join(folder, 'list.txt'),
        drainMs: 0,
      },
      { log: silentLog() },
    );
    device = await lab.enrollDevice();
    const { text: caCertificatePem } = await lab.device('/v1/ca');
    const identity = {
      role: 'device' as const,
      ...device,
      caCertificatePem,
      notAfter: Date.now() + 1e9,
    };
    tunnel = createTunnel({ identity: () => identity, log: silentLog(), pingIntervalMs: 200 });
    tunnel.setEdges((await deviceConfig()).edges, '');
  }, 60_000);

  afterAll(async () => {
    await tunnel?.stop();
    await edge?.stop();
    origin?.close();
    await lab?.stop();
    removeFolder(folder);
  }, 60_000);

  const deviceConfig = async (): Promise<DeviceConfig> => {
    const { json } = await lab.device('/v1/config', { as: device });
    return JSON.parse(String(json['payload'])) as DeviceConfig;
  };
  const ask = async (host: string) => {
    const flow = await tunnel.connect({ host, port, signal: AbortSignal.timeout(20_000) });
    flow.stream.end(requestTo(host));
    return {
      answer: String(await readAll(flow.stream)),
      timing: parseEdgeTiming(flow.serverTiming),
    };
  };
  const refusalOf = async (host: string): Promise<string> => {
    try {
      await ask(host);
      return 'none';
    } catch (error) {
      if (error instanceof FlowRefused) return error.proxyStatus ?? '';
      throw error;
    }
  };

  it('a run’s evidence has the edge’s own account of its flow', async () => {
    const { answer, timing } = await ask('crm.test');
    expect(answer).toContain('hello');
    expect(timing?.flowId).toMatch(/^[0-9a-f-]{36}$/);
    const run = { device: { id: device.id, edge: 'fra1' }, via: 'tunnel', isSlow: false } as const;
    const application = { id: 'crm', host: 'crm.test', story: '' };
    const result = requestOf({ ...run, application, at: Date.now() });
    const [exchange] = result.body.exchanges;
    if (exchange) exchange.edge = timing;
    expect((await lab.postBatch(device, [result])).text).toContain('"acceptedCount":1');

    const lookAtRun = async () => {
      const { json } = await lab.operator(`/v1/devices/${device.id}/applications/crm`);
      return (json['runs'] as { edgeFlow: Record<string, unknown> | null }[])[0]?.edgeFlow ?? null;
    };
    await waitUntil(async () => (await lookAtRun()) !== null);
    const flow = await lookAtRun();
    expect(flow).toMatchObject({
      id: timing?.flowId,
      edgeId: 'fra1',
      appId: 'crm',
      host: 'crm.test',
      port,
      protocol: 'tcp',
      upBytes: requestTo('crm.test').length,
      downBytes: Buffer.byteLength(answer),
      action: 'allow',
      rule: 'default',
      error: '',
    });
    // What the agent was told when the flow was opened, and what the edge reported at its end.
    expect(flow?.['connectMs']).toBeCloseTo(timing?.connectMs ?? -1, 2);
    expect(flow?.['firstByteMs']).toBeGreaterThan(0);
    expect(flow?.['durationMs']).toBeGreaterThan(Number(flow?.['firstByteMs']));
  }, 30_000);

  it('goes by the category list that its config names', async () => {
    await waitUntil(async () => (await refusalOf('www.games.test')).includes('rule no-games'));
  }, 30_000);

  it('sends a flow past the tunnel only where the device’s own policy says so too', async () => {
    const { forwarding } = await deviceConfig();
    expect(forwarding.directByEdge).toEqual(['127.0.0.1']);
    const own = { services: [], listeners: [] };
    const open = (policy: DeviceConfig['forwarding']) =>
      createOpen({ tunnel, policy: () => compileRoutePolicy(policy, own), log: silentLog() })(
        { host: '127.0.0.1', port },
        AbortSignal.timeout(20_000),
      );
    const opened = await open(forwarding);
    expect(opened).toMatchObject({
      ok: true,
      headers: { 'proxy-status': 'whyslow-agent; details="direct, edge rule past"' },
    });
    if (opened.ok) opened.reset();
    expect(await open({ ...forwarding, directByEdge: ['other.test'] })).toMatchObject({
      ok: false,
      status: 403,
    });
    expect(await open({ ...forwarding, privateHosts: ['127.0.0.1'] })).toMatchObject({ ok: false });
  }, 30_000);

  it('goes by who uses a device as soon as an operator has said it', async () => {
    expect(await refusalOf('shop.test')).toContain('error=dns_error');
    const assign = (body: unknown) =>
      lab.operator(`/v1/devices/${device.id}/assignment`, { method: 'PUT', body });
    expect((await assign({ userId: 'adam', labels: [] })).text).toContain(
      'no user “adam” is declared; there is eva@example.org',
    );
    await assignByCommand(lab, device.id, ['--user', 'eva@example.org', '--label', 'loaner']);
    await waitUntil(async () => (await refusalOf('shop.test')).includes('rule no-sales'));
    const flows = async () =>
      (await lab.operator(`/v1/devices/${device.id}/flows`)).json['flows'] as Record<
        string,
        unknown
      >[];
    const refusedFlow = async () => (await flows()).find(({ rule }) => rule === 'no-sales');
    await waitUntil(async () => (await refusedFlow()) !== undefined);
    const refused = await refusedFlow();
    expect(refused).toMatchObject({
      host: 'shop.test',
      action: 'block',
      error: 'http_request_denied',
      userId: 'eva@example.org',
      upBytes: 0,
    });
  }, 30_000);

  it('knows what a device told about itself', async () => {
    const facts = { diskEncrypted: 'no', firewallOn: 'yes', screenLock: 'unknown' };
    const system = { platform: 'linux', osName: 'debian', osVersion: '12', agentVersion: '0.1.0' };
    const report = { kind: 'posture', id: randomUUID(), deviceId: device.id, at: Date.now() };
    expect(await refusalOf('vault.test')).toContain('rule unsafe');
    const tell = (diskEncrypted: string, at: number) =>
      lab.postBatch(device, [{ ...report, at, facts: { ...facts, diskEncrypted, ...system } }]);
    await tell('yes', Date.now());
    await waitUntil(async () => (await refusalOf('vault.test')).includes('dns_error'));
    const { json } = await lab.operator(`/v1/devices/${device.id}`);
    expect(json).toMatchObject({ labels: ['loaner'], posture: { diskEncrypted: 'yes' } });
  }, 30_000);

  it('cuts the sessions of a revoked device within seconds', async () => {
    const flow = await tunnel.connect({
      host: 'crm.test',
      port,
      signal: AbortSignal.timeout(20_000),
    });
    let isCut = false;
    flow.stream
      .on('error', () => {})
      .once('close', () => {
        isCut = true;
      });
    expect((await lab.operator(`/v1/devices/${device.id}/revoke`, { method: 'POST' })).status).toBe(
      204,
    );
    const revokedMs = performance.now();
    await waitUntil(() => isCut, 20_000);
    // About one, or two; the rest is slack for a loaded machine. Without being told it would be 60.
    expect(performance.now() - revokedMs).toBeLessThan(10_000);
  }, 30_000);
});

const binary = join(import.meta.dirname, '../../bin/whyslow.mjs');
const assignByCommand = (lab: CollectorLab, deviceId: string, options: string[]) => {
  const api = ['--collector', lab.operatorUrl, '--token', lab.operatorToken ?? ''];
  return promisify(execFile)(process.execPath, [
    binary,
    'device',
    'assign',
    deviceId,
    ...options,
    ...api,
  ]);
};

const requestTo = (host: string): string =>
  `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;

const organisation = (port: number) => ({
  version: 1,
  applications: [
    {
      id: 'crm',
      name: 'CRM',
      private: true,
      hosts: ['crm.test'],
      addresses: { 'crm.test': '127.0.0.1' },
      probes: [{ type: 'http', url: `http://crm.test:${port}/`, intervalSeconds: 3_600 }],
    },
  ],
  users: [{ id: 'eva@example.org', groups: ['sales'] }],
  access: [
    { id: 'no-games', action: 'block', categories: ['games'] },
    { id: 'past', action: 'direct', hosts: ['127.0.0.1'] },
    { id: 'no-sales', action: 'block', hosts: ['shop.test'], groups: ['sales'] },
    { id: 'unsafe', action: 'block', hosts: ['vault.test'], posture: { diskEncrypted: false } },
  ],
  privacy: { flows: 'full', users: true },
});
