import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type NetworkInterfaceInfo, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { blameNetwork } from '#agent/control/blame-network.ts';
import { findHijack } from '#agent/control/dns-hijack.ts';
import { readLinks } from '#agent/control/links.ts';
import { createNetworkWatch, judge } from '#agent/control/network-state.ts';
import { type Failure, type FailureType, failureFacts } from '#contract/failure.ts';
import { silentLog } from '#runtime/log.ts';
import { startNameServer } from '#test/support/name-server.ts';

const serve = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/generate_204`;
};

const watch = (url: string | undefined, nameServers: string[] = ['127.0.0.1:9']) => {
  const changes: string[] = [];
  const network = createNetworkWatch({
    url: () => url,
    onChange: ({ state }) => changes.push(state),
    log: silentLog(),
    nameServers,
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

  test.each([
    ['no interface has an address', { hasAddress: false, hasCarrier: false }, 'down'],
    ['no interface with an address has a carrier', { hasCarrier: false }, 'down'],
    ['there are address and carrier', {}, 'unknown'],
  ] as const)('where %s and nobody answers the network is %o: %s', (_what, changes, state) => {
    const silent = { error: 'connect ENETUNREACH' };
    const facts = { ...links, ...changes };
    expect(judge(silent, 'http://collector.test/generate_204', facts).state).toBe(state);
    expect(judge(silent, 'http://127.0.0.1:1/generate_204', facts).state).toBe('unknown');
    expect(judge({ status: 204 }, 'http://collector.test/', facts).state).toBe('ok');
  });

  test('passes on where the network says that its portal is, without claiming that it is one', () => {
    const facts = { ...links, portal: 'https://portal.hotel.test/api?id=7' };
    const found = judge({ error: 'no answer' }, 'http://collector.test/generate_204', facts);
    expect(found.state).toBe('unknown');
    expect(found.reason).toContain('https://portal.hotel.test');
    expect(found.reason).not.toContain('id=7');
  });

  test('knows a name server that answers for names that do not exist', async () => {
    const server = await startNameServer({ '*': { A: { data: ['127.0.0.7'] } } });
    onTestFinished(() => server.stop());
    const url = await serve((_, answer) => answer.writeHead(204).end());
    const { network } = watch(url, [server.address]);
    expect(await network.check()).toMatchObject({
      state: 'dns-hijacked',
      hijackAddresses: ['127.0.0.7'],
    });
  });

  test('asks below .invalid and below the collector’s own name, and nobody else', async () => {
    const server = await startNameServer({});
    onTestFinished(() => server.stop());
    const nameServers = [server.address];
    expect(await findHijack('http://collector.example.test:80/x', { nameServers })).toBeNull();
    const zones = new Set(
      server.questions.map(({ name }) => name.replace(/^whyslow-\w{20}\./, '')),
    );
    expect([...zones].sort()).toEqual(['collector.example.test', 'invalid']);
    server.questions.length = 0;
    await findHijack('http://192.0.2.1/', { nameServers });
    expect(server.questions.every(({ name }) => name.endsWith('.invalid'))).toBe(true);
  });
});

const links = { hasAddress: true, hasCarrier: true, withoutCarrier: [], portal: null };

describe('this machine’s links', () => {
  test('are read from the system: carrier, and the portal that a network names', () => {
    const folder = mkdtempSync(join(tmpdir(), 'whyslow-links-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const at = { links: join(folder, 'net'), networkd: join(folder, 'netif') };
    mkdirSync(join(at.links, 'eth0'), { recursive: true });
    mkdirSync(at.networkd);
    const address = { address: '192.0.2.7', internal: false } as NetworkInterfaceInfo;
    const read = () => readLinks(at, { eth0: [address], lo: [{ ...address, internal: true }] });
    writeFileSync(join(at.links, 'eth0/carrier'), '1\n');
    expect(read()).toEqual({ ...links, hasCarrier: true });
    writeFileSync(join(at.links, 'eth0/carrier'), '0\n');
    expect(read()).toMatchObject({ hasAddress: true, hasCarrier: false, withoutCarrier: ['eth0'] });
    rmSync(join(at.links, 'eth0/carrier'));
    expect(read().hasCarrier).toBe(true);
    writeFileSync(
      join(at.networkd, '2'),
      'ADMIN_STATE=x\nCAPTIVE_PORTAL=https://portal.test/api\n',
    );
    expect(read().portal).toBe('https://portal.test/api');
    writeFileSync(join(at.networkd, '2'), 'CAPTIVE_PORTAL=urn:ietf:params:capport:unrestricted\n');
    expect(read().portal).toBeNull();
    expect(readLinks(at, {})).toMatchObject({ hasAddress: false });
  });
});

describe('a failure seen with the network', () => {
  const portal = { state: 'captive-portal', reason: 'portal answers', at: 0 } as const;
  const down = { state: 'down', reason: 'no address', at: 0 } as const;
  const unknown = { state: 'unknown', reason: '', at: 0 } as const;
  const hijack = {
    state: 'dns-hijacked',
    reason: 'it lies',
    at: 0,
    hijackAddresses: ['192.0.2.9'],
  } as const;

  test.each([
    ['tls.cert.name_invalid', portal, 'agent.captive_portal'],
    ['dns.timed_out', portal, 'agent.captive_portal'],
    ['tunnel.down', down, 'agent.network_down'],
    ['tcp.timed_out', down, 'agent.network_down'],
    ['tls.cert.name_invalid', down, 'tls.cert.name_invalid'],
    ['policy.blocked', portal, 'policy.blocked'],
    ['http.error', portal, 'http.error'],
    ['tcp.timed_out', unknown, 'tcp.timed_out'],
    ['tls.cert.name_invalid', hijack, 'agent.dns_hijacked'],
    ['http.error', hijack, 'agent.dns_hijacked'],
  ] as const)('%s with %o is %s', (type, finding, expected) => {
    const blamed = blameNetwork(failure(type), finding, ['192.0.2.9']);
    if (finding === hijack)
      expect(blameNetwork(failure(type), finding, ['192.0.2.1']).type).toBe(type);
    expect(blamed.type).toBe(expected);
    expect(blamed.source).toBe(failureFacts[expected].source);
    if (expected !== type) expect(blamed.message).toContain(type);
  });
});
