import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FlowRefused } from '#agent/tunnel/refused.ts';
import { edgeServerName } from '#contract/enrollment.ts';
import type { EdgeEntry } from '#contract/policy.ts';
import { issueWithKey } from '#runtime/certificates.ts';
import { createEdgeLab, type EdgeLab, entryOf, readAll, sha256 } from '#test/support/edge-lab.ts';
import {
  findProgram,
  freePort,
  makeFolder,
  removeFolder,
  startServerProcess,
  withRetries,
} from '#test/support/server-process.ts';
import { waitUntil } from '#test/support/wait-until.ts';

/** Somebody else's edge: nghttpx takes HTTP/2 with mutual TLS, squid behind it opens the connections. */
let lab: EdgeLab;
let entry: EdgeEntry;

const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    }).on('error', () => resolve(false));
  });

const squidConfig = (port: number, folder: string) => `http_port 127.0.0.1:${port}
acl loopback dst 127.0.0.0/8
http_access allow loopback
http_access deny all
cache deny all
cache_mem 0 MB
access_log none
cache_log /dev/null
cache_store_log none
pid_filename none
netdb_filename none
shutdown_lifetime 0 seconds
pinger_enable off
memory_cache_shared off
max_filedescriptors 1024
dns_nameservers 127.0.0.1
cache_effective_user proxy
coredump_dir ${folder}
hosts_file ${folder}/hosts
`;

const startSquid = async (folder: string): Promise<number> => {
  const port = await freePort();
  writeFileSync(join(folder, 'hosts'), '127.0.0.1 app.test\n');
  writeFileSync(join(folder, 'squid.conf'), squidConfig(port, folder));
  const service = `whyslowinterop${process.pid}`;
  const squid = await startServerProcess({
    name: 'squid',
    command: findProgram('squid', 'squid-openssl'),
    args: ['-N', '-n', service, '-f', join(folder, 'squid.conf')],
    folder,
    ready: () => isListening(port),
  });
  lab.onStop(async () => {
    await squid.kill();
    for (const name of readdirSync('/dev/shm')) {
      if (name.startsWith(service)) rmSync(join('/dev/shm', name));
    }
  });
  return port;
};

const startNghttpx = async (folder: string, backendPort: number): Promise<number> => {
  const port = await freePort();
  const certificate = await issueWithKey(lab.authority, {
    commonName: 'foreign',
    notAfter: Date.now() + 86_400_000,
    dnsNames: [edgeServerName('foreign')],
    usages: ['server'],
  });
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const nghttpx = await startServerProcess({
    name: 'nghttpx',
    command: findProgram('nghttpx', 'nghttp2-proxy'),
    args: [
      ...['--conf=/dev/null', '--workers=1', '--log-level=FATAL', '--no-ocsp', '--http2-proxy'],
      `--frontend=127.0.0.1,${port}`,
      `--backend=127.0.0.1,${backendPort};;proto=http/1.1`,
      '--verify-client',
      `--verify-client-cacert=${file('ca.pem', lab.authority.certificatePem)}`,
      file('edge.key', certificate.privateKeyPem),
      file('edge.pem', certificate.certificatePem),
    ],
    folder,
    ready: () => isListening(port),
  });
  lab.onStop(() => nghttpx.kill());
  return port;
};

beforeAll(async () => {
  lab = await createEdgeLab();
  const folder = makeFolder('interop');
  lab.onStop(() => removeFolder(folder));
  const squidPort = await withRetries(() => startSquid(folder));
  entry = entryOf('foreign', await withRetries(() => startNghttpx(folder, squidPort)));
}, 120_000);
afterAll(() => lab.stop());

const never = () => new AbortController().signal;
const startTunnel = async () => {
  const tunnel = await lab.tunnel([entry]);
  await waitUntil(() => tunnel.status().state === 'up');
  return tunnel;
};

it('bytes go both ways unchanged through an edge of nghttpx and squid, many flows at once', async () => {
  const tunnel = await startTunnel();
  const content = randomBytes(2_000_000);
  const origin = await lab.origin((socket) => {
    let got = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      got = Buffer.concat([got, chunk]);
      if (got.length < content.length) return;
      socket.write(sha256(got));
      socket.end(content);
    });
  });
  const one = async () => {
    const sent = randomBytes(content.length);
    const flow = await tunnel.connect({ host: 'app.test', port: origin.port, signal: never() });
    const read = readAll(flow.stream);
    flow.stream.write(sent);
    const got = await read;
    flow.stream.end();
    expect(got.subarray(0, 64).toString()).toBe(sha256(sent));
    expect(sha256(got.subarray(64))).toBe(sha256(content));
  };
  await Promise.all(Array.from({ length: 5 }, one));
}, 60_000);

it('a refusal of such an edge is one here, and the session lives on', async () => {
  const tunnel = await startTunnel();
  const dead = await freePort();
  for (const host of ['app.test', '192.0.2.1']) {
    const refused = await tunnel
      .connect({ host, port: dead, signal: never() })
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(FlowRefused);
    expect((refused as FlowRefused).status).toBeGreaterThanOrEqual(400);
  }
  expect(tunnel.status().state).toBe('up');
}, 60_000);

it('its round trips are measured, and what it cannot do is said', async () => {
  const tunnel = await startTunnel();
  await waitUntil(() => tunnel.takeSample().dataRttMs !== null);
  const sample = tunnel.takeSample();
  expect(sample.controlRttMs).toBeGreaterThan(0);
  expect(sample.handshakeMs).toBeGreaterThan(0);
  expect(tunnel.status().degradations).toContain(
    'edge foreign takes TCP only (no extended CONNECT)',
  );
}, 60_000);

it('it lets in devices of its own authority only', async () => {
  const stranger = await createEdgeLab();
  const identity = { ...(await stranger.device()), caCertificatePem: lab.authority.certificatePem };
  const tunnel = await lab.tunnel([entry], { identity });
  await waitUntil(() => (tunnel.status().edges[0]?.problem ?? '') !== '');
  expect(tunnel.status().state).not.toBe('up');
}, 60_000);
