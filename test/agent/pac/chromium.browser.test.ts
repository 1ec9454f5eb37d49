import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch } from 'puppeteer-core';
import { expect, onTestFinished, test } from 'vitest';
import { createEdgeLab } from '#test/support/edge-lab.ts';
import { startLoopbackForwarding } from '#test/support/loopback-forwarding.ts';
import { startOrigin } from '#test/support/origin.ts';
import { expectedOf, semantics, semanticsPac } from './semantics.ts';

const startBrowser = async (pacUrl: string) => {
  const userDataDir = await mkdtemp(join(tmpdir(), 'whyslow-pac-'));
  onTestFinished(() => rm(userDataDir, { recursive: true, force: true, maxRetries: 5 }));
  const browser = await launch({
    executablePath: process.env['WHYSLOW_BROWSER'] ?? '/usr/bin/chromium',
    userDataDir,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      `--proxy-pac-url=${pacUrl}`,
      // Else the browser goes past any proxy for loopback.
      '--proxy-bypass-list=<-loopback>',
    ],
  });
  onTestFinished(() => browser.close());
  return browser.newPage();
};

/** A proxy that answers every plain request itself, with one word. */
const startWord = async (word: string, pac?: () => string): Promise<string> => {
  const server: Server = createServer((request, response) => {
    const isPac = request.url === '/proxy.pac';
    response.writeHead(200, {
      'access-control-allow-origin': '*',
      'content-type': isPac ? 'application/x-ns-proxy-autoconfig' : 'text/html',
    });
    response.end(isPac ? pac?.() : word);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
};

test('every function comes to the same in Chromium as in our sandbox', async () => {
  const places = { yes: '', no: '', thrown: '' };
  const proxies = () => ({
    yes: `PROXY ${places.yes}`,
    no: `PROXY ${places.no}`,
    thrown: `PROXY ${places.thrown}`,
  });
  places.yes = await startWord('yes', () => semanticsPac(proxies()));
  places.no = await startWord('no');
  places.thrown = await startWord('thrown');
  const page = await startBrowser(`http://${places.yes}/proxy.pac`);
  await page.goto('http://start.test/');
  const found = await page.evaluate(
    (count) =>
      Promise.all(
        Array.from({ length: count }, async (_, index) =>
          (await fetch(`http://case-${index}.test/`)).text(),
        ),
      ),
    semantics.length,
  );
  expect(found.map((word, index) => [semantics[index]?.[0], word])).toEqual(
    semantics.map(([expression, value]) => [expression, expectedOf(value)]),
  );
});

test('Chromium follows the file the agent serves: the organisation’s own, with our address in it', async () => {
  const lab = await createEdgeLab();
  onTestFinished(() => lab.stop());
  const origin = await startOrigin();
  onTestFinished(() => origin.stop());
  origin.on('/', { body: '<!doctype html>straight', headers: { 'content-type': 'text/html' } });
  const identity = await lab.device();
  const forwarding = await startLoopbackForwarding(identity);
  onTestFinished(() => forwarding.stop());
  forwarding.setPolicy({
    forwarding: {
      mode: 'tunnel',
      bypass: [],
      whenTunnelDown: 'closed',
      pinnedEdge: '',
      pac: {
        forwarding: `function FindProxyForURL(url, host) {
          return host == '127.0.0.1' ? 'DIRECT' : 'PROXY \${LOCAL_PROXY}';
        }`,
      },
    },
    edges: [],
  });
  const { host, port } = forwarding.proxy;
  const page = await startBrowser(`http://${host}:${port}/proxy.pac`);
  const straight = await page.goto(`http://127.0.0.1:${origin.port}/`);
  expect(await straight?.text()).toContain('straight');
  // Through the agent it would be as this: the policy is closed, and there is no edge.
  const carried = await page.goto('http://app.test/');
  expect(carried?.status()).toBe(503);
  expect(await carried?.text()).toContain('tunnel down');
});
