import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { check } from '#contract/check.ts';
import type { PageStepSpec } from '#contract/page-step.ts';
import type { Artefact, Outcome } from '#probes/probe.ts';
import { Har, strangers } from './har-schema.ts';
import { type PageRunner, startPageRunner } from './page-runner.ts';

const password = 'SECRETWORD';
const secrets = () => ({ value: password });

const artefactOf = (outcome: Outcome, kind: Artefact['kind']) =>
  outcome.artefacts?.find((one) => one.kind === kind);

let site: PageRunner;
beforeAll(async () => {
  site = await startPageRunner();
});
afterAll(() => site.stop());

describe('the HTTP archive of a page load', () => {
  const archiveOf = (outcome: Outcome) => {
    const bytes = artefactOf(outcome, 'har')?.bytes ?? Buffer.alloc(0);
    return JSON.parse(Buffer.from(bytes).toString()) as {
      log: { pages: object[]; entries: { request: object; response: object; timings: object }[] };
    };
  };

  it('is HAR 1.2 by the letter, with a request for each that was made', async () => {
    site.origin.on('/old', { status: 302, headers: { location: '/archived?token=T0KEN&page=2' } });
    site.page('/archived', '<img src="/missing.svg?key=K3Y"><p>archived');
    const outcome = await site.run(`${site.origin.url}/old`, { har: true });
    const archive = archiveOf(outcome);
    expect(check(Har, archive)).toMatchObject({ ok: true });
    expect(strangers('log', archive.log)).toEqual([]);
    expect(archive.log.pages.flatMap((page) => strangers('page', page))).toEqual([]);
    for (const entry of archive.log.entries) {
      expect(strangers('entry', entry)).toEqual([]);
      expect(strangers('request', entry.request)).toEqual([]);
      expect(strangers('response', entry.response)).toEqual([]);
      expect(strangers('timings', entry.timings)).toEqual([]);
    }
    expect(archive.log.entries).toHaveLength(outcome.body.requestCount);
    const [first, second] = archive.log.entries;
    expect(first?.response).toMatchObject({ status: 302 });
    expect(second?.request).toMatchObject({
      url: `${site.origin.url}/archived?token=redacted&page=redacted`,
      queryString: [
        { name: 'token', value: 'redacted' },
        { name: 'page', value: 'redacted' },
      ],
    });
  });

  it('holds no body, query, cookie or credential, nor a secret that was typed', async () => {
    site.origin.on('/set', {
      headers: { 'set-cookie': 'sid=C00KIE', 'x-auth-token': 'T0KEN', 'x-plain': 'PLA1N' },
      body: `<!doctype html><form method="post" action="/posted/${password}"><input id="p" name="p"><button>go</button></form>BODYTEXT`,
    });
    site.page(`/posted/${password}`, 'thanks');
    const steps: PageStepSpec[] = [
      { type: 'fill', selector: '#p', secret: 'P' },
      { type: 'click', selector: 'button' },
    ];
    const outcome = await site.run(
      `${site.origin.url}/set?q=QU3RY`,
      { har: true, steps },
      { secrets },
    );
    expect(outcome.failure).toBeNull();
    const text = JSON.stringify(archiveOf(outcome));
    expect(text).not.toMatch(/C00KIE|T0KEN|PLA1N|QU3RY|BODYTEXT|SECRETWORD/);
    expect(text).toContain('x-plain');
    expect(text).toContain('/posted/•••');
    expect(JSON.stringify(outcome.body)).not.toContain(password);
  });

  it('is not made unless asked for', async () => {
    const outcome = await site.run(site.page('/plain', 'x'));
    expect(outcome.artefacts).toBeUndefined();
  });
});

describe('the screenshot of a page load', () => {
  const busy = `<script>for (let i = 0; i < 3e3; i++) document.write('<b style="position:absolute;left:' + Math.random() * 1300 + 'px;top:' + Math.random() * 700 + 'px;color:hsl(' + i + ' 90% 50%);font-size:30px">#%&</b>')</script>`;

  it('is made of a page that failed, however colourful, and is no larger than 300 kB', async () => {
    const outcome = await site.run(site.page('/broken', busy, 500));
    expect(outcome.failure?.type).toBe('http.error');
    const picture = artefactOf(outcome, 'screenshot');
    expect(picture).toMatchObject({ mediaType: 'image/jpeg' });
    expect(Buffer.from(picture?.bytes.subarray(0, 3) ?? []).toString('hex')).toBe('ffd8ff');
    expect(picture?.bytes.length).toBeGreaterThan(5_000);
    expect(picture?.bytes.length).toBeLessThanOrEqual(300_000);
  });

  it('is made of a page that does not finish and of a step that fails, unless declared never', async () => {
    site.origin.on('/never.svg', { fault: 'hang' });
    const hanging = site.page('/hanging', '<p>half</p><img src="/never.svg">');
    const late = await site.run(hanging, { timeoutMs: 2_500 });
    expect(late.failure?.type).toBe('browser.timed_out');
    expect(artefactOf(late, 'screenshot')).toBeDefined();
    const steps: PageStepSpec[] = [{ type: 'click', selector: '#x', timeoutSeconds: 0.3 }];
    const plain = site.page('/plain', 'x');
    expect(artefactOf(await site.run(plain, { steps }), 'screenshot')).toBeDefined();
    const never = await site.run(plain, { steps, screenshot: 'never' });
    expect(never.artefacts).toBeUndefined();
    expect(artefactOf(await site.run(plain, { screenshot: 'always' }), 'screenshot')).toBeDefined();
  });

  it('is not made once a secret was typed, whatever was asked for and however the page shows it', async () => {
    const url = site.page('/echo', '<input id="p" oninput="echo.alt = p.value"><img id="echo">');
    for (const screenshot of ['always', undefined] as const) {
      const steps: PageStepSpec[] = [
        { type: 'fill', selector: '#p', secret: 'P' },
        { type: 'click', selector: '#no-such', timeoutSeconds: 0.3 },
      ];
      const wanted = { steps, ...(screenshot === undefined ? {} : { screenshot }) };
      const outcome = await site.run(url, wanted, { secrets });
      expect(outcome.failure?.type).toBe('browser.step_failed');
      expect(outcome.artefacts).toBeUndefined();
    }
    expect(site.logged.filter((line) => line.includes('a secret was typed'))).toHaveLength(2);
    // One that was not reached hides nothing.
    const early: PageStepSpec[] = [
      { type: 'click', selector: '#no-such', timeoutSeconds: 0.3 },
      { type: 'fill', selector: '#p', secret: 'P' },
    ];
    const outcome = await site.run(url, { steps: early }, { secrets });
    expect(artefactOf(outcome, 'screenshot')).toBeDefined();
  });
});
