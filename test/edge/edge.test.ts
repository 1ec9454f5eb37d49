import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import http2, {
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from 'node:http2';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { edgeServerName } from '#contract/enrollment.ts';
import { parseEdgeTiming } from '#contract/server-timing.ts';
import type { Identity } from '#runtime/identity.ts';
import {
  createEdgeLab,
  type EdgeLab,
  loopbackApplication,
  sha256,
} from '#test/support/edge-lab.ts';
import { startNameServer } from '#test/support/name-server.ts';
import { startOrigin } from '#test/support/origin.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';

let lab: EdgeLab;
let identity: Identity;
let edge: Awaited<ReturnType<EdgeLab['edge']>>;
const blockedDevice: string = randomUUID();

beforeAll(async () => {
  lab = await createEdgeLab();
  identity = await lab.device();
  const names = await startNameServer({
    'rebind.test': { A: { data: ['127.0.0.1'] } },
    'mixed.test': { A: { data: ['192.0.2.1', '10.0.0.1'] } },
    'silent.test': { A: { isSilent: true }, AAAA: { isSilent: true } },
  });
  lab.onStop(() => names.stop());
  const policy = {
    ...loopbackApplication,
    access: [
      { id: 'no-games', action: 'block' as const, hosts: ['.game.test'], ports: [], devices: [] },
      { id: 'one', action: 'block' as const, hosts: ['*'], ports: [], devices: [blockedDevice] },
    ],
  };
  edge = await lab.edge('e1', policy, [names.address]);
});
afterAll(() => lab.stop());

const openH2 = async (who = identity): Promise<ClientHttp2Session> => {
  const session = http2.connect(`https://127.0.0.1:${edge.server.address.port}`, {
    servername: edgeServerName('e1'),
    ca: who.caCertificatePem,
    cert: who.certificatePem,
    key: who.privateKeyPem,
  });
  session.on('error', () => {});
  lab.onStop(() => session.destroy());
  return session;
};

const openConnect = async (session: ClientHttp2Session, authority: string) => {
  const stream = session.request({ ':method': 'CONNECT', ':authority': authority });
  stream.on('error', () => {});
  const [headers] = (await once(stream, 'response')) as [
    IncomingHttpHeaders & IncomingHttpStatusHeader,
  ];
  return { stream, headers };
};

describe('what an edge refuses', () => {
  it.each([
    ['www.game.test:443', 403, 'http_request_denied', 'rule no-games'],
    ['example.test:25', 403, 'http_request_denied', 'rule default-smtp'],
    ['127.0.0.1:80', 403, 'destination_ip_prohibited', '127.0.0.1'],
    ['[::1]:80', 403, 'destination_ip_prohibited', '::1'],
    ['[::ffff:10.0.0.1]:80', 403, 'destination_ip_prohibited', '10.0.0.1'],
    ['169.254.169.254:80', 403, 'destination_ip_prohibited', '169.254.169.254'],
    ['rebind.test:80', 403, 'destination_ip_prohibited', '127.0.0.1'],
    ['mixed.test:80', 403, 'destination_ip_prohibited', ''],
    ['missing.test:80', 502, 'dns_error', 'ENOTFOUND'],
    ['silent.test:80', 504, 'dns_timeout', ''],
    ['app.test:1', 502, 'connection_refused', ''],
    ['no-port', 400, 'http_request_error', ''],
  ])('%s: %i %s', async (authority, status, error, details) => {
    const session = await openH2();
    const { headers, stream } = await openConnect(session, authority);
    stream.resume().end();
    expect(headers[':status']).toBe(status);
    expect(headers['proxy-status']).toMatch(new RegExp(`^e1; error=${error}; details="`));
    expect(headers['proxy-status']).toContain(details);
    session.close();
  });

  it('a device over its number of new flows gets 429 and keeps its session', async () => {
    const session = await openH2(await lab.device());
    const answers: unknown[] = [];
    const open = async () => {
      const { headers, stream } = await openConnect(session, 'www.game.test:443');
      stream.resume().end();
      answers.push(headers[':status'] === 429 ? headers['retry-after'] : headers[':status']);
    };
    // A busy machine may take so long over one wave that the bucket fills up meanwhile.
    for (let wave = 0; wave < 10 && !answers.includes('1'); wave++) {
      await Promise.all(Array.from({ length: 900 }, open));
    }
    expect(answers.filter((answer) => answer === 403).length).toBeGreaterThanOrEqual(500);
    expect(answers).toContain('1');
    expect(session.destroyed).toBe(false);
    session.close();
  });

  it('rules for one device leave the others alone', async () => {
    const origin = await lab.origin((socket) => socket.end('hi'));
    const blocked = await openH2(await lab.device(blockedDevice));
    const { headers } = await openConnect(blocked, `app.test:${origin.port}`);
    expect(headers[':status']).toBe(403);
    const other = await openConnect(await openH2(), `app.test:${origin.port}`);
    expect(other.headers[':status']).toBe(200);
    other.stream.resume().end();
  });
});

describe('who may open a session', () => {
  const attempt = (options: { ca: string; cert?: string; key?: string }) =>
    new Promise<string>((resolve) => {
      const socket = connectTls({
        port: edge.server.address.port,
        host: '127.0.0.1',
        servername: edgeServerName('e1'),
        ALPNProtocols: ['h2'],
        ...options,
      });
      socket.on('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? 'error'));
      socket.on('close', () => resolve('closed'));
      socket.on('data', () => resolve('open'));
    });

  it('a device of the tenant', async () => {
    const { caCertificatePem: ca, certificatePem: cert, privateKeyPem: key } = identity;
    expect(await attempt({ ca, cert, key })).toBe('open');
  });

  it('nobody without a certificate', async () => {
    expect(await attempt({ ca: identity.caCertificatePem })).toMatch(/ERR_SSL|ECONNRESET|closed/);
  });

  it('nobody with a certificate of another authority', async () => {
    const elsewhere = await createEdgeLab();
    const stranger = await elsewhere.device(identity.id);
    const { certificatePem: cert, privateKeyPem: key } = stranger;
    expect(await attempt({ ca: identity.caCertificatePem, cert, key })).toMatch(
      /ERR_SSL|ECONNRESET|closed/,
    );
  });

  it('no server with a certificate of the tenant that is not a device', async () => {
    const { certificatePem: cert, privateKeyPem: key } = await lab.authority.server('some.test');
    expect(await attempt({ ca: identity.caCertificatePem, cert, key })).toMatch(
      /ERR_SSL|ECONNRESET|closed/,
    );
  });

  it('not a revoked device, and revoking ends the sessions it has', async () => {
    const doomed = await lab.device();
    const session = await openH2(doomed);
    const origin = await lab.origin(() => {});
    const { stream } = await openConnect(session, `app.test:${origin.port}`);
    const bystander = await openH2();
    await once(bystander, 'remoteSettings');
    edge.server.setPolicy({ ...edge.policy, revokedDevices: [doomed.id] });
    await waitUntil(() => session.destroyed && stream.destroyed);
    const again = await openH2(doomed);
    await once(again, 'close');
    expect(bystander.destroyed).toBe(false);
    edge.server.setPolicy(edge.policy);
  });
});

describe('what an edge carries', () => {
  it('says with each flow what opening it took', async () => {
    const origin = await lab.origin((socket) => socket.resume().end());
    const { headers, stream } = await openConnect(await openH2(), `app.test:${origin.port}`);
    stream.resume().end();
    const timing = parseEdgeTiming(String(headers['server-timing']));
    expect(timing).toMatchObject({ edgeId: 'e1', dnsMs: null, address: '127.0.0.1' });
    expect(timing?.connectMs).toBeGreaterThan(0);
    expect(timing?.connectMs).toBeLessThan(5_000);
  });

  it('a plain http:// request over HTTP/2, as browsers send it', async () => {
    const origin = await startOrigin();
    lab.onStop(() => origin.stop());
    const { port } = new URL(origin.url);
    const session = await openH2();
    const stream = session.request({
      ':method': 'GET',
      ':scheme': 'http',
      ':authority': `app.test:${port}`,
      ':path': '/?q=1',
    });
    const [headers] = (await once(stream, 'response')) as [
      IncomingHttpHeaders & IncomingHttpStatusHeader,
    ];
    let body = '';
    for await (const chunk of stream) body += chunk;
    expect(headers[':status']).toBe(200);
    expect(headers['server-timing']).toContain('edge;desc="e1"');
    expect(body).toBe('hello from the origin\n');
    expect(origin.seen.at(-1)?.headers.host).toBe(`app.test:${port}`);
  });

  it('curl -x https:// with a client certificate, by HTTP/1.1', async () => {
    const folder = await makeTemporaryFolder();
    const write = async (name: string, text: string) => {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    };
    const content = randomBytes(1_000_000);
    const origin = await startOrigin();
    lab.onStop(() => origin.stop());
    origin.on('/blob', { body: content });
    const port = edge.server.address.port;
    const curl = async (...args: string[]) =>
      promisify(execFile)(
        'curl',
        [
          ...['-sS', '--max-time', '20', '--noproxy', '', '-x'],
          `https://${edgeServerName('e1')}:${port}`,
          ...['--resolve', `${edgeServerName('e1')}:${port}:127.0.0.1`],
          ...['--proxy-cacert', await write('ca.pem', identity.caCertificatePem)],
          ...['--proxy-cert', await write('cert.pem', identity.certificatePem)],
          ...['--proxy-key', await write('key.pem', identity.privateKeyPem), ...args],
        ],
        { encoding: 'buffer', maxBuffer: 10_000_000 },
      );
    const url = `http://app.test:${new URL(origin.url).port}/blob`;
    expect(sha256((await curl('--proxytunnel', url)).stdout)).toBe(sha256(content));
    expect(sha256((await curl(url)).stdout)).toBe(sha256(content));
    await expect(curl('--proxytunnel', 'http://www.game.test/')).rejects.toThrow(/403/);
  });

  it('and lets go of a download that its client resets while it does not read it', async () => {
    await waitUntil(() => edge.server.takeSample().streamCount === 0);
    const origin = await lab.origin((socket) => void socket.write(Buffer.alloc(4_000_000)));
    const session = await openH2();
    const { stream } = await openConnect(session, `app.test:${origin.port}`);
    let down = 0;
    await waitUntil(() => {
      const { downBytes } = edge.server.takeSample();
      down += downBytes;
      return down > 0 && downBytes === 0;
    });
    stream.destroy();
    await waitUntil(() => edge.server.takeSample().streamCount === 0);
    session.close();
  });

  it('and reports it in its sample, with nothing left open', async () => {
    await waitUntil(() => edge.server.takeSample().streamCount <= 1);
    const origin = await lab.origin((socket) => socket.resume().end('12345'));
    const session = await openH2(await lab.device());
    edge.server.takeSample();
    const { stream } = await openConnect(session, `app.test:${origin.port}`);
    stream.end('123');
    await once(stream.resume(), 'close');
    const refused = await openConnect(session, 'www.game.test:1');
    refused.stream.resume().end();
    const failed = await openConnect(session, 'app.test:1');
    failed.stream.resume().end();
    const sample = edge.server.takeSample();
    expect(sample).toMatchObject({ flowCount: 1, refusedCount: 1, dialFailedCount: 1 });
    expect(sample).toMatchObject({ downBytes: 5, upBytes: 3, edgeId: 'e1' });
    expect(sample.connectMs).toBeGreaterThan(0);
  });
});

describe('idle sessions', () => {
  it('keeps a session that only pings, and closes one that is silent', async () => {
    const idleMs = 600;
    const { server } = await lab.edge('e1', {}, undefined, idleMs);
    const open = async () => {
      const session = http2.connect(`https://127.0.0.1:${server.address.port}`, {
        servername: edgeServerName('e1'),
        ca: identity.caCertificatePem,
        cert: identity.certificatePem,
        key: identity.privateKeyPem,
      });
      session.on('error', () => {});
      await once(session, 'connect');
      return session;
    };
    const silent = await open();
    const pinging = await open();
    const timer = setInterval(() => !pinging.destroyed && pinging.ping(() => {}), idleMs / 6);
    try {
      await waitUntil(() => silent.closed);
      // Half as long again: the pinging one began later than the silent one.
      await new Promise((resolve) => setTimeout(resolve, idleMs * 1.5));
      expect(pinging.closed).toBe(false);
    } finally {
      clearInterval(timer);
      pinging.destroy();
    }
  });
});
