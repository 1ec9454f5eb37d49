import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { homedir, networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PageStepSpec } from '#contract/page-step.ts';
import { startConnectProxy } from '#test/support/connect-proxy.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import { browserProcesses } from './browser-processes.ts';
import { type PageRunner, startPageRunner } from './page-runner.ts';

/** Pages that would hold up, escape from or exhaust whoever loads them. */
describe('a page load', () => {
  let site: PageRunner;
  beforeAll(async () => {
    site = await startPageRunner();
    site.page('/other', 'other');
  });
  afterAll(() => site.stop());
  const fine = async () => {
    const { failure } = await site.run(site.page('/fine', 'fine'));
    expect(failure).toBeNull();
  };

  it('is stopped and named when the page sends itself on for ever', async () => {
    const url = site.page('/round', '<script>location = "/round?" + Math.random()</script>');
    const { failure, body } = await site.run(url);
    expect(failure).toMatchObject({ type: 'http.response.redirect_loop', source: 'target' });
    expect(failure?.message).toMatch(/sent itself on \d+ times by script/);
    expect(body.requestCount).toBeLessThan(100);
    await fine();
  });

  it('opens no windows by itself, and closes those a click opens', async () => {
    const url = site.page(
      '/windows',
      `<script>for (let i = 0; i < 20; i++) window.open('/popped?by-itself')</script>
       <button onclick="window.open('/popped?by-click'); this.id = 'clicked'">open</button>`,
    );
    site.page('/popped', '<script>setInterval(() => fetch("/popped?again"), 50)</script>');
    const steps: PageStepSpec[] = [
      { type: 'click', selector: 'button' },
      { type: 'expect', selector: '#clicked' },
    ];
    expect((await site.run(url, { steps })).failure).toBeNull();
    expect(site.origin.seen.filter((one) => one.url === '/popped?by-itself')).toEqual([]);
    const again = () => site.origin.seen.filter((one) => one.url === '/popped?again').length;
    const count = again();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(again()).toBe(count);
    await fine();
  });

  it('saves nothing to the disk, and says so where there is no page', async () => {
    site.origin.on('/file.bin', {
      headers: { 'content-type': 'application/octet-stream', 'content-disposition': 'attachment' },
      body: Buffer.alloc(1_000),
    });
    const before = await readdir(homedir());
    const { failure } = await site.run(`${site.origin.url}/file.bin`);
    expect(failure?.type).toBe('browser.navigation_failed');
    expect(failure?.message).toMatch(/download/);
    const url = site.page('/saves', '<a id="a" href="/file.bin" download>save</a>');
    const clicked = await site.run(url, { steps: [{ type: 'click', selector: '#a' }] });
    expect(clicked.failure).toBeNull();
    expect(await readdir(homedir())).toEqual(before);
  });

  it('answers dialogs, also those that would keep it on the page', async () => {
    const url = site.page(
      '/asks',
      `<script>alert(1); confirm(2); prompt(3); onbeforeunload = () => 'stay';</script>
       <a id="a" href="/other">leave</a>`,
    );
    const { failure, body } = await site.run(url, { steps: [{ type: 'click', selector: '#a' }] });
    expect(failure).toBeNull();
    expect(body.finalUrl).toContain('/other');
  });

  it('ends in time when dialogs never do', async () => {
    const url = site.page('/nagging', '<script>for (;;) alert(1)</script>');
    const { failure, durationMs } = await site.run(url, { timeoutMs: 2_500 });
    expect(failure?.type).toBe('browser.timed_out');
    expect(durationMs).toBeLessThan(10_000);
    await fine();
  });

  it.each([
    ['in its scripts', 'a.push(new Array(1e6).fill(Math.random()))'],
    ['beside its scripts', 'a.push(new Uint8Array(5e7).fill(1))'],
  ])('is stopped when the page eats memory %s, before the device has none', async (name, eat) => {
    const url = site.page(
      `/hungry-${name.length}`,
      `<script>const a = []; setInterval(() => { for (let i = 0; i < 4; i++) ${eat} }, 5)</script><img src="/never.svg">`,
    );
    site.origin.on('/never.svg', { fault: 'hang' });
    const { failure } = await site.run(url);
    expect(failure).toMatchObject({ type: 'browser.crashed' });
    expect(failure?.message).toMatch(/out of memory/);
    await fine();
    // Of the one that was stopped nothing is left, its crash handler included.
    const leaders = () =>
      browserProcesses(site.workFolder).filter(
        ({ pid, group, type }) => type === 'browser' && pid === group,
      );
    await waitUntil(() => leaders().length === 1);
  });

  it('is stopped when the page makes the browser send more than a program can take', async () => {
    const say = (what: string) =>
      `<script>setTimeout(() => { const s = '\\u0001'.repeat(1e6); ${what} }, 300)</script><img src="/never.svg">`;
    site.origin.on('/never.svg', { fault: 'hang' });
    const once = await site.run(site.page('/long-word', say('console.error(s,s,s,s,s,s,s,s)')));
    expect(once.failure).toMatchObject({
      type: 'browser.crashed',
      message: expect.stringContaining('a message of more than 32 MB'),
    });
    const often = await site.run(
      site.page('/many-words', say('for (;;) console.log(s.slice(0, 1e5))')),
    );
    expect(often.failure).toMatchObject({
      type: 'browser.crashed',
      message: expect.stringContaining('messages of more than 256 MB'),
    });
    await fine();
  });

  it('sends no UDP past a proxy, nor without one', async () => {
    const received: number[] = [];
    const stun = createSocket('udp4', ({ length }) => received.push(length)).bind(0);
    await once(stun, 'listening');
    const proxy = await startConnectProxy();
    const own = Object.values(networkInterfaces())
      .flat()
      .find((one) => one?.family === 'IPv4' && !one.internal)?.address;
    const secure = await startPageRunner({ secure: true });
    const url = secure.page(
      '/calls',
      `<script>
        const call = new RTCPeerConnection({ iceServers: [{ urls: 'stun:${own ?? '127.0.0.1'}:${stun.address().port}' }] });
        call.createDataChannel('x');
        call.createOffer().then((offer) => call.setLocalDescription(offer));
        call.onicegatheringstatechange = () => fetch('/gathering?' + call.iceGatheringState);
      </script>`,
    );
    for (const context of [{ proxy }, {}]) {
      expect((await secure.run(url, {}, context)).failure).toBeNull();
    }
    expect(received).toEqual([]);
    const told = secure.origin.seen.filter((one) => one.url === '/gathering?complete');
    expect(told).toHaveLength(2);
    await secure.stop();
    await proxy.stop();
    stun.close();
  });

  it('is stopped when the page loads more than 100 MB, with what was measured', async () => {
    site.origin.on('/big.bin', { body: Buffer.alloc(60_000_000) });
    site.origin.on('/never.svg', { fault: 'hang' });
    const url = site.page(
      '/greedy',
      `<img src="/never.svg"><script>for (let i = 0; i < 3; i++) fetch('/big.bin?' + i)</script>`,
    );
    const { failure, body } = await site.run(url);
    expect(failure).toMatchObject({ type: 'http.response.too_large', source: 'target' });
    expect(failure?.message).toContain('more than 100 MB');
    expect(body.transferBytes).toBeGreaterThan(100e6);
    expect(body.transferBytes).toBeLessThan(180e6);
    expect(body.requestCount).toBe(5);
    await fine();
  });

  it('counts all complaints of the page, and looks at two hundred', async () => {
    const url = site.page(
      '/complains',
      `<script>
        for (let i = 0; i < 199; i++) console.error('Failed to load resource');
        console.error('in time');
        for (let i = 0; i < 100; i++) console.error('too late ' + i);
      </script>`,
    );
    const { body } = await site.run(url);
    expect(body.consoleErrorCount).toBe(300);
    expect(body.problems).toEqual([{ kind: 'console', text: 'in time' }]);
  });
});
