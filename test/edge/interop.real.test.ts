import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { edgeServerName, identityUri } from '#contract/enrollment.ts';
import { hashPassword } from '#edge/clientless/password.ts';
import { type EdgeServer, startEdgeServer } from '#edge/server.ts';
import { issueWithKey } from '#runtime/certificates.ts';
import { silentLog } from '#runtime/log.ts';
import {
  createEdgeLab,
  type EdgeLab,
  emptyPolicy,
  loopbackApplication,
  sha256,
} from '#test/support/edge-lab.ts';
import { findProgram, freePort, makeFolder, removeFolder } from '#test/support/server-process.ts';
import { waitUntil } from '#test/support/wait-until.ts';

/** Clients and proxies that are not ours, against an edge. */
const run = promisify(execFile);
const content = randomBytes(10_000_000);
const password = 'correct horse battery';
let lab: EdgeLab;
let edge: EdgeServer;
let folder: string;
let originPort: number;
let usersFile: string;

beforeAll(async () => {
  lab = await createEdgeLab();
  folder = makeFolder('interop');
  lab.onStop(() => removeFolder(folder));
  const device = await lab.device();
  const files = {
    'ca.pem': lab.authority.certificatePem,
    'cert.pem': device.certificatePem,
    'key.pem': device.privateKeyPem,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  usersFile = join(folder, 'users');
  await writeFile(usersFile, `# who may\nana:${await hashPassword(password)}\n`);
  const certificate = await issueWithKey(lab.authority, {
    commonName: 'e1',
    notAfter: Date.now() + 86_400_000,
    dnsNames: [edgeServerName('e1')],
    uris: [identityUri('edge', 'e1')],
    usages: ['server', 'client'],
  });
  const forBrowsers = await lab.authority.server('proxy.test');
  const caCertificatePem = lab.authority.certificatePem;
  edge = await startEdgeServer({
    edgeId: 'e1',
    listen: { host: '127.0.0.1', port: 0 },
    certificate: { ...certificate, caCertificatePem },
    clientlessListen: { host: '127.0.0.1', port: 0 },
    clientless: { usersFile, certificate: { ...forBrowsers, caCertificatePem } },
    limits: { failedLoginsPerMinute: 3 },
    log: silentLog(),
  });
  lab.onStop(() => edge.stop(0));
  const rule = { hosts: ['secret.app.test'], ports: [], devices: [] };
  edge.setPolicy({
    ...emptyPolicy('e1'),
    ...loopbackApplication,
    access: [
      { id: 'boss', action: 'allow', ...rule, users: ['boss'] },
      { id: 'nobody-else', action: 'block', ...rule },
      { id: 'not-ana', action: 'block', ...rule, hosts: ['no-ana.app.test'], users: ['ana'] },
    ],
  });
  const origin = createServer((request, response) => {
    if (request.url === '/big') response.end(content);
    else response.end(`${request.method} ${JSON.stringify(request.headers)}`);
  });
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  originPort = (origin.address() as AddressInfo).port;
  lab.onStop(() => {
    origin.closeAllConnections();
    origin.close();
  });
});
afterAll(() => lab.stop());

/** curl's exit code, the proxy's answer, the origin's status, and what came. */
const curl = async (proxy: string, args: string[], host = 'app.test') => {
  const format = '\n%{http_connect} %{http_code}';
  const url = `http://${host}:${originPort}/`;
  const all = ['-sS', '-m', '10', '-x', proxy, '--proxy-cacert', join(folder, 'ca.pem'), ...args];
  try {
    const { stdout } = await run('curl', [...all, '-w', format, url]);
    const lines = stdout.split('\n');
    return { exit: 0, codes: lines.at(-1), body: lines.slice(0, -1).join('\n') };
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string };
    return { exit: code, codes: stdout.split('\n').at(-1), body: '' };
  }
};

describe('with a device’s certificate', () => {
  const proxy = () => `https://${edgeServerName('e1')}:${edge.address.port}`;
  const resolve = () => ['--resolve', `${edgeServerName('e1')}:${edge.address.port}:127.0.0.1`];
  const certificate = () => [
    ...['--proxy-cert', join(folder, 'cert.pem'), '--proxy-key', join(folder, 'key.pem')],
  ];

  it('curl gets through by HTTP/1.1 CONNECT inside TLS', async () => {
    const got = await curl(proxy(), [...resolve(), ...certificate(), '--proxytunnel']);
    expect(got).toMatchObject({ exit: 0, codes: '200 200' });
    expect(got.body).toContain(`"host":"app.test:${originPort}"`);
  });

  it('curl without one is refused in the handshake', async () => {
    const got = await curl(proxy(), [...resolve(), '--proxytunnel']);
    expect(got.exit).not.toBe(0);
    expect(got.codes).toBe('000 000');
  });

  it('nghttp sees the settings, extended CONNECT among them', async () => {
    const authority = `https://${edgeServerName('e1')}:${edge.address.port}/`;
    const certificates = [`--cert=${join(folder, 'cert.pem')}`, `--key=${join(folder, 'key.pem')}`];
    // nghttp resolves the authority: it is told an address and sends no name.
    const url = authority.replace(edgeServerName('e1'), '127.0.0.1');
    const { stdout } = await run('nghttp', ['-v', '-n', '-t', '5', ...certificates, url]);
    const received = stdout.slice(stdout.indexOf('recv SETTINGS'));
    expect(received).toMatch(/SETTINGS_(ENABLE_CONNECT_PROTOCOL|UNKNOWN)\(0x08\):1/);
    expect(received).toMatch(/SETTINGS_MAX_CONCURRENT_STREAMS\(0x03\):16384/);
    // It asks for https://, which no edge fetches.
    expect(stdout).toContain(':status: 400');
  });

  it('nghttpx carries 10 MB by HTTP/2 CONNECT, every byte right', async () => {
    const port = await freePort();
    const child = spawn(
      findProgram('nghttpx', 'nghttp2-proxy'),
      [
        `--frontend=127.0.0.1,${port};no-tls`,
        `--backend=127.0.0.1,${edge.address.port};;tls;proto=h2;sni=${edgeServerName('e1')}`,
        ...[
          '--http2-proxy',
          '--workers=1',
          '--errorlog-file=/dev/null',
          '--accesslog-file=/dev/null',
        ],
        ...['--conf=/dev/null', `--cacert=${join(folder, 'ca.pem')}`],
        `--client-cert-file=${join(folder, 'cert.pem')}`,
        `--client-private-key-file=${join(folder, 'key.pem')}`,
      ],
      { stdio: 'ignore' },
    );
    lab.onStop(() => child.kill('SIGKILL'));
    const isUp = () =>
      new Promise<boolean>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => resolve(true));
        socket.on('error', () => resolve(false)).on('connect', () => socket.destroy());
      });
    await waitUntil(isUp);
    const out = join(folder, 'big');
    const { stdout } = await run('curl', [
      ...['-sS', '-m', '20', '--proxytunnel', '-x', `http://127.0.0.1:${port}`, '-o', out],
      ...['-w', '%{http_connect} %{http_code}', `http://app.test:${originPort}/big`],
    ]);
    expect(stdout).toBe('200 200');
    expect(sha256(await readFile(out))).toBe(sha256(content));
  });
});

describe('with a user’s password, where the clientless listener is on', () => {
  const proxy = (login: string) => `https://${login}localhost:${edge.clientlessAddress?.port}`;
  const ana = `ana:${encodeURIComponent(password)}@`;

  it('curl gets through, by CONNECT and with plain http://, and the origin sees no password', async () => {
    expect(await curl(proxy(ana), ['--proxytunnel'])).toMatchObject({ codes: '200 200' });
    const plain = await curl(proxy(ana), []);
    expect(plain).toMatchObject({ exit: 0, codes: '000 200' });
    expect(plain.body).toContain('"host"');
    expect(plain.body.toLowerCase()).not.toContain('authorization');
  });

  it('the access policy is that of the user', async () => {
    expect((await curl(proxy(ana), ['--proxytunnel'], 'no-ana.app.test')).codes).toBe('403 000');
    expect((await curl(proxy(ana), ['--proxytunnel'], 'secret.app.test')).codes).toBe('403 000');
  });

  it('no password gets 407, and wrong ones soon 429, while who was right goes on', async () => {
    expect((await curl(proxy(''), ['--proxytunnel'])).codes).toBe('407 000');
    const codes: (string | undefined)[] = [];
    for (const guess of ['a', 'b', 'c', 'd']) {
      codes.push((await curl(proxy(`bob:${guess}@`), ['--proxytunnel'])).codes);
    }
    expect(codes).toEqual(['407 000', '407 000', '407 000', '429 000']);
    expect((await curl(proxy(ana), ['--proxytunnel'])).codes).toBe('200 200');
    expect(edge.takeSample()).toMatchObject({ deviceCount: expect.any(Number) });
  });

  it('a changed users file counts at once, and a broken one not at all', async () => {
    const later = new Date(Date.now() + 5_000);
    await writeFile(usersFile, 'ana:plain-text\n');
    await utimes(usersFile, later, later);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect((await curl(proxy(ana), ['--proxytunnel'])).codes).toBe('200 200');
    await writeFile(usersFile, '');
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect((await curl(proxy(ana), ['--proxytunnel'])).codes).toMatch(/^4(07|29) 000$/);
  });
});
