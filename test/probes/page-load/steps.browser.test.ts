import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PageStepSpec } from '#contract/page-step.ts';
import { startConnectProxy } from '#test/support/connect-proxy.ts';
import { type PageRunner, startPageRunner } from './page-runner.ts';

const secret = 'c0rrect horse&battery';
const secrets = (name: string) => (name === 'CRM_PASSWORD' ? { value: secret } : undefined);

const logIn: PageStepSpec[] = [
  { type: 'fill', selector: '#user', value: 'alice' },
  { type: 'fill', name: 'password', selector: '#password', secret: 'CRM_PASSWORD' },
  { type: 'select', selector: '#role', value: 'admin' },
  { type: 'click', name: 'log in', selector: 'text/Log in' },
  { type: 'wait', url: '/home?*role=admin' },
  { type: 'expect', text: 'Welcome' },
  { type: 'expect', name: 'menu', selector: '#menu' },
  { type: 'press', key: 'End' },
  { type: 'goto', url: 'http://replaced.test/' },
];

describe('steps on a page', () => {
  let site: PageRunner;
  let steps: PageStepSpec[];

  beforeAll(async () => {
    // A proxy sees what goes through CONNECT, as the tunnel does.
    site = await startPageRunner({ secure: true });
    site.page(
      '/login',
      `<form action="/home"><input id="user" name="user"><input id="password" name="password" type="password">
       <select id="role" name="role"><option value="user">User<option value="admin">Admin</select>
       <button>Log in</button></form>`,
    );
    // What comes after a click comes late, as anywhere.
    site.page(
      '/home',
      `<p id="hello"></p><script>setTimeout(() => { hello.innerHTML = 'Welcome <b id="menu">menu</b>' }, 150)</script>
       <img src="/picture.svg">`,
    );
    site.origin.on('/picture.svg', {
      headers: { 'content-type': 'image/svg+xml' },
      body: '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>',
    });
    const report = site.page('/report', '<h1>Report</h1>');
    steps = logIn.map((step) => (step.type === 'goto' ? { ...step, url: report } : step));
  });
  afterAll(() => site.stop());

  it('log in, look around and go on, each timed with what it loaded', async () => {
    const { body, failure } = await site.run(`${site.origin.url}/login`, { steps }, { secrets });
    expect(failure).toBeNull();
    expect(body.steps?.map(({ outcome }) => outcome)).toEqual(steps.map(() => 'passed'));
    const [, password, , click, , text] = body.steps ?? [];
    expect(password).toMatchObject({ name: 'password', kind: 'fill', selector: '#password' });
    expect(click).toMatchObject({ name: 'log in', requestCount: 2 });
    expect(click?.transferBytes).toBeGreaterThan(100);
    expect(text?.durationMs).toBeGreaterThan(50);
    expect(body.finalUrl).toBe(`${site.origin.url}/report`);
    // Milestones are of the page that was opened, counts of all that was loaded.
    expect(body.loadMs).toBeGreaterThan(0);
    expect(body.requestCount).toBe(4);
    const home = site.origin.seen.find(({ url }) => url.startsWith('/home'));
    expect(new URLSearchParams(home?.url.split('?')[1]).get('password')).toBe(secret);
    expect(JSON.stringify(body)).not.toMatch(/c0rrect|horse|alice/);
  });

  it('go through the tunnel’s proxy like the page itself', async () => {
    const proxy = await startConnectProxy();
    const { failure } = await site.run(
      `${site.origin.url}/login`,
      { steps },
      { secrets, proxy: { host: proxy.host, port: proxy.port } },
    );
    await proxy.stop();
    expect(failure).toBeNull();
    expect(proxy.asked.length).toBeGreaterThan(0);
  });

  it('end at the first that fails, which is named with what was there instead', async () => {
    const { body, failure, availability } = await site.run(`${site.origin.url}/login`, {
      steps: [
        { type: 'wait', selector: '#user' },
        { type: 'click', name: 'open menu', selector: '#no-such', timeoutSeconds: 0.5 },
        { type: 'press', key: 'Tab' },
      ],
    });
    expect(availability).toBe(0);
    expect(failure).toMatchObject({ type: 'browser.step_failed', source: 'target' });
    expect(failure?.message).toMatch(
      /^step 2 “open menu” \(#no-such\) – nothing matched the selector within 0.5 s; the page is “login”/,
    );
    expect(body.steps?.map(({ outcome }) => outcome)).toEqual(['passed', 'failed', 'skipped']);
    expect(body.steps?.[1]?.failure).toContain('nothing matched');
    expect(body.loadMs).toBeGreaterThan(0);
  });

  it.each([
    ['hidden', '<button id="b" style="display:none">x</button>', /was there but hidden/],
    ['disabled', '<button id="b" disabled>x</button>', /was there but disabled/],
  ])('say of an element that it is %s', async (name, html, reason) => {
    const url = site.page(`/${name}`, html);
    const { failure } = await site.run(url, {
      steps: [{ type: 'click', selector: '#b', timeoutSeconds: 0.5 }],
    });
    expect(failure?.message).toMatch(reason);
  });

  it('say which text or address did not come, and which option there is not', async () => {
    const at = `${site.origin.url}/login`;
    const failing = async (step: PageStepSpec) =>
      (await site.run(at, { steps: [{ ...step, timeoutSeconds: 0.3 }] })).failure?.message;
    expect(await failing({ type: 'expect', text: 'Goodbye' })).toMatch(/“Goodbye” did not appear/);
    expect(await failing({ type: 'wait', url: '*/nowhere' })).toMatch(/address did not become/);
    expect(await failing({ type: 'select', selector: '#role', value: 'king' })).toMatch(
      /no option of value king/,
    );
  });

  it('fail when a click leads to an error, and when its page never comes', async () => {
    site.page('/gone', 'sorry', 500);
    site.origin.on('/never', { fault: 'hang' });
    const url = site.page('/links', '<a id="a" href="/gone">a</a> <a id="b" href="/never">b</a>');
    const gone = await site.run(url, { steps: [{ type: 'click', selector: '#a' }] });
    expect(gone.failure?.message).toMatch(/answered with status 500/);
    const never = await site.run(url, {
      steps: [{ type: 'click', selector: '#b', timeoutSeconds: 1 }],
    });
    expect(never.failure?.message).toMatch(/did not finish loading/);
  });

  it('find what stands in a frame, and work on while the page goes away by itself', async () => {
    site.page('/inner', '<input id="q"><button id="go" onclick="this.id = `done`">go</button>');
    const framed = site.page('/outer', '<iframe src="/inner"></iframe>');
    const inFrame = await site.run(framed, {
      steps: [
        { type: 'fill', selector: '#q', value: 'x' },
        { type: 'click', selector: '#go' },
        { type: 'wait', selector: '#done' },
      ],
    });
    expect(inFrame.failure).toBeNull();
    site.page('/second', '<h1 id="there">there</h1>');
    const leaving = site.page(
      '/leaving',
      '<script>onload = () => setTimeout(() => { location = "/second" }, 400)</script>',
    );
    const left = await site.run(leaving, { steps: [{ type: 'wait', selector: '#there' }] });
    expect(left.failure).toBeNull();
    expect(left.body.finalUrl).toContain('/second');
  });

  it('are not begun without their secrets, which is not the application’s fault', async () => {
    const before = site.origin.seen.length;
    const { failure } = await site.run(`${site.origin.url}/login`, { steps });
    expect(failure).toMatchObject({ type: 'agent.secret_missing', source: 'agent' });
    expect(failure?.message).toContain('CRM_PASSWORD');
    expect(site.origin.seen).toHaveLength(before);
  });

  it('stop when the run’s time is over, and say which was under way', async () => {
    const { failure, body } = await site.run(`${site.origin.url}/login`, {
      timeoutMs: 2_500,
      steps: [{ type: 'wait', selector: '#never', timeoutSeconds: 30 }],
    });
    expect(failure?.type).toBe('browser.timed_out');
    expect(failure?.message).toMatch(/step 1 “wait #never” was under way/);
    expect(body.steps?.[0]).toMatchObject({ outcome: 'failed' });
  });

  it('that no browser understands are the probe’s fault', async () => {
    const { failure } = await site.run(`${site.origin.url}/login`, {
      steps: [{ type: 'click', selector: 'a:no-such-thing(1)' }],
    });
    expect(failure?.type).toBe('probe.bad_config');
  });
});

describe('a secret', () => {
  const inbox = `<input id="password" oninput="fetch('/told?' + encodeURIComponent(this.value))">`;
  const type: PageStepSpec = {
    type: 'fill',
    selector: '#password',
    secret: 'CRM_PASSWORD',
    timeoutSeconds: 4,
  };
  const told = (who: PageRunner) =>
    who.origin.seen.filter(({ url }) => url.startsWith('/told')).map(({ url }) => url);

  let app: PageRunner;
  let other: PageRunner;
  let elsewhere: string;
  beforeAll(async () => {
    [app, other] = await Promise.all([startPageRunner(), startPageRunner()]);
    other.page('/ad', inbox);
    elsewhere = `http://localhost:${other.origin.port}`;
  });
  afterAll(() => Promise.all([app.stop(), other.stop()]));

  it('is typed into the page it is for, not into a frame of another site that has such a field first', async () => {
    const url = app.page(
      '/framed',
      `<iframe src="${elsewhere}/ad"></iframe><div id="f"></div>
       <script>setTimeout(() => { f.innerHTML = ${JSON.stringify(inbox)} }, 1200)</script>`,
    );
    const { failure } = await app.run(url, { steps: [type] }, { secrets });
    expect(failure).toBeNull();
    expect(told(other)).toEqual([]);
    expect(decodeURIComponent(told(app).at(-1) ?? '')).toBe(`/told?${secret}`);
  });

  it('is not typed where the site sends its visitors to another host, which is named with the fix', async () => {
    app.origin.on('/away', { status: 302, headers: { location: `${elsewhere}/ad` } });
    const steps = [{ ...type, timeoutSeconds: 0.6 }];
    const { failure } = await app.run(`${app.origin.url}/away`, { steps }, { secrets });
    expect(failure?.type).toBe('browser.step_failed');
    expect(failure?.message).toContain(`not typed: the field is on a page of ${elsewhere}`);
    expect(failure?.message).toContain('name it in its `origins` in the secrets file');
    expect(told(other)).toEqual([]);
  });

  it('goes to the other host, or into its frame, where the secrets file says so, and then only there', async () => {
    const bound = () => ({ value: secret, origins: [elsewhere] });
    const url = app.page('/both', `${inbox}<iframe src="${elsewhere}/ad"></iframe>`);
    const before = told(app).length;
    const { failure } = await app.run(url, { steps: [type] }, { secrets: bound });
    expect(failure).toBeNull();
    expect(decodeURIComponent(told(other).at(-1) ?? '')).toBe(`/told?${secret}`);
    expect(told(app)).toHaveLength(before);
  });

  it('waits for a field that can be used, and is seen by a page that keeps its fields itself', async () => {
    const url = app.page(
      '/managed',
      `<input id="password" disabled><p id="seen"></p><script>
       const own = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value');
       let known = '';
       Object.defineProperty(password, 'value', {
         get() { return own.get.call(this) }, set(v) { known = v; own.set.call(this, v) } });
       password.oninput = () => { if (password.value !== known) { seen.textContent = 'changed' } };
       setTimeout(() => { password.disabled = false }, 1_000)</script>`,
    );
    const steps: PageStepSpec[] = [type, { type: 'expect', text: 'changed' }];
    const { body, failure } = await app.run(url, { steps }, { secrets });
    expect(failure).toBeNull();
    expect(body.steps?.[0]?.durationMs).toBeGreaterThan(100);
  });

  it('is in nothing that is told of a run, however the page repeats it and wherever that is cut', async () => {
    const url = app.page(
      '/echo',
      `<input id="password"><script>
       password.oninput = () => {
         const it = password.value;
         document.title = 'x'.repeat(52) + it;
         for (let n = 285; n < 300; n += 5) console.error('y '.repeat(n / 2) + it.toUpperCase());
         setTimeout(() => { throw new Error(it.replace(' ', '  \\n') + ' ' + it + ' ' + btoa('me:' + it)) });
         history.pushState({}, '', '/' + 'z'.repeat(80) + encodeURIComponent(encodeURIComponent(it)).toLowerCase());
       }</script>`,
    );
    const steps: PageStepSpec[] = [type, { type: 'expect', text: 'x', timeoutSeconds: 0.5 }];
    const { body, failure, artefacts } = await app.run(url, { steps, har: true }, { secrets });
    expect(failure?.type).toBe('browser.step_failed');
    expect(body.problems?.length).toBeGreaterThan(2);
    const told = JSON.stringify({ body, failure }) + Buffer.from(artefacts?.[0]?.bytes ?? []);
    expect(told).not.toMatch(/c0r|horse|batt/i);
  });
});
