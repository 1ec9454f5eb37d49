import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { waitUntil } from '#test/support/wait-until.ts';
import { browse } from '../browse.ts';
import { callOverSocket, openLoopbackGate } from './call-over-socket.ts';
import { connectServices } from './client.ts';
import { collectorSocket } from './collector-gate.ts';
import { portalPort } from './control.ts';
import {
  fetchWithCurl,
  isRunning,
  type SmallNetwork,
  startSmallNetwork,
  topology,
} from './small-network.ts';
import { startServices } from './start.ts';

let network: SmallNetwork;

beforeAll(async () => {
  network = await startSmallNetwork();
});
afterEach(() => network?.services.reset());
afterAll(() => network?.stop());

describe('the controls', () => {
  it('say which field is wrong, and change nothing', async () => {
    const { services } = network;
    await expect(services.set('s1', { thinkMs: -1, tlsDelayMs: 5 })).rejects.toThrow(
      /s1: \/thinkMs: .*0 to 120000/,
    );
    await expect(services.set('s1', { delayMs: 5 })).rejects.toThrow(
      /\/delayMs: .*\s+fields: thinkMs/,
    );
    await expect(services.set('n1', { dropRatio: 2 })).rejects.toThrow(/n1: \/dropRatio/);
    await expect(services.set('n1', { wrongAnswers: { 'a.test': ['?'] } })).rejects.toThrow(
      /n1: \/wrongAnswers\/a\.test: expected IPv4 or IPv6/,
    );
    await expect(services.set('g1', {})).rejects.toThrow(/g1: a gateway has no behaviour/);
    await expect(services.set('d1', {})).rejects.toThrow(/no service at node d1: there are n1, /);
    expect(await services.get('s1')).toMatchObject({ thinkMs: 0, tlsDelayMs: 0 });
  });

  it('keep what is not named, until all is reset', async () => {
    const { services } = network;
    await services.set('s1', { thinkMs: 5 });
    await services.set('s1', { errorRatio: 0.1 });
    expect(await services.get('s1')).toMatchObject({ thinkMs: 5, errorRatio: 0.1 });
    await services.reset();
    expect(await services.get('s1')).toMatchObject({ thinkMs: 0, errorRatio: 0 });
  });

  it('are another process’s too, and say when nobody serves', async () => {
    const other = await connectServices(join(network.folder, 'services.sock'));
    await other.set('n1', { delayMs: 3 });
    other.close();
    expect(await network.services.get('n1')).toMatchObject({ delayMs: 3 });
    await expect(connectServices(join(network.folder, 'none.sock'))).rejects.toThrow(
      /services do not answer at .*none\.sock/,
    );
  });
});

describe('the site', () => {
  it('is shown by a browser that trusts the lab, with everything on it', async () => {
    const before = await network.services.requests('tp');
    const page = await browseTrusting('https://crm.saas.test/');
    expect(page).toContain('<h1>crm.saas.test</h1>');
    // Set by its own script.
    expect(page).toContain('data-ready="yes"');
    const own = await network.services.requests('s1');
    for (const path of ['/style.css', '/app.js', '/images/1.bmp', '/images/3.bmp']) {
      expect([path, own.byTarget[path]]).toEqual([path, 1]);
    }
    const thirds = await network.services.requests('tp');
    expect((thirds.byTarget['/tag.js'] ?? 0) - (before.byTarget['/tag.js'] ?? 0)).toBe(1);
    expect(own.byProtocol['h2']).toBeGreaterThanOrEqual(6);
  });

  it('is as heavy as it is told', async () => {
    const light = await fetchWithCurl(network, '/');
    await network.services.set('s1', { extraPageBytes: 1_000_000, extraImageCount: 9 });
    const heavy = await fetchWithCurl(network, '/');
    expect(heavy.bytes).toBeGreaterThan(light.bytes + 1_000_000);
    const { stdout } = await network.run(
      'd1',
      ...['curl', '-s', '--cacert', network.authorityFile, 'https://crm.saas.test/'],
    );
    expect(stdout.match(/<img /g)).toHaveLength(12);
    expect(await fetchWithCurl(network, '/images/12.bmp')).toMatchObject({ bytes: 30_054 });
  });

  const browseTrusting = async (url: string): Promise<string> => {
    const home = join(network.folder, 'home');
    const store = join(home, '.pki/nssdb');
    mkdirSync(store, { recursive: true });
    const database = ['-d', `sql:${store}`];
    await network.run('d1', 'certutil', '-N', '--empty-password', ...database);
    const trust = ['-A', '-n', 'lab', '-t', 'C,,', '-i', network.authorityFile];
    await network.run('d1', 'certutil', ...trust, ...database);
    return browse(network.namespaceOf('d1'), url, { home });
  };
});

describe('the captive portal', () => {
  it.each(['11.9.0.5', '[3ffe:9::5]'])(
    'at %s sends everyone to its login page',
    async (address) => {
      const asked = [
        '-H',
        'Host: collector.lab.test',
        `http://${address}:${portalPort}/generate_204`,
      ];
      const told = ['-w', '%{http_code} %{redirect_url}'];
      const { stdout } = await network.run(
        'd1',
        'curl',
        '-s',
        '-o',
        '/dev/null',
        ...told,
        ...asked,
      );
      const login = `http://11.9.0.5:${portalPort}/login`;
      expect(stdout).toBe(`302 ${login}`);
      expect((await network.run('d1', 'curl', '-s', login)).stdout).toContain('<form>');
      const seen = await network.services.requests('g1');
      expect(seen.byTarget['collector.lab.test/generate_204']).toBeGreaterThan(0);
    },
  );
});

describe('the gate to the collector', () => {
  it('says so where no collector listens', async () => {
    const answer = await callOverSocket(collectorSocket(network.folder), { path: '/healthz' });
    expect(answer).toMatchObject({ status: 502 });
    expect(answer.text).toContain('no collector listens on port 80 of node col');
  });

  it('leads into its namespace, for programs and for a person’s browser', async () => {
    await startEcho();
    const socketPath = collectorSocket(network.folder);
    const sent = { method: 'POST', path: '/v1/x', headers: { authorization: 'Bearer t' } };
    const answer = await callOverSocket(socketPath, { ...sent, body: 'ünï' });
    expect(answer).toMatchObject({ status: 200, text: 'POST /v1/x Bearer t ünï' });
    const gate = await openLoopbackGate({ socketPath });
    const response = await fetch(`${gate.url}/pages`, { method: 'PUT', body: 'x'.repeat(300_000) });
    expect((await response.text()).length).toBeGreaterThan(300_000);
    await gate.stop();
    await expect(fetch(gate.url)).rejects.toThrow();
  });

  /** A server in the collector's namespace, on its loopback only. */
  const startEcho = async (): Promise<void> => {
    const program = `require('node:http').createServer(async (request, response) => {
      const pieces = [request.method, request.url, request.headers.authorization, ''].join(' ');
      response.write(pieces);
      request.pipe(response);
    }).listen(80, '127.0.0.1', () => console.log('up'))`;
    const namespace = network.namespaceOf('col');
    const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, '-e', program]);
    onTestFinished(() => void child.kill());
    await new Promise((resolve) => child.stdout.once('data', resolve));
  };
});

describe('the process', () => {
  it.each([
    ['its control asks', (of: SmallNetwork) => of.services.stop()],
    ['SIGTERM comes', async (of: SmallNetwork) => void process.kill(of.servicesPid, 'SIGTERM')],
    ['its folder is gone', async (of: SmallNetwork) => rmSync(of.folder, { recursive: true })],
  ])('ends when %s, with a request still waiting', async (_how, end) => {
    const own = await startSmallNetwork();
    onTestFinished(() => own.stop());
    await own.services.set('s1', { hangs: true });
    const waiting = fetchWithCurl(own, '/health');
    await waitUntil(async () => (await own.services.requests('s1')).count > 0);
    await end(own);
    await waitUntil(() => !isRunning(own.servicesPid));
    expect((await waiting).code).not.toBe(0);
  });

  it('says why it cannot start, and takes nothing from the one that serves', async () => {
    const socketPath = join(network.folder, 'second.sock');
    const logFile = join(network.folder, 'second.log');
    const { folder, namespaceOf } = network;
    await expect(
      startServices({ topology, folder, namespaceOf, socketPath, logFile }),
    ).rejects.toThrow(/EADDRINUSE/);
    const answer = await callOverSocket(collectorSocket(folder), { path: '/' });
    expect(answer.status).toBe(502);
  });

  it('starts again after it was killed, with the authority everyone trusts already', async () => {
    const own = await startSmallNetwork();
    onTestFinished(() => own.stop());
    process.kill(own.servicesPid, 'SIGKILL');
    await waitUntil(() => !isRunning(own.servicesPid));
    const before = readFileSync(own.authorityFile, 'utf8');
    const { pid } = await own.startServices();
    onTestFinished(() => void process.kill(pid, 'SIGTERM'));
    expect(readFileSync(own.authorityFile, 'utf8')).toBe(before);
    expect(await fetchWithCurl(own, '/health')).toMatchObject({ code: 0, status: 200 });
  });
});
