import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { blameNetwork } from '#agent/control/blame-network.ts';
import { createNetworkWatch, judge } from '#agent/control/network-state.ts';
import { type Failure, type FailureType, failureFacts } from '#contract/failure.ts';
import { silentLog } from '#runtime/log.ts';

const serve = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/generate_204`;
};

const watch = (url: string | undefined) => {
  const changes: string[] = [];
  const network = createNetworkWatch({
    url: () => url,
    onChange: ({ state }) => changes.push(state),
    log: silentLog(),
  });
  return { network, changes };
};

const failure = (type: FailureType): Failure => ({
  type,
  phase: 'connect',
  message: 'as seen',
  ...failureFacts[type],
});

describe('network watch', () => {
  test('is content when the collector gives the empty answer', async () => {
    const { network, changes } = watch(await serve((_, answer) => answer.writeHead(204).end()));
    expect((await network.check()).state).toBe('ok');
    expect(changes).toEqual(['ok']);
  });

  test.each(['https://127.0.0.1:1/generate_204', 'nonsense'])(
    'does not know when all it may ask is %s',
    async (url) => {
      const { network } = watch(url);
      const finding = await network.check();
      expect(finding).toMatchObject({ state: 'unknown' });
      expect(finding.reason).toContain('needs an http:// URL');
    },
  );

  test('knows a captive portal by its redirect, and leaves out the query it carries', async () => {
    const url = await serve((_, answer) =>
      answer.writeHead(302, { location: 'http://portal.hotel.test/login?room=7' }).end(),
    );
    const { network, changes } = watch(url);
    const finding = await network.check();
    expect(finding.state).toBe('captive-portal');
    expect(finding.reason).toContain('http://portal.hotel.test');
    expect(finding.reason).not.toContain('room');
    expect(changes).toEqual(['captive-portal']);
  });

  test('knows a captive portal by the page it answers with', async () => {
    const { network } = watch(await serve((_, answer) => answer.end('<h1>Welcome</h1>')));
    expect((await network.check()).state).toBe('captive-portal');
  });

  test('claims nothing when the collector is away or broken', async () => {
    const broken = watch(await serve((_, answer) => answer.writeHead(503).end()));
    expect((await broken.network.check()).state).toBe('unknown');
    const away = watch('http://127.0.0.1:9/generate_204');
    expect((await away.network.check()).state).toBe('unknown');
    expect((await watch(undefined).network.check()).state).toBe('unknown');
  });

  test('says the network is down only when no interface has an address', () => {
    const silent = { error: 'connect ENETUNREACH' };
    expect(judge(silent, 'http://collector.test/generate_204', false).state).toBe('down');
    expect(judge(silent, 'http://collector.test/generate_204', true).state).toBe('unknown');
    expect(judge(silent, 'http://127.0.0.1:1/generate_204', false).state).toBe('unknown');
  });
});

describe('a failure seen with the network', () => {
  const portal = { state: 'captive-portal', reason: 'portal answers', at: 0 } as const;
  const down = { state: 'down', reason: 'no address', at: 0 } as const;
  const unknown = { state: 'unknown', reason: '', at: 0 } as const;

  test.each([
    ['tls.cert.name_invalid', portal, 'agent.captive_portal'],
    ['dns.timed_out', portal, 'agent.captive_portal'],
    ['tunnel.down', down, 'agent.network_down'],
    ['tcp.timed_out', down, 'agent.network_down'],
    ['tls.cert.name_invalid', down, 'tls.cert.name_invalid'],
    ['policy.blocked', portal, 'policy.blocked'],
    ['http.error', portal, 'http.error'],
    ['tcp.timed_out', unknown, 'tcp.timed_out'],
  ] as const)('%s with %o is %s', (type, finding, expected) => {
    const blamed = blameNetwork(failure(type), finding);
    expect(blamed.type).toBe(expected);
    expect(blamed.source).toBe(failureFacts[expected].source);
    if (expected !== type) expect(blamed.message).toContain(type);
  });
});
