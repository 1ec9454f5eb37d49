import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PageLoadBody } from '#contract/body/page-load.ts';
import { check } from '#contract/check.ts';
import type { PageLoadProbe } from '#contract/plan.ts';
import { createPageLoadProber } from '#probes/page-load/page-load.ts';
import type { Outcome, ProbeContext } from '#probes/probe.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { startConnectProxy } from '#test/support/connect-proxy.ts';
import { startOrigin } from '#test/support/origin.ts';
import { startPageSite } from '#test/support/page-site.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import { browserProcesses, killRenderers } from './browser-processes.ts';

const pageProbe = (url: string, timeoutMs = 20_000): PageLoadProbe => ({
  type: 'page-load',
  id: 'page-load',
  appId: 'app',
  via: 'direct',
  intervalMs: 60_000,
  timeoutMs,
  url,
});

describe('page load', () => {
  let site: Awaited<ReturnType<typeof startPageSite>>;
  let workFolder: string;
  const prober = createPageLoadProber();

  beforeAll(async () => {
    workFolder = await mkdtemp(join(tmpdir(), 'whyslow-page-'));
    site = await startPageSite();
  });
  afterAll(async () => {
    await prober.stop();
    await site.stop();
    await rm(workFolder, { recursive: true, force: true });
  });

  const run = async (
    probe: PageLoadProbe,
    context: Partial<ProbeContext> = {},
    by = prober,
  ): Promise<Outcome<'page-load'>> => {
    const outcome = await by.run(probe, {
      signal: new AbortController().signal,
      proxy: undefined,
      extraCa: [site.authorityPem],
      workFolder,
      browserPath: undefined,
      ...context,
    });
    expect(check(PageLoadBody, outcome.body)).toMatchObject({ ok: true });
    return outcome;
  };
  const html = (path: string, body: string): string => {
    site.site.on(path, {
      body: `<!doctype html><link rel="icon" href="data:,"><p>text</p>${body}`,
    });
    return `${site.site.url}${path}`;
  };

  it('gives milestones in their order and counts what was loaded', async () => {
    const { failure, availability, body } = await run(pageProbe(site.pageUrl));
    expect(failure).toBeNull();
    expect(availability).toBe(1);
    expect(body).toMatchObject({
      status: 200,
      finalUrl: site.pageUrl,
      requestCount: 6,
      thirdPartyCount: 1,
      failedRequestCount: 0,
      consoleErrorCount: 0,
    });
    expect(body.browser).toMatch(/^\w+\/\d+/);
    const { ttfbMs, fcpMs, lcpMs, domContentLoadedMs, loadMs } = body;
    expect(ttfbMs).toBeGreaterThan(0);
    expect(fcpMs).toBeGreaterThan(ttfbMs ?? Infinity);
    expect(lcpMs).toBeGreaterThanOrEqual(fcpMs ?? Infinity);
    expect(loadMs).toBeGreaterThanOrEqual(domContentLoadedMs ?? Infinity);
    expect(body.cls).toBeGreaterThanOrEqual(0);
    expect(body.totalBlockingMs).toBeGreaterThanOrEqual(0);
    expect(body.transferBytes).toBeGreaterThan(1_000);
  });

  it('names the slowest resource first, with where its time went', async () => {
    const { body } = await run(pageProbe(site.pageUrl));
    const [slowest] = body.resources;
    expect(slowest?.url).toBe(`${site.site.url}/slow.svg`);
    expect(slowest).toMatchObject({ type: 'image', status: 200, host: '127.0.0.1', failed: null });
    // The browser stamps the end of sending once it has the CPU again: on a busy machine the server thinks already.
    expect(slowest?.waitMs).toBeGreaterThan(300);
    expect(slowest?.durationMs).toBeGreaterThanOrEqual(395);
    expect(slowest?.durationMs).toBeGreaterThanOrEqual(slowest?.waitMs ?? Infinity);
    expect(body.loadMs).toBeGreaterThanOrEqual(395);
    const document = body.resources.find(({ type }) => type === 'document');
    expect(document?.tlsMs).toBeGreaterThan(0);
    expect(document?.connectMs).toBeGreaterThanOrEqual(0);
    const tag = body.resources.find(({ host }) => host === 'localhost');
    expect(tag).toMatchObject({ type: 'script', url: `${site.thirdPartyUrl}/tag.js` });
  });

  it('has the server’s think time in the time to first byte', async () => {
    site.site.on('/thinking', { thinkMs: 300, body: '<!doctype html><p>at last' });
    const { body } = await run(pageProbe(`${site.site.url}/thinking`));
    expect(body.ttfbMs).toBeGreaterThanOrEqual(295);
    expect(body.resources.find(({ type }) => type === 'document')?.waitMs).toBeGreaterThan(200);
  });

  it('takes status 999 for an answer', async () => {
    site.site.on('/denied', { status: 999, body: '<!doctype html><p>no' });
    const { body, failure } = await run(pageProbe(`${site.site.url}/denied`));
    expect(body.status).toBe(999);
    expect(failure).toMatchObject({ type: 'http.error', source: 'target' });
  });

  it('keeps all the browser writes in the work folder, and removes it', async () => {
    const own = createPageLoadProber();
    const folder = await mkdtemp(join(tmpdir(), 'whyslow-own-'));
    try {
      await run(pageProbe(site.pageUrl), { workFolder: folder }, own);
      const [profile = ''] = await readdir(folder);
      const socket = await readlink(join(folder, profile, 'profile', 'SingletonSocket'));
      expect(socket.startsWith(join(folder, profile))).toBe(true);
      await own.stop();
      expect(await readdir(folder)).toEqual([]);
    } finally {
      await own.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('sees what frames of other sites load', async () => {
    const url = html('/framed', `<iframe src="${site.thirdPartyUrl}/frame"></iframe>`);
    const { body } = await run(pageProbe(url));
    expect(body.resources.map((resource) => resource.url)).toContain(
      `${site.thirdPartyUrl}/inside.svg`,
    );
    expect(body.thirdPartyCount).toBeGreaterThanOrEqual(2);
  });

  it('follows redirects, and stores no query', async () => {
    site.site.on('/old', { status: 302, headers: { location: '/page?token=secret' } });
    const { body, failure } = await run(pageProbe(`${site.site.url}/old`));
    expect(failure).toBeNull();
    expect(body).toMatchObject({ finalUrl: site.pageUrl, status: 200 });
    expect(body.resources.filter(({ status }) => status === 302)).toHaveLength(1);
    expect(JSON.stringify(body)).not.toContain('secret');
  });

  it('counts failed requests and console errors', async () => {
    const url = html(
      '/faulty',
      '<img src="/gone.svg"><script>console.error("one"); throw 2</script>',
    );
    const { body, failure } = await run(pageProbe(url));
    expect(failure).toBeNull();
    expect(body.failedRequestCount).toBe(1);
    expect(body.consoleErrorCount).toBeGreaterThanOrEqual(2);
  });

  it('adds up long tasks as blocking time', async () => {
    const spin = 'const end = performance.now() + 250; while (performance.now() < end);';
    // In a file of its own: an inline one may run in the task that brought the document, before any observer.
    site.site.on('/spin.js', { headers: { 'content-type': 'text/javascript' }, body: spin });
    const { body } = await run(pageProbe(html('/busy', '<script src="/spin.js"></script>')));
    expect(body.totalBlockingMs, JSON.stringify(body)).toBeGreaterThanOrEqual(190);
  });

  it('says http.error for a page that answers with an error status', async () => {
    site.site.on('/broken', { status: 503, body: '<!doctype html><p>sorry' });
    const { body, failure, availability } = await run(pageProbe(`${site.site.url}/broken`));
    expect(failure?.type).toBe('http.error');
    expect(availability).toBe(0);
    expect(body.status).toBe(503);
  });

  it('goes through the proxy it is given, and past it without one', async () => {
    const proxy = await startConnectProxy();
    const { failure } = await run(pageProbe(site.pageUrl), {
      proxy: { host: proxy.host, port: proxy.port },
    });
    expect(failure).toBeNull();
    expect(new Set(proxy.asked)).toEqual(
      new Set([`127.0.0.1:${site.site.port}`, `localhost:${site.thirdParty.port}`]),
    );
    const count = proxy.asked.length;
    await run(pageProbe(site.pageUrl));
    expect(proxy.asked).toHaveLength(count);
    await proxy.stop();
    const dead = await run(pageProbe(site.pageUrl), {
      proxy: { host: proxy.host, port: proxy.port },
    });
    expect(dead.failure).toMatchObject({ type: 'browser.navigation_failed' });
  });

  it.each([
    ['for another name', 'other-name', /CERT_COMMON_NAME_INVALID/],
    ['that has expired', 'expired', /CERT_DATE_INVALID/],
  ] as const)('refuses a certificate %s, also from a trusted CA', async (_, certificate, error) => {
    const authority = await createTestAuthority('another CA');
    const bad = await startOrigin({ authority, certificate });
    const { failure, availability } = await run(pageProbe(`${bad.url}/`), {
      extraCa: [authority.certificatePem],
    });
    await bad.stop();
    expect(failure).toMatchObject({
      type: 'browser.navigation_failed',
      message: expect.stringMatching(error),
    });
    expect(availability).toBe(0);
  });

  it('refuses the CA when it is not told to trust it', async () => {
    const { failure } = await run(pageProbe(site.pageUrl), { extraCa: [] });
    expect(failure?.message).toMatch(/CERT_AUTHORITY_INVALID/);
  });

  it('is not held up by a dialog', async () => {
    const { failure } = await run(pageProbe(html('/alert', '<script>alert("hello")</script>')));
    expect(failure).toBeNull();
  });

  it('gives what it has of a page that never finishes', async () => {
    site.site.on('/never.svg', { fault: 'hang' });
    const url = html('/hanging', '<img src="/never.svg">');
    const { failure, body } = await run(pageProbe(url, 3_000));
    expect(failure?.type).toBe('browser.timed_out');
    expect(body).toMatchObject({ status: 200, requestCount: 2, loadMs: null });
    expect(body.fcpMs).toBeGreaterThan(0);
    expect(body.resources[0]).toMatchObject({ failed: 'not finished' });
  });

  it('gives a result for a page whose script never ends, and goes on', async () => {
    const url = html('/spin', '<script>for (;;);</script>');
    const { failure, body } = await run(pageProbe(url, 3_000));
    expect(failure?.type).toBe('browser.timed_out');
    expect(body.status).toBe(200);
    expect(body.ttfbMs).toBeGreaterThan(0);
    expect((await run(pageProbe(site.pageUrl))).failure).toBeNull();
  });

  it('gives a result when the page’s process crashes, and goes on', async () => {
    site.site.on('/never.svg', { fault: 'hang' });
    const running = run(pageProbe(html('/crashing', '<img src="/never.svg">')));
    await waitUntil(() => site.site.seen.some(({ url }) => url === '/crashing'));
    await new Promise((resolve) => setTimeout(resolve, 500));
    killRenderers(workFolder);
    const { failure, body } = await running;
    expect(failure?.type).toBe('browser.crashed');
    expect(body.status).toBe(200);
    expect((await run(pageProbe(site.pageUrl))).failure).toBeNull();
  });

  it('gives a result when the browser is killed, and the next run works', async () => {
    site.site.on('/never.svg', { fault: 'hang' });
    const running = run(pageProbe(html('/killed', '<img src="/never.svg">')));
    await waitUntil(() => site.site.seen.some(({ url }) => url === '/killed'));
    await new Promise((resolve) => setTimeout(resolve, 500));
    const [leader] = browserProcesses(workFolder).filter(({ type }) => type === 'browser');
    if (leader === undefined) throw new Error('no browser is running');
    process.kill(leader.pid, 'SIGKILL');
    expect((await running).failure?.type).toBe('browser.crashed');
    expect((await run(pageProbe(site.pageUrl))).failure).toBeNull();
  });

  it('says browser.missing, with what to do', async () => {
    const { failure } = await run(pageProbe(site.pageUrl), { browserPath: '/no/such/browser' });
    expect(failure).toMatchObject({ type: 'browser.missing', source: 'none' });
    expect(failure?.action).toContain('WHYSLOW_BROWSER');
  });

  it('leaves nothing running and no profile after stop', async () => {
    const other = createPageLoadProber();
    const folder = join(workFolder, 'own');
    const { failure } = await run(pageProbe(site.pageUrl), { workFolder: folder }, other);
    expect(failure).toBeNull();
    expect(browserProcesses(folder)).not.toHaveLength(0);
    await other.stop();
    await other.stop();
    await waitUntil(() => browserProcesses(folder).length === 0);
    expect(await readdir(folder)).toEqual([]);
  });

  it('leaves no browser behind when its program is killed, and sweeps its profile', async () => {
    const folder = join(workFolder, 'killed');
    const plain = await startOrigin();
    plain.on('/hanging', { fault: 'hang' });
    const order = { probe: pageProbe(`${plain.url}/hanging`, 60_000), workFolder: folder };
    const runner = fileURLToPath(new URL('./run-page.ts', import.meta.url));
    const program = spawn(process.execPath, ['--import', 'tsx', runner, JSON.stringify(order)]);
    await waitUntil(() => plain.seen.length > 0);
    expect(browserProcesses(folder)).not.toHaveLength(0);
    program.kill('SIGKILL');
    await waitUntil(() => browserProcesses(folder).length === 0, 10_000);
    expect(await readdir(folder)).toHaveLength(1);

    const next = createPageLoadProber();
    await run(pageProbe(site.pageUrl), { workFolder: folder }, next);
    expect(await readdir(folder)).toHaveLength(1);
    await next.stop();
    expect(await readdir(folder)).toEqual([]);
    await plain.stop();
  });
});
