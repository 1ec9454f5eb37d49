import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startAgent } from '#agent/agent.ts';
import type { AgentProgramConfig } from '#agent/config.ts';
import { AgentNotRunning, readAgentStatus } from '#agent/status.ts';
import { describeAgentStatus } from '#agent/status-text.ts';
import { edgeServerName } from '#contract/enrollment.ts';
import type { HttpProbe } from '#contract/plan.ts';
import type { DeviceConfig } from '#contract/policy.ts';
import type { Result } from '#contract/result.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import { startEdge } from '#edge/edge.ts';
import { silentLog } from '#runtime/log.ts';
import { agentConfig } from '#test/support/agent-config.ts';
import {
  type CollectorEndpoint,
  startCollectorEndpoint,
} from '#test/support/collector-endpoint.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const mainFile = fileURLToPath(new URL('../support/run-agent.ts', import.meta.url));

const makeProbe = (id: string, url: string, via: 'direct' | 'tunnel' = 'direct'): HttpProbe => ({
  id,
  appId: 'shop',
  via,
  intervalMs: 1_000,
  timeoutMs: 5_000,
  type: 'http',
  url,
  method: 'GET',
  headers: {},
  expectStatus: [],
  expectBody: '',
  maxRedirects: 5,
  maxBodyBytes: 1_000_000,
});

const startOrigin = async (): Promise<{ server: Server; url: string }> => {
  const server = createServer((request, response) => {
    if (request.url === '/generate_204') response.writeHead(204).end();
    else response.end('hello');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
};

const setUp = async () => {
  const collector = await startCollectorEndpoint();
  onTestFinished(() => collector.stop());
  const { url } = await startOrigin();
  const config = agentConfig({
    stateFolder: await makeTemporaryFolder(),
    collectorUrl: collector.url,
    enrollmentToken: collector.createToken(),
  });
  return { collector, url, config };
};

const deviceConfig = (
  deviceId: string,
  originUrl: string,
  probes: DeviceConfig['plan']['probes'],
  revision = 'r1',
): DeviceConfig => ({
  kind: 'device-config',
  version: 1,
  revision,
  issuedAt: Date.now(),
  deviceId,
  forwarding: { mode: 'tunnel', bypass: [], whenTunnelDown: 'closed', pinnedEdge: '' },
  edges: [],
  plan: { revision, probes },
  captivePortalUrl: `${originUrl}/generate_204`,
  sampleIntervalMs: 1_000,
});

const start = async (config: AgentProgramConfig) => {
  const agent = await startAgent(config, { log: silentLog() });
  onTestFinished(() => agent.stop());
  return agent;
};

const results = (collector: CollectorEndpoint): Result[] =>
  collector.stored().filter((record): record is Result => record.kind === 'result');

const ofKind = <K extends TelemetryRecord['kind']>(collector: CollectorEndpoint, kind: K) =>
  collector
    .stored()
    .filter((record): record is Extract<TelemetryRecord, { kind: K }> => record.kind === kind);

describe('agent', () => {
  test('enrols, takes its plan, measures, samples, and ships what the collector accepts', async () => {
    const { collector, url, config } = await setUp();
    const agent = await start(config);
    await collector.setConfig(
      deviceConfig(agent.deviceId, url, [
        makeProbe('shop-direct', url),
        makeProbe('shop-tunnel', url, 'tunnel'),
      ]),
    );
    await waitUntil(
      () =>
        results(collector).some(({ probeId }) => probeId === 'shop-direct') &&
        results(collector).some(({ probeId }) => probeId === 'shop-tunnel') &&
        ofKind(collector, 'device').length > 0 &&
        ofKind(collector, 'tunnel').length > 0,
    );
    const direct = results(collector).find(({ probeId }) => probeId === 'shop-direct');
    expect(direct).toMatchObject({ availability: 1, failure: null, deviceId: agent.deviceId });
    // No edge: the run went to the local proxy all the same, and says what it heard there.
    const tunnelled = results(collector).find(({ probeId }) => probeId === 'shop-tunnel');
    expect(tunnelled).toMatchObject({ availability: 0, edgeId: null });
    expect(tunnelled?.failure?.type).toBe('tunnel.down');
    expect(ofKind(collector, 'event').map(({ name }) => name)).toEqual(
      expect.arrayContaining(['started', 'policy-applied']),
    );
    expect(collector.requests.filter(({ status }) => status >= 400 && status !== 404)).toEqual([]);
  });

  test('says everything about itself over its local socket', async () => {
    const { collector, url, config } = await setUp();
    await expect(readAgentStatus(config.stateFolder)).rejects.toThrow(AgentNotRunning);
    const agent = await start(config);
    await collector.setConfig(deviceConfig(agent.deviceId, url, [makeProbe('shop-direct', url)]));
    await waitUntil(async () => {
      const { probes, shipping } = await readAgentStatus(config.stateFolder);
      return probes[0]?.last != null && shipping.lastAcknowledgedAt !== null;
    });
    const status = await readAgentStatus(config.stateFolder);
    expect(status).toMatchObject({
      device: { id: agent.deviceId, name: 'laptop-7' },
      policy: { revision: 'r1', problem: null, mode: 'tunnel' },
      tunnel: { state: 'off', edgeId: null },
      forwarding: { proxy: agent.proxy, socks: agent.socks },
    });
    const text = describeAgentStatus(status);
    for (const words of [
      'laptop-7',
      'revision r1',
      'tunnel      off',
      'state       closed: tunnel down',
      'shop-direct',
      'ok in',
      'lateness    median',
      'to ship',
    ])
      expect(text).toContain(words);
    // Nobody asked for capture; an agent that lacks a permission for it says so.
    expect(text).not.toContain('capture');
    const capture = {
      ...{ isOn: false, what: [], reason: 'network off-trusted: tunnel', problem: 'nft: no' },
      ...{ tcpFlowCount: 0, dns: { direct: 0, tunnel: 0, private: 0, failed: 0 } },
    };
    expect(
      describeAgentStatus({ ...status, forwarding: { ...status.forwarding, capture } }),
    ).toMatch(/^capture +off: network off-trusted: tunnel\n +PROBLEM: nft: no$/m);
  });

  test.skipIf(process.getuid?.() !== 0)('does not capture as root, and says how else', async () => {
    const { config, collector } = await setUp();
    await expect(start({ ...config, capture: {} })).rejects.toThrow(
      /capture: the agent runs as root.*whyslow-agent\.service.*ownTrafficBy: cgroup/,
    );
    expect(collector.requests).toEqual([]);
  });

  test('refuses a second agent on the same state folder', async () => {
    const { config } = await setUp();
    await start(config);
    await expect(startAgent(config, { log: silentLog() })).rejects.toThrow(
      /state folder .* is in use by process/,
    );
  });

  test('measures through an edge, which says what it cost', async () => {
    const { collector, url, config } = await setUp();
    const edge = await startEdge(
      {
        stateFolder: await makeTemporaryFolder(),
        collectorUrl: collector.url,
        enrollmentToken: collector.createToken(),
        edgeId: 'edge-a',
        location: 'here',
        listen: { host: '127.0.0.1', port: 0 },
        advertise: { host: '127.0.0.1' },
        configIntervalMs: 200,
        drainMs: 100,
      },
      { log: silentLog() },
    );
    onTestFinished(() => edge.stop());
    const { port } = new URL(url);
    await collector.setConfig({
      kind: 'edge-config',
      version: 1,
      revision: 'e1',
      issuedAt: Date.now(),
      edgeId: 'edge-a',
      access: [],
      privateApplications: [
        {
          appId: 'shop',
          hosts: ['shop.test'],
          ports: [Number(port)],
          addresses: { 'shop.test': '127.0.0.1' },
        },
      ],
      onward: [],
      revokedDevices: [],
      sampleIntervalMs: 1_000,
    });
    const agent = await start(config);
    const probe = makeProbe('shop-tunnel', `http://shop.test:${port}/`, 'tunnel');
    const entry = {
      id: 'edge-a',
      host: '127.0.0.1',
      port: edge.address.port,
      serverName: edgeServerName('edge-a'),
      location: 'here',
    };
    await collector.setConfig({ ...deviceConfig(agent.deviceId, url, [probe]), edges: [entry] });
    await waitUntil(() => results(collector).some(({ availability }) => availability === 1));
    const result = results(collector).find(({ availability }) => availability === 1);
    expect(result).toMatchObject({ edgeId: 'edge-a', via: 'tunnel', type: 'http', failure: null });
    const exchange = result?.type === 'http' ? result.body.exchanges[0] : undefined;
    expect(exchange?.edge).toMatchObject({ edgeId: 'edge-a', address: '127.0.0.1' });
    const status = await readAgentStatus(config.stateFolder);
    expect(status.tunnel).toMatchObject({ state: 'up', edgeId: 'edge-a' });
    // The probes' own flows are not the user's.
    expect(status.forwarding.decisions).toEqual({ tunnel: 0, direct: 0, refused: 0 });
    expect(describeAgentStatus(status)).toContain('up on edge-a');
  });

  test('goes on measuring with its last plan while the collector is away, and loses nothing', async () => {
    const { collector, url, config } = await setUp();
    const first = await start(config);
    await collector.setConfig(deviceConfig(first.deviceId, url, [makeProbe('shop-direct', url)]));
    await waitUntil(() => results(collector).length > 0);
    await first.stop();
    collector.order('/v1/ingest', { status: 503, body: '' }, 1_000);
    collector.order('/v1/config', { status: 503, body: '' }, 1_000);
    const { enrollmentToken: _, ...withoutToken } = config;
    const second = await start(withoutToken);
    expect(second.deviceId).toBe(first.deviceId);
    await waitUntil(async () => {
      const { shipping, probes } = await readAgentStatus(config.stateFolder);
      return shipping.pendingCount >= 5 && shipping.problem !== null && probes[0]?.last != null;
    });
    const status = await readAgentStatus(config.stateFolder);
    expect(status.policy).toMatchObject({ revision: 'r1', confirmedAt: null });
    expect(status.probes[0]?.last?.availability).toBe(1);
    expect(status.shipping.problem).toContain('503');
    const before = results(collector).length;
    collector.heal();
    await waitUntil(() => results(collector).length > before);
    const { missed } = await readAgentStatus(config.stateFolder);
    expect(missed).not.toHaveProperty('spool-full');
    expect(missed).not.toHaveProperty('refused');
  });

  test('takes up a changed plan without a restart', async () => {
    const { collector, url, config } = await setUp();
    const agent = await start(config);
    await collector.setConfig(deviceConfig(agent.deviceId, url, [makeProbe('old', url)]));
    await waitUntil(() => results(collector).some(({ probeId }) => probeId === 'old'));
    await collector.setConfig(deviceConfig(agent.deviceId, url, [makeProbe('new', url)], 'r2'));
    await waitUntil(() => results(collector).some(({ probeId }) => probeId === 'new'));
    const { probes, policy } = await readAgentStatus(config.stateFolder);
    expect(probes.map(({ id }) => id)).toEqual(['new']);
    expect(policy.revision).toBe('r2');
  });

  test('refuses a config made for another device', async () => {
    const { collector, url, config } = await setUp();
    await start(config);
    await collector.setConfig(deviceConfig('3f1f6c9e-7b51-4f52-9e2a-111111111111', url, []));
    await waitUntil(async () =>
      /is for device/.test((await readAgentStatus(config.stateFolder)).policy.problem ?? ''),
    );
    const { policy } = await readAgentStatus(config.stateFolder);
    expect(policy.problem).toMatch(/is for device 3f1f6c9e/);
    expect(policy.revision).toBeNull();
  });

  test('calls a failure a captive portal’s when one answers for the collector', async () => {
    const { collector, url, config } = await setUp();
    const agent = await start(config);
    const wanted = deviceConfig(agent.deviceId, url, [makeProbe('shop-tunnel', url, 'tunnel')]);
    // The origin answers 200 with a page here, as a portal does.
    await collector.setConfig({ ...wanted, captivePortalUrl: `${url}/login` });
    await waitUntil(() => results(collector).length > 0);
    expect(results(collector)[0]?.failure).toMatchObject({
      type: 'agent.captive_portal',
      source: 'agent',
    });
    await waitUntil(() => ofKind(collector, 'event').some(({ name }) => name === 'captive-portal'));
  });
});

describe('agent as a program', () => {
  const launch = async (config: AgentProgramConfig, folder: string): Promise<ChildProcess> => {
    const file = join(folder, 'agent.yaml');
    await writeFile(file, JSON.stringify(config));
    const child = spawn(process.execPath, ['--import', 'tsx', mainFile, '--config', file], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    return child;
  };

  test('accounts for every planned run across kill -9, stop and restart', async () => {
    const { collector, url, config } = await setUp();
    const folder = await makeTemporaryFolder();
    const enrolled = await startAgent(config, { log: silentLog() });
    const plan = ['a', 'b', 'c'].map((id) => makeProbe(id, url));
    await collector.setConfig(deviceConfig(enrolled.deviceId, url, plan));
    await enrolled.stop();

    for (const extraMs of [0, 333]) {
      const before = results(collector).length;
      const child = await launch(config, folder);
      await waitUntil(() => results(collector).length >= before + 3, 60_000);
      await new Promise((resolve) => setTimeout(resolve, extraMs));
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    const last = await launch(config, folder);
    const before = results(collector).length;
    await waitUntil(() => results(collector).length >= before + 3, 60_000);
    // A signal during the start ends a program at once; this one is up when it answers.
    await waitUntil(
      async () => (await readAgentStatus(config.stateFolder)).program.pid === last.pid,
    );
    last.kill('SIGTERM');
    const [code] = (await once(last, 'exit')) as [number | null];
    expect(code).toBe(0);

    const twice = collector
      .stored()
      .filter(({ id }, index, all) => all.findIndex((other) => other.id === id) !== index);
    expect(twice).toEqual([]);
    expect(ofKind(collector, 'event').filter(({ name }) => name === 'stopped')).toHaveLength(2);
    // While an agent lives each second is one run or one count of each probe.
    for (const { id } of plan) expectNoHoles(collector, id);
  }, 120_000);
});

/** Between two results of one life there is nothing missing that is not explained. */
const expectNoHoles = (collector: CollectorEndpoint, probeId: string) => {
  const starts = ofKind(collector, 'event')
    .filter(({ name }) => name === 'started')
    .map(({ at }) => at);
  const runs = results(collector)
    .filter((result) => result.probeId === probeId)
    .map(({ startedAt }) => startedAt)
    .sort((a, b) => a - b);
  const explained = ofKind(collector, 'missed')
    .filter((missed) => missed.probeId === probeId)
    .reduce((sum, { count }) => sum + count, 0);
  let missing = 0;
  for (const [index, at] of runs.entries()) {
    const before = runs[index - 1];
    const isSameLife =
      before !== undefined && !starts.some((start) => start > before && start <= at);
    if (isSameLife) missing += Math.max(0, Math.round((at - before) / 1_000) - 1);
  }
  expect(missing).toBeLessThanOrEqual(explained);
};
