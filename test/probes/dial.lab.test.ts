import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const namespace = `ws-dial-${process.pid}`;
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
  inside('ip', 'link', 'set', 'dev', 'lo', 'up');
  inside('ip', 'addr', 'add', '198.51.100.1/32', 'dev', 'lo');
  inside('ip', 'addr', 'add', '2001:db8::1/128', 'dev', 'lo', 'nodad');
  execFileSync('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'], { input: rules });
});
afterAll(() => {
  execFileSync('ip', ['netns', 'del', namespace]);
});

const run = (): Promise<Dialled[]> =>
  new Promise((resolve, reject) => {
    const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', dialTenTimes];
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
      if (code === 0) resolve(JSON.parse(output) as Dialled[]);
      else reject(new Error(complaints));
    });
  });

describe('dial on a bad network', () => {
  it('connects 10 of 10 times past a dead IPv6 address and a lost SYN', async () => {
    const dials = await run();
    expect(dials.filter(({ ok }) => ok)).toHaveLength(10);
    for (const { connectMs, attempts } of dials) {
      expect(attempts).toMatchObject([
        { family: 6, outcome: 'lost' },
        { family: 4, outcome: 'connected' },
      ]);
      // 250 ms to the second attempt, and about 1 s until the kernel sends its SYN again.
      expect(attempts[1]?.startedMs).toBeGreaterThanOrEqual(245);
      expect(connectMs).toBeGreaterThanOrEqual(1_150);
      expect(connectMs).toBeLessThan(5_000);
    }
  });
});
