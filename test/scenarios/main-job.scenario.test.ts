import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readAgentStatus } from '#agent/status.ts';
import type { RunningFile } from '#cli/up/state-folder.ts';
import { openStore } from '#collector/store/open.ts';
import type { DeviceApplicationView, IncidentLine } from '#collector/triage/views.ts';
import type { Organisation } from '#contract/organisation.ts';
import type { Verdict } from '#contract/verdict.ts';
import { findBrowser } from '#probes/page-load/find-browser.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { waitUntil } from '../support/wait-until.ts';
import { alive, startUp, type Up } from '../support/whyslow-up.ts';

/**
 * The main job, as a person runs it: every program a process of its own, real TLS, real browser,
 * two of them killed in the middle. The tests build on each other and run in order.
 */
const intervalSeconds = 5;
let up: Up;
let lastRunning: RunningFile;
let counted: Origin;

beforeAll(async () => {
  counted = await startOrigin();
  up = await startUp({ intervalSeconds, port: 18_420 });
}, 120_000);

afterAll(async () => {
  await up?.stop();
  up?.remove();
  await counted?.stop();
});

const newestVerdict = async (appId: string): Promise<Verdict | undefined> => {
  const { items } = await up.api<{ items: { verdict: Verdict }[] }>(`/v1/verdicts?app=${appId}`);
  return items[0]?.verdict;
};

describe.sequential('the main job on one machine', () => {
  test('everything comes up and its addresses are printed', () => {
    expect(up.printed()).toMatch(/Triage page +http:\/\/127\.0\.0\.1:\d+\/enter\?token=/);
    expect(up.printed()).toMatch(/Local proxy +http:\/\/127\.0\.0\.1:\d+ +SOCKS5 127/);
  });

  test('the slow application is named with the right segment within two probe intervals', async () => {
    let verdict: Verdict | undefined;
    await waitUntil(async () => {
      verdict = await newestVerdict('payroll');
      return verdict?.state === 'slow';
    }, 60_000);
    expect(verdict?.segment).toBe('server');
    expect(verdict?.addedMs).toBeGreaterThan(500);
    expect(verdict?.addedMs).toBeLessThan(900);
    expect(verdict?.sentence).toMatch(
      /^Payroll is slow on .+: its server takes \d{3} ms to answer/,
    );

    const { deviceId } = verdict as Verdict;
    const { runs } = await up.api<DeviceApplicationView>(
      `/v1/devices/${deviceId}/applications/payroll`,
    );
    const firstRunAt = Math.min(
      ...runs.filter(({ type, via }) => type === 'http' && via === 'tunnel').map(({ at }) => at),
    );
    const { incidents } = await up.api<{ incidents: IncidentLine[] }>('/v1/incidents');
    const opened = incidents.find(({ application }) => application.id === 'payroll');
    expect((opened?.openedAt ?? 0) - firstRunAt).toBeLessThan(2 * intervalSeconds * 1_000);
    await waitUntil(() => /● Payroll is slow on .+ \d{3} ms/.test(up.printed()), 20_000);
  });

  test('the webhook about it arrives with a valid signature', async () => {
    await waitUntil(
      () => up.printed().includes('webhook verdict.opened for Payroll received, signature valid'),
      30_000,
    );
    const { items } = await up.api<{ items: { state: string; attemptCount: number }[] }>(
      '/v1/deliveries',
    );
    expect(
      items.some(({ state, attemptCount }) => state === 'delivered' && attemptCount === 1),
    ).toBe(true);
  });

  test('a user’s requests go through the tunnel with the right content', async () => {
    const { exampleUrl, socksPort } = up.running();
    const expected = createHash('sha256').update(page('Intranet')).digest('hex');
    const hash = (body: string) => createHash('sha256').update(body).digest('hex');

    const proxied = await up.curl(exampleUrl);
    expect(proxied.status).toBe('200 200');
    expect(hash(proxied.body)).toBe(expected);

    const socks = await up.curl(exampleUrl, '--socks5-hostname', `127.0.0.1:${socksPort}`);
    expect(hash(socks.body)).toBe(expected);
  });

  test('an internal application is reached through the tunnel and in no other way', async () => {
    const url = 'https://wiki.corp.internal:8446/';
    const port = (await organisation()).applications.find(({ id }) => id === 'wiki')?.ports?.[0];
    const wiki = url.replace('8446', String(port));
    expect((await up.curl(wiki)).body).toContain('<h1>Wiki (internal only)</h1>');
    expect((await up.curl(wiki, '--noproxy', '*')).exit).toBe(6); // could not resolve host
  });

  test('what no application declares private is refused by name of the reason', async () => {
    const port = counted.port;
    const refused = await up.curl(`https://127.0.0.1:${port}/`);
    expect(refused.status).toBe('000 403');
    expect(refused.body).toContain('403');
  });

  /** Both are as near: which one is taken is decided by a few microseconds. */
  const edgeInUse = async () => (await newestVerdict('payroll'))?.edgeId ?? '';

  test('the person sees the verdict, the ledger and the path on a page', async () => {
    const verdict = await newestVerdict('payroll');
    const { operatorUrl, operatorToken } = up.running();
    const executablePath = findBrowser({
      configured: undefined,
      platform: process.platform,
      home: homedir(),
      exists: existsSync,
    });
    const browser = await puppeteer.launch({
      executablePath: executablePath ?? 'chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    try {
      const tab = await browser.newPage();
      await tab.setViewport({ width: 1280, height: 1400 });
      await tab.goto(`${operatorUrl}/enter?token=${operatorToken}`);
      expect(await tab.title()).toContain('Applications');
      expect(tab.url()).not.toContain('token');
      expect(await tab.evaluate(() => document.body.textContent)).toContain('its server takes');

      await tab.goto(`${operatorUrl}/devices/${verdict?.deviceId}/applications/payroll`);
      const text = await tab.evaluate(() => document.body.textContent);
      expect(text).toContain('Payroll is slow on');
      expect(text).toContain(await edgeInUse());
      const { deviceId } = verdict as Verdict;
      await tab.goto(`${operatorUrl}/devices/${deviceId}`);
      expect(await tab.evaluate(() => document.body.textContent)).toContain('Payroll');
    } finally {
      await browser.close();
    }
  });

  test('a killed edge costs the user seconds, not the afternoon', async () => {
    const { exampleUrl } = up.running();
    const status = async () => (await up.curl(exampleUrl)).status;
    await up.crash(await edgeInUse());
    await waitUntil(async () => (await status()) === '200 200', 15_000);
  });

  test('agent and collector killed in the middle: nothing is lost and nothing doubled', async () => {
    const document = await organisation();
    const url = `http://counted.localhost:${counted.port}/`;
    await up.api('/v1/organisation', {
      method: 'PUT',
      body: {
        ...document,
        applications: [
          ...document.applications,
          {
            id: 'counted',
            name: 'Counted',
            hosts: ['counted.localhost'],
            private: true,
            ports: [counted.port],
            addresses: { 'counted.localhost': '127.0.0.1' },
            probes: [{ type: 'http', url, intervalSeconds: 1, via: 'tunnel' }],
          },
        ],
      },
    });
    await waitUntil(() => counted.seen.length >= 4, 40_000);
    await up.crash('collector');
    await waitUntil(() => counted.seen.length >= 8, 40_000);
    await up.crash('agent');
    const before = counted.seen.length;
    await waitUntil(() => counted.seen.length >= before + 4, 60_000);
    await up.crash('collector');
    const later = counted.seen.length;
    await waitUntil(() => counted.seen.length >= later + 4, 60_000);
    // The agent ships what it holds before it ends, and the collector has answered again by then.
    await waitUntil(() => newestVerdict('counted').then(Boolean, () => false), 60_000);
    await waitUntil(async () => {
      const { shipping } = await readAgentStatus(join(up.state, 'agent'));
      return shipping.problem === null && shipping.pendingCount <= 5;
    }, 60_000);

    lastRunning = up.running();
    const pids = Object.values(lastRunning.programs);
    expect(await up.stop()).toBe(0);
    expect(alive(pids)).toEqual([]);

    const store = await openStore({
      engine: 'duckdb',
      file: join(up.state, 'collector', 'series.duckdb'),
    });
    try {
      const range = { fromMs: 0, toMs: 4_000_000_000_000, limit: 100_000 };
      const rows = await store.select({ measurement: 'http', tags: { app: 'counted' }, ...range });
      const missed = await store.select({ measurement: 'missed', ...range });
      const ids = new Set(rows.map(({ fields }) => fields.result_id));
      const answered = rows.filter(({ fields }) => fields.ok === 1).length;
      // Of a burst on suspicion they are no planned ones.
      const cutOff = missed
        .filter(({ tags }) => tags.reason === 'stopped' || tags.reason === 'request-ended')
        .filter(({ tags }) => tags.probe.startsWith('counted'))
        .reduce((sum, { fields }) => sum + (fields.run_count ?? 0), 0);

      expect(ids.size).toBe(rows.length);
      // Every request that the application answered is a stored result, or a run cut off by a kill.
      expect(answered).toBeLessThanOrEqual(counted.seen.length);
      expect(counted.seen.length - answered).toBeLessThanOrEqual(cutOff);
      expect(answered).toBeGreaterThan(12);
    } finally {
      await store.stop();
    }
  });

  test('Ctrl-C leaves no process and no open port behind', async () => {
    const { proxyPort, operatorUrl } = lastRunning;
    await expect(fetch(operatorUrl)).rejects.toThrow();
    await expect(fetch(`http://127.0.0.1:${proxyPort}/proxy.pac`)).rejects.toThrow();
    expect(up.printed()).toContain('Everything is stopped.');
  });
});

const organisation = async (): Promise<Organisation> =>
  (await up.api<{ document: Organisation }>('/v1/organisation')).document;

/** The page as the sample application serves it. */
const page = (name: string): string =>
  readFileSync('examples/site/index.html', 'utf8').replaceAll('{{name}}', name);
