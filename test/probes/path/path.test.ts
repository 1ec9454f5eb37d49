import { execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { PathBody } from '#contract/body/path.ts';
import { check } from '#contract/check.ts';
import { createEcho } from '#probes/path/echo.ts';
import { measureEndToEnd } from '#probes/path/end-to-end.ts';
import { createPathEngine } from '#probes/path/engine.ts';
import { createPathProber } from '#probes/path/path.ts';
import type { Outcome } from '#probes/probe.ts';
import { pathProbe } from './path-probe.ts';

const isRoot = process.getuid?.() === 0;
const runner = fileURLToPath(new URL('./run-paths.ts', import.meta.url));
const forger = fileURLToPath(new URL('./run-forged.ts', import.meta.url));

/** Processes of the engine whose parent is `parentId`. */
const enginesOf = (parentId: number | undefined): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8');
        const parent = Number(stat.slice(stat.lastIndexOf(')')).split(' ')[2]);
        return parent === parentId && command.includes('engine-child');
      } catch {
        return false;
      }
    })
    .map(Number);

const isAlive = (id: number): boolean => {
  try {
    process.kill(id, 0);
    return true;
  } catch {
    return false;
  }
};

const until = async (condition: () => boolean): Promise<void> => {
  for (let waited = 0; waited < 200 && !condition(); waited += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

describe('path', () => {
  const engine = createPathEngine();
  const prober = createPathProber({ engine });
  afterAll(() => engine.stop());

  const run = async (
    probe: ReturnType<typeof pathProbe>,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Outcome<'path'>> => {
    const outcome = await prober.run(probe, {
      signal,
      proxy: undefined,
      extraCa: [],
      workFolder: '/tmp',
      browserPath: undefined,
    });
    expect(check(PathBody, outcome.body)).toMatchObject({ ok: true });
    return outcome;
  };

  it('measures a TCP target with a listener, and one that refuses', async () => {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    const open = await run(pathProbe('127.0.0.1', { protocol: 'tcp', port, packetCount: 3 }));
    await new Promise((resolve) => server.close(resolve));
    const refused = await run(pathProbe('127.0.0.1', { protocol: 'tcp', port, packetCount: 3 }));
    for (const { body, failure } of [open, refused]) {
      expect(failure).toBeNull();
      expect(body).toMatchObject({ reached: true, protocol: 'tcp', lossRatio: 0 });
    }
  });

  it('measures a UDP target by its port-unreachable answers', async () => {
    const { body } = await run(
      pathProbe('127.0.0.1', { protocol: 'udp', port: 33_434, packetCount: 3 }),
    );
    expect(body).toMatchObject({ reached: true, protocol: 'udp', lossRatio: 0 });
  });

  it('takes whatever a UDP service says as its answer', async () => {
    const service = createSocket('udp4', (_bytes, { port, address }) => {
      service.send('what?', port, address);
    });
    await new Promise<void>((resolve) => service.bind(0, '127.0.0.1', resolve));
    const { port } = service.address();
    const { body } = await run(pathProbe('127.0.0.1', { protocol: 'udp', port, packetCount: 3 }));
    service.close();
    expect(body).toMatchObject({ reached: true, protocol: 'udp', lossRatio: 0 });
  });

  it('has no round trip by UDP where there is no way to the address', async () => {
    // Loopback's broadcast address: the kernel lets no socket of ours connect to it.
    const to = { protocol: 'udp', address: '127.255.255.255', port: 9 } as const;
    const { signal } = new AbortController();
    expect(await measureEndToEnd({ ...to, count: 2, timeoutMs: 500 }, signal)).toEqual([
      null,
      null,
    ]);
  });

  it('says when a name does not resolve', async () => {
    const { failure, body } = await run(
      pathProbe('no-such-name.invalid', { timeoutMs: 1_000, packetCount: 3 }),
    );
    expect(failure?.phase).toBe('dns');
    expect(body).toMatchObject({ address: null, lossRatio: null, hops: [] });
  });

  it.runIf(isRoot)('reaches loopback with raw ICMP, over IPv4 and IPv6', async () => {
    for (const host of ['127.0.0.1', '::1']) {
      const { body, failure } = await run(pathProbe(host));
      expect(failure).toBeNull();
      expect(body).toMatchObject({ reached: true, method: 'raw', protocol: 'icmp', lossRatio: 0 });
      expect(body.hops).toHaveLength(1);
      expect(body.hops[0]).toMatchObject({ address: host, sentCount: 5, receivedCount: 5 });
    }
  });

  it.runIf(isRoot)('keeps the answers of many targets apart that are traced at once', async () => {
    const hosts = Array.from({ length: 20 }, (_, index) => `127.0.1.${index + 1}`);
    const outcomes = await Promise.all(hosts.map((host) => run(pathProbe(host))));
    for (const [index, { body }] of outcomes.entries()) {
      expect(body.hops.map(({ address }) => address)).toEqual([hosts[index]]);
      expect(body.lossRatio).toBe(0);
    }
  });

  it.runIf(isRoot)('goes on in a new child process when the old one is killed', async () => {
    const [id] = enginesOf(process.pid);
    if (id === undefined) throw new Error('no engine is running');
    const cutOff = run(pathProbe('127.0.0.1'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.kill(id, 'SIGKILL');
    expect((await cutOff).failure).toMatchObject({ type: 'agent.internal' });
    expect((await run(pathProbe('127.0.0.1'))).failure).toBeNull();
  });

  it.runIf(isRoot)('ends with what it has when the agent stops', async () => {
    const agent = new AbortController();
    setTimeout(() => agent.abort(), 900);
    const { failure, body } = await run(
      pathProbe('127.0.0.1', { packetCount: 20, timeoutMs: 30_000 }),
      agent.signal,
    );
    expect(failure).toMatchObject({ type: 'abandoned' });
    expect(body).toMatchObject({ reached: true, lossRatio: 0 });
    expect(body.hops[0]?.sentCount).toBeLessThan(20);
  });

  it.runIf(isRoot)('echoes a gateway by the same child, and counts the lost', async () => {
    const { echo } = createEcho({ engine });
    const answer = await echo('127.0.0.1', { count: 4, timeoutMs: 500 });
    expect(answer).toMatchObject({ sentCount: 4 });
    expect('rttsMs' in answer && answer.rttsMs).toHaveLength(4);
    expect(enginesOf(process.pid)).toHaveLength(1);
  });

  it.runIf(isRoot)(
    'traces by TCP with ordinary sockets where raw ones are not permitted',
    async () => {
      const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      const { port } = server.address() as { port: number };
      const order = {
        probes: [pathProbe('127.0.0.1', { port, packetCount: 3 })],
        echo: '127.0.0.1',
      };
      const { stdout } = await promisify(execFile)('setpriv', [
        '--bounding-set=-net_raw',
        '--inh-caps=-net_raw',
        '--ambient-caps=-all',
        process.execPath,
        '--import',
        'tsx',
        runner,
        JSON.stringify(order),
      ]);
      server.close();
      const { outcomes, echo } = JSON.parse(stdout) as {
        outcomes: Outcome<'path'>[][];
        echo: unknown;
      };
      const [outcome] = outcomes.flat();
      expect(outcome).toMatchObject({ failure: null, availability: 1 });
      expect(outcome?.body).toMatchObject({ method: 'error-queue', protocol: 'tcp', lossRatio: 0 });
      expect(outcome?.body.hops).toMatchObject([{ address: '127.0.0.1', receivedCount: 3 }]);
      expect(echo).toMatchObject({ notPermitted: expect.stringMatching(/permitted/i) });
    },
  );

  it.runIf(isRoot)(
    'is measured on, by every protocol, while forged ICMP errors that lie about their lengths come in',
    async () => {
      const command = `ip link set lo up; exec ${process.execPath} --import tsx ${forger}`;
      const { stdout } = await promisify(execFile)('unshare', ['-n', 'sh', '-c', command]);
      expect(JSON.parse(stdout)).toEqual(
        ['icmp', 'udp', 'tcp', 'echo'].map((way) => `${way}: raw, target`),
      );
    },
    60_000,
  );

  it.runIf(isRoot)('leaves no child behind when its program is killed', async () => {
    const order = { probes: [pathProbe('127.0.0.1', { packetCount: 20, timeoutMs: 30_000 })] };
    const program = spawn(process.execPath, ['--import', 'tsx', runner, JSON.stringify(order)]);
    await until(() => enginesOf(program.pid).length === 1);
    const [id] = enginesOf(program.pid);
    if (id === undefined) throw new Error('no engine was started');
    program.kill('SIGKILL');
    await until(() => !isAlive(id));
    expect(isAlive(id)).toBe(false);
  });
});
