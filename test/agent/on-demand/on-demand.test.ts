import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startAgent } from '#agent/agent.ts';
import type { AgentProgramConfig } from '#agent/config.ts';
import { type LocalLine, runLocally } from '#agent/on-demand/local.ts';
import { readAgentStatus } from '#agent/status.ts';
import type { DeviceConfig } from '#contract/policy.ts';
import type { Result } from '#contract/result.ts';
import type { RunRequest } from '#contract/run-request.ts';
import type { MissedRuns, RunReport } from '#contract/telemetry.ts';
import { silentLog } from '#runtime/log.ts';
import { agentConfig } from '#test/support/agent-config.ts';
import {
  type CollectorEndpoint,
  startCollectorEndpoint,
} from '#test/support/collector-endpoint.ts';
import { type CollectorLab, startCollectorLab } from '#test/support/collector-lab.ts';
import { type Origin, startOrigin } from '#test/support/origin.ts';
import { httpProbe } from '#test/support/probe-context.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';

let origin: Origin;
beforeAll(async () => {
  origin = await startOrigin();
});
afterAll(() => origin.stop());

const onDemandConfig = async (
  collectorUrl: string,
  enrollmentToken: string,
  changes: Partial<AgentProgramConfig> = {},
): Promise<AgentProgramConfig> =>
  agentConfig(
    { stateFolder: await makeTemporaryFolder(), collectorUrl, enrollmentToken },
    // The collector is in this process, and its CPU time with it.
    { ...changes, onDemand: { maxCpuRatio: 16, ...changes.onDemand } },
  );

const start = async (config: AgentProgramConfig) => {
  const agent = await startAgent(config, { log: silentLog() });
  onTestFinished(() => agent.stop());
  return agent;
};

const binary = join(import.meta.dirname, '../../../bin/whyslow.mjs');
const whyslow = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [binary, ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });

describe('with a collector', () => {
  let lab: CollectorLab;
  beforeAll(async () => {
    lab = await startCollectorLab();
    const answer = await lab.operator('/v1/organisation', {
      method: 'PUT',
      body: {
        version: 1,
        forwarding: { mode: 'off' },
        applications: [
          {
            id: 'shop',
            name: 'Shop',
            hosts: ['127.0.0.1'],
            probes: [{ type: 'http', url: `${origin.url}/`, intervalSeconds: 3_600 }],
          },
          {
            id: 'broken',
            name: 'Broken',
            hosts: ['127.0.0.1'],
            // The origin has no such text.
            probes: [
              {
                type: 'http',
                url: `${origin.url}/`,
                expectBody: 'nowhere on the page',
                intervalSeconds: 3_600,
              },
            ],
          },
        ],
      },
    });
    expect(answer.status, answer.text).toBe(200);
  }, 120_000);
  afterAll(() => lab.stop(), 60_000);

  const ask = async (deviceId: string, body: Record<string, unknown>) => {
    const { status, json, text } = await lab.operator(`/v1/devices/${deviceId}/runs`, {
      method: 'POST',
      body,
    });
    expect(status, text).toBe(202);
    return String(json['id']);
  };

  const look = async (deviceId: string, id: string) =>
    (await lab.operator(`/v1/devices/${deviceId}/runs/${id}`)).json;

  const startLabAgent = async (changes: Partial<AgentProgramConfig> = {}) => {
    const token = await lab.makeToken({ role: 'device' });
    // Far longer than the test: what comes in it came because the question was held.
    const config = await onDemandConfig(lab.deviceUrl, token, {
      configIntervalMs: 45_000,
      ...changes,
    });
    const agent = await start(config);
    await waitUntil(async () => (await readAgentStatus(config.stateFolder)).probes.length > 0);
    return { config, agent, deviceId: agent.deviceId };
  };

  test('a burst is picked up at once by a device that waits, and its results come back', async () => {
    const { config, deviceId } = await startLabAgent();
    const askedMs = performance.now();
    const id = await ask(deviceId, {
      application: 'shop',
      burst: { everySeconds: 1, forSeconds: 3 },
    });
    const states = new Set<unknown>();
    await waitUntil(async () => {
      const { state, resultIds } = await look(deviceId, id);
      states.add(state);
      return state === 'done' && (resultIds as string[]).length === 3;
    }, 30_000);
    expect(performance.now() - askedMs).toBeLessThan(20_000);
    const done = await look(deviceId, id);
    expect(done).toMatchObject({ runCount: 3, madeCount: 3, lostCount: 0, reason: '' });
    expect(done['probes']).toEqual(['shop-http']);
    for (const run of done['runs'] as Record<string, unknown>[]) {
      expect(run).toMatchObject({ requestId: id, probeId: 'shop-http', ok: true });
    }
    // What it was in between may have come and gone between two looks.
    expect([...states].at(-1)).toBe('done');
    // The plan's own revision did not change by it.
    const events = (await lab.operator(`/v1/devices/${deviceId}/triage`)).json['events'];
    const applied = (events as { name: string }[]).filter(({ name }) => name === 'policy-applied');
    expect(applied).toHaveLength(1);
    expect((await readAgentStatus(config.stateFolder)).requests).toEqual([]);
    const audit = (await lab.operator('/v1/audit')).json['items'] as Record<string, unknown>[];
    expect(audit).toContainEqual(
      expect.objectContaining({ action: 'device.runs-requested', subject: deviceId }),
    );
  }, 60_000);

  test('a burst ends where its budget does, and says so', async () => {
    const { config, deviceId } = await startLabAgent({ onDemand: { maxBytes: 15_000 } });
    const id = await ask(deviceId, {
      probes: ['shop-http'],
      burst: { everySeconds: 1, forSeconds: 60 },
    });
    await waitUntil(async () => (await look(deviceId, id))['state'] === 'done', 30_000);
    const { madeCount, lostCount, reason } = await look(deviceId, id);
    expect(madeCount).toBe(1);
    expect(lostCount).toBe(59);
    expect(reason).toContain('budget');
    const { missed } = await readAgentStatus(config.stateFolder);
    expect(missed['over-budget']).toBe(59);
  }, 60_000);

  test('a device that is away picks nothing up; it is told of as queued, and is one of four at most', async () => {
    const { id: deviceId } = await lab.enrollDevice('away');
    const id = await ask(deviceId, { application: 'shop' });
    expect(await look(deviceId, id)).toMatchObject({ state: 'queued', runs: [] });
    for (let i = 0; i < 3; i += 1) await ask(deviceId, { application: 'shop' });
    const fifth = await lab.operator(`/v1/devices/${deviceId}/runs`, {
      method: 'POST',
      body: { application: 'shop' },
    });
    expect(fifth.status).toBe(409);
  });

  test('at the device itself: runs as they come, and names that the plan does not have are refused', async () => {
    const { config, deviceId } = await startLabAgent();
    const lines: LocalLine[] = [];
    await runLocally(
      config.stateFolder,
      { probes: ['shop-http'], burst: { everySeconds: 1, forSeconds: 2 } },
      (line) => lines.push(line),
    );
    expect(lines.at(-1)).toEqual({ type: 'end', madeCount: 2, lostCount: 0, reason: '' });
    expect(lines.map(({ type }) => type)).toEqual(['result', 'result', 'end']);
    expect(lines[0]).toMatchObject({ probeId: 'shop-http', availability: 1, failure: null });
    const refused: LocalLine[] = [];
    await runLocally(config.stateFolder, { probes: ['nothing'] }, (line) => refused.push(line));
    expect(refused).toEqual([
      {
        type: 'refused',
        reason: 'this device’s plan has no probe nothing; there are broken-http, shop-http',
      },
    ]);
    // The collector has them like any others.
    await waitUntil(async () => {
      const path = `/v1/devices/${deviceId}/applications/shop`;
      const { runs = [] } = (await lab.operator(path)).json as { runs?: { requestId: string }[] };
      return runs.filter(({ requestId }) => requestId !== '').length === 2;
    });
  }, 60_000);

  test('whyslow run shows each result as it comes, and its end; whyslow agent measure does so here', async () => {
    const { config } = await startLabAgent({ name: 'laptop-9' });
    const api = ['--collector', lab.operatorUrl, '--token', lab.operatorToken ?? ''];
    const burst = ['--burst', '1s', '--for', '2s'];
    const [asked, here] = await Promise.all([
      whyslow('run', 'laptop-9', 'shop', ...burst, '--wait', ...api),
      whyslow('agent', 'measure', 'shop-http', '--state', config.stateFolder),
    ]);
    expect(asked).toMatchObject({ code: 0, stderr: expect.stringMatching(/^done$/m) });
    expect(asked.stdout).toMatch(/^2 of 2 runs made$/m);
    const line =
      /^\d\d:\d\d:\d\d\.\d{3} ✓ +[\d.]+ ms {2}shop-http direct {2}status 200(?: \(distorted: [a-z-]+\))?$/gm;
    expect(asked.stdout.match(line), asked.stdout).toHaveLength(2);
    expect(here).toMatchObject({ code: 0, stdout: expect.stringMatching(/^1 made$/m) });
    const unknown = await whyslow('run', 'nobody', 'shop', ...api);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toMatch(/^whyslow: no device is called nobody; there are .*laptop-9/);
    const noApplication = await whyslow('run', 'laptop-9', 'nothing', ...api);
    expect(noApplication.code).toBe(2);
    expect(noApplication.stderr).toContain('no application nothing; there are broken, shop');
    const wrong = await whyslow('agent', 'measure', 'nothing', '--state', config.stateFolder);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('no probe nothing; there are broken-http, shop-http');
  }, 60_000);

  test('whyslow run --wait ends with 1 when a run failed', async () => {
    const { agent } = await startLabAgent({ name: 'laptop-10' });
    const api = ['--collector', lab.operatorUrl, '--token', lab.operatorToken ?? ''];
    const failed = await whyslow('run', agent.deviceId, 'broken', '--wait', ...api);
    expect(failed.stdout).toContain('✕');
    expect(failed).toMatchObject({ code: 1, stdout: expect.stringMatching(/^1 of 1 run made$/m) });
  }, 60_000);
});

describe('at most once', () => {
  const setUp = async () => {
    const collector = await startCollectorEndpoint();
    onTestFinished(() => collector.stop());
    return { collector, config: await onDemandConfig(collector.url, collector.createToken()) };
  };

  const offer = (
    collector: CollectorEndpoint,
    deviceId: string,
    requests: RunRequest[],
  ): Promise<void> => {
    const probe = httpProbe(`${origin.url}/`, { id: 'shop-http', appId: 'shop' });
    const config: DeviceConfig = {
      kind: 'device-config',
      version: 1,
      revision: 'r1',
      issuedAt: Date.now(),
      deviceId,
      forwarding: { mode: 'off', bypass: [], whenTunnelDown: 'open', pinnedEdge: '' },
      edges: [],
      plan: { revision: 'r1', probes: [{ ...probe, intervalMs: 86_400_000 }] },
      captivePortalUrl: '',
      sampleIntervalMs: 1_000,
      requests,
    };
    return collector.setConfig(config);
  };

  const request = (expiresAt = Date.now() + 300_000): RunRequest => ({
    id: randomUUID(),
    order: { probes: ['shop-http'] },
    expiresAt,
  });

  const results = (collector: CollectorEndpoint, { id }: RunRequest) =>
    collector
      .stored()
      .filter((each): each is Result => each.kind === 'result' && each.requestId === id);

  const reports = (collector: CollectorEndpoint, { id }: RunRequest) =>
    collector
      .stored()
      .filter((each): each is RunReport => each.kind === 'run-report' && each.requestId === id);

  test('though it is offered again, after a restart too; one that has expired is not begun', async () => {
    const { collector, config } = await setUp();
    const agent = await start(config);
    const [once, late, next] = [request(), request(Date.now() - 1), request()];
    await offer(collector, agent.deviceId, [once, late]);
    await waitUntil(() => reports(collector, once).some(({ state }) => state === 'done'));
    await agent.stop();
    const again = await start(config);
    await offer(collector, again.deviceId, [once, late, next]);
    await waitUntil(() => reports(collector, next).some(({ state }) => state === 'done'));
    expect(results(collector, once)).toHaveLength(1);
    expect(results(collector, next)).toHaveLength(1);
    expect(results(collector, late)).toHaveLength(0);
    expect(reports(collector, once).map(({ state }) => state)).toEqual([
      'picked-up',
      'running',
      'done',
    ]);
  }, 60_000);

  test('one under way when the agent was killed is told of as ended, and not begun again', async () => {
    const { collector, config } = await setUp();
    const first = await start(config);
    await first.stop();
    const cut = request();
    const file = join(config.stateFolder, 'requests.json');
    await expect(readFile(file)).rejects.toThrow();
    await writeFile(file, JSON.stringify({ ids: [{ id: cut.id, ended: false }] }));
    const second = await start(config);
    await offer(collector, second.deviceId, [cut]);
    await waitUntil(() => reports(collector, cut).length > 0);
    await waitUntil(async () => (await readAgentStatus(config.stateFolder)).probes.length > 0);
    expect(reports(collector, cut)).toMatchObject([
      { state: 'done', reason: expect.stringContaining('restarted') },
    ]);
    expect(results(collector, cut)).toEqual([]);
  }, 60_000);

  test('one that the agent’s stop cuts off is counted beside the plan', async () => {
    const { collector, config } = await setUp();
    const agent = await start(config);
    const cut = {
      ...request(),
      order: { probes: ['shop-http'], burst: { everySeconds: 1, forSeconds: 300 } },
    };
    await offer(collector, agent.deviceId, [cut]);
    await waitUntil(() => results(collector, cut).length > 0);
    await agent.stop();
    const done = reports(collector, cut).find(({ state }) => state === 'done');
    expect(done?.reason).toContain('stopped');
    expect((done?.madeCount ?? 0) + (done?.lostCount ?? 0)).toBe(300);
    const ended = collector
      .stored()
      .filter((each): each is MissedRuns => each.kind === 'missed')
      .filter(({ reason }) => reason === 'request-ended')
      .reduce((sum, { count }) => sum + count, 0);
    expect(ended).toBe(done?.lostCount);
    expect(results(collector, cut)).toHaveLength(done?.madeCount ?? -1);
  }, 60_000);
});
