import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const namespace = `ws-dial-${process.pid}`;
const files = `/etc/netns/${namespace}`;
const root = join(import.meta.dirname, '../..');

const inside = (...command: string[]): string =>
  execFileSync('ip', ['netns', 'exec', namespace, ...command], { encoding: 'utf8' });

/**
 * A server behind two addresses. IPv6 is dead: every packet to it is dropped. IPv4 loses the first
 * SYN of every connection: the one whose source port has not been seen.
 */
const rules = `
table inet lossy {
  set seen { type inet_service; flags dynamic; timeout 30s; }
  chain output {
    type filter hook output priority 0;
    ip6 daddr 2001:db8::1 drop
    ip daddr 198.51.100.1 tcp flags & (syn | ack) == syn tcp sport @seen accept
    ip daddr 198.51.100.1 tcp flags & (syn | ack) == syn add @seen { tcp sport } drop
  }
}
`;

/** What the collector sends to others, and what agents and edges send to it, on the same network. */
const sendTenTimes = `
  import { createServer as createPlain } from 'node:http';
  import { createServer } from 'node:https';
  import { post } from ${JSON.stringify(join(root, 'collector/notify/post.ts'))};
  import { dialBySystem } from ${JSON.stringify(join(root, 'probes/dial-by-system.ts'))};
  import { createCollectorAgent, requestCollector } from ${JSON.stringify(join(root, 'runtime/collector-request.ts'))};
  import { createTestAuthority } from ${JSON.stringify(join(root, 'test/support/certificates.ts'))};
  const authority = await createTestAuthority();
  const { certificatePem, privateKeyPem } = await authority.server('hook.test');
  const plain = createPlain((_request, response) => response.end()).listen(0, '0.0.0.0');
  const secure = createServer({ cert: certificatePem, key: privateKeyPem }, (_request, response) => response.end('{}')).listen(0, '0.0.0.0');
  await Promise.all([plain, secure].map((one) => new Promise((resolve) => one.once('listening', resolve))));
  const signal = new AbortController().signal;
  const portOf = (server) => server.address().port;
  const deliver = () => post({
    url: 'http://hook.test:' + portOf(plain) + '/', headers: {}, body: '{}', timeoutMs: 10_000, signal,
  });
  const upload = () => requestCollector({
    url: new URL('https://hook.test:' + portOf(secure) + '/v1/ingest'), method: 'POST', body: Buffer.from('{}'),
    agent: createCollectorAgent({ caCertificatePem: undefined }, dialBySystem),
  }).then(({ status }) => ({ answered: true, status }), (error) => ({ answered: false, reason: error.message }));
  const ten = (work) => Promise.all(Array.from({ length: 10 }, work));
  console.log(JSON.stringify({ deliveries: await ten(deliver), uploads: await ten(upload) }));
  plain.close();
  secure.close();
  process.exit(0);
`;

const dialTenTimes = `
  import { createServer } from 'node:net';
  import { dial } from ${JSON.stringify(join(root, 'probes/dial.ts'))};
  import { startNameServer } from ${JSON.stringify(join(root, 'test/support/name-server.ts'))};
  import { createNameResolver } from ${JSON.stringify(join(root, 'probes/resolve.ts'))};
  const names = await startNameServer({
    'app.test': { A: { data: ['198.51.100.1'] }, AAAA: { data: ['2001:db8::1'] } },
  });
  const server = createServer((socket) => socket.on('error', () => {})).listen(0, '0.0.0.0');
  await new Promise((resolve) => server.once('listening', resolve));
  const signal = new AbortController().signal;
  const dials = Array.from({ length: 10 }, async () => {
    const resolver = createNameResolver({ servers: [names.address] });
    const dialled = await dial({ host: 'app.test', port: server.address().port, signal, resolver });
    if (dialled.ok) dialled.socket.destroy();
    return { ok: dialled.ok, connectMs: dialled.connectMs, attempts: dialled.attempts };
  });
  console.log(JSON.stringify(await Promise.all(dials)));
  server.close();
  await names.stop();
`;

type Dialled = {
  ok: boolean;
  connectMs: number;
  attempts: { family: number; startedMs: number; outcome: string }[];
};

beforeAll(() => {
  execFileSync('ip', ['netns', 'add', namespace]);
  // `ip netns exec` puts these in place of the machine's own.
  mkdirSync(files, { recursive: true });
  writeFileSync(join(files, 'hosts'), '2001:db8::1 hook.test\n198.51.100.1 hook.test\n');
  inside('ip', 'link', 'set', 'dev', 'lo', 'up');
  inside('ip', 'addr', 'add', '198.51.100.1/32', 'dev', 'lo');
  inside('ip', 'addr', 'add', '2001:db8::1/128', 'dev', 'lo', 'nodad');
  execFileSync('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'], { input: rules });
});
afterAll(() => {
  execFileSync('ip', ['netns', 'del', namespace]);
  rmSync(files, { recursive: true, force: true });
});

const run = <T>(script: string): Promise<T> =>
  new Promise((resolve, reject) => {
    const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', script];
    const child = spawn('ip', ['netns', 'exec', namespace, ...node], { cwd: root });
    let output = '';
    let complaints = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      complaints += chunk.toString();
    });
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(output) as T);
      else reject(new Error(complaints));
    });
  });

describe('dial on a bad network', () => {
  it('connects 10 of 10 times past a dead IPv6 address and a lost SYN', async () => {
    const dials = await run<Dialled[]>(dialTenTimes);
    expect(dials.filter(({ ok }) => ok)).toHaveLength(10);
    for (const { connectMs, attempts } of dials) {
      expect(attempts).toMatchObject([
        { family: 6, outcome: 'lost' },
        { family: 4, outcome: 'connected' },
      ]);
      // 250 ms to the second attempt, and about 1 s until the kernel sends its SYN again.
      expect(attempts[1]?.startedMs).toBeGreaterThanOrEqual(225);
      expect(connectMs).toBeGreaterThanOrEqual(1_100);
      expect(connectMs).toBeLessThan(5_000);
    }
  });

  it('delivers webhooks and uploads 10 of 10 times as well', async () => {
    type Sent = { answered: boolean; status?: number; reason?: string };
    const told = await run<{ deliveries: Sent[]; uploads: Sent[] }>(sendTenTimes);
    const all = Array.from({ length: 10 }, () => ({ answered: true, status: 200 }));
    expect(told.deliveries).toMatchObject(all);
    expect(told.uploads).toMatchObject(all);
  });
});
