import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { launch } from 'puppeteer-core';
import { expect, it, onTestFinished } from 'vitest';
import { edgeServerName, identityUri } from '#contract/enrollment.ts';
import { hashPassword } from '#edge/clientless/password.ts';
import { startEdgeServer } from '#edge/server.ts';
import { findBrowser } from '#probes/page-load/find-browser.ts';
import { trustAuthorities } from '#probes/page-load/trust.ts';
import { issueWithKey } from '#runtime/certificates.ts';
import { silentLog } from '#runtime/log.ts';
import { createEdgeLab, emptyPolicy, loopbackApplication } from '#test/support/edge-lab.ts';
import { startNameServer } from '#test/support/name-server.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

it('Chromium without an agent browses through an edge, by user and password', async () => {
  const lab = await createEdgeLab();
  onTestFinished(() => lab.stop());
  const folder = await makeTemporaryFolder();
  const home = await makeTemporaryFolder();
  expect(await trustAuthorities(home, [lab.authority.certificatePem])).toBeUndefined();
  const usersFile = join(folder, 'users');
  await writeFile(usersFile, `ana:${await hashPassword('correct horse battery')}\n`);
  const certificate = await issueWithKey(lab.authority, {
    commonName: 'e1',
    notAfter: Date.now() + 86_400_000,
    dnsNames: [edgeServerName('e1')],
    uris: [identityUri('edge', 'e1')],
    usages: ['server'],
  });
  const caCertificatePem = lab.authority.certificatePem;
  // Nobody but it is asked for the names of the browser's own requests.
  const names = await startNameServer({});
  lab.onStop(() => names.stop());
  const edge = await startEdgeServer({
    dnsServers: [names.address],
    edgeId: 'e1',
    listen: { host: '127.0.0.1', port: 0 },
    certificate: { ...certificate, caCertificatePem },
    clientlessListen: { host: '127.0.0.1', port: 0 },
    clientless: {
      usersFile,
      certificate: { ...(await lab.authority.server('proxy.test')), caCertificatePem },
    },
    log: silentLog(),
  });
  lab.onStop(() => edge.stop(0));
  edge.setPolicy({ ...emptyPolicy('e1'), ...loopbackApplication });

  const seen: (string | undefined)[] = [];
  const answer = createServer((request, response) => {
    seen.push(request.headers['proxy-authorization']);
    response.setHeader('content-type', 'text/html').end(`<p>${request.url}</p>`);
  });
  const issued = await lab.authority.server('app.test');
  const secure = createSecureServer({ cert: issued.certificatePem, key: issued.privateKeyPem });
  secure.on('request', (request, response) => answer.emit('request', request, response));
  for (const server of [answer, secure]) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    lab.onStop(() => {
      server.closeAllConnections();
      server.close();
    });
  }
  const portOf = (server: typeof answer) => (server.address() as AddressInfo).port;
  const executablePath = findBrowser({
    configured: undefined,
    platform: process.platform,
    home,
    exists: existsSync,
  });
  const browser = await launch({
    executablePath: executablePath ?? 'chromium',
    env: { ...process.env, HOME: home },
    // Background requests are left on: their names lead nowhere, which must not matter to the edge.
    ignoreDefaultArgs: ['--disable-background-networking', '--disable-component-update'],
    args: ['--no-sandbox', `--proxy-server=https://localhost:${edge.clientlessAddress?.port}`],
  });
  lab.onStop(() => browser.close());
  const page = await browser.newPage();

  const refused = await page.goto(`http://app.test:${portOf(answer)}/`).catch(() => null);
  expect(refused === null || refused.status() === 407).toBe(true);
  await page.authenticate({ username: 'ana', password: 'correct horse battery' });
  const plain = await page.goto(`http://app.test:${portOf(answer)}/plain`);
  expect(plain?.status()).toBe(200);
  expect(await page.content()).toContain('<p>/plain</p>');
  const inside = await page.goto(`https://app.test:${portOf(secure)}/inside`);
  expect(inside?.status()).toBe(200);
  expect(await page.content()).toContain('<p>/inside</p>');
  expect(seen.every((header) => header === undefined)).toBe(true);
  await page.goto('https://nowhere.invalid/').catch(() => null);
  expect(names.questions.some(({ name }) => name === 'nowhere.invalid')).toBe(true);
  const sample = edge.takeSample();
  expect(sample.clientlessSessionCount).toBeGreaterThan(0);
  expect(sample.flowCount).toBeGreaterThanOrEqual(2);
});
