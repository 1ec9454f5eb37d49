import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { judge } from '#agent/control/network-state.ts';
import { askPortalApi } from '#agent/control/portal-api.ts';
import { createAddressBook } from '#agent/enforcement/address-book.ts';
import { fenceContent, namesOf, rangesPast } from '#agent/enforcement/fence-content.ts';
import { openGraceBook } from '#agent/enforcement/grace.ts';
import { describeStrictTable } from '#agent/enforcement/strict-table.ts';
import { type Around, enforceRoute } from '#agent/forwarding/around.ts';
import { leaveNewToken, readNewToken, removeNewToken } from '#agent/new-token.ts';
import { createAuthority, issueWithKey } from '#runtime/certificates.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

describe('the time to log in at a captive portal', () => {
  const minuteMs = 60_000;

  test('is one a network and hour, also for an agent that was killed meanwhile', async () => {
    const path = join(await makeTemporaryFolder(), 'graces.json');
    let now = 1_000_000;
    const open = () => openGraceBook(path, () => now);
    expect(open().begin('hotel', 5 * minuteMs)).toBe(5 * minuteMs);
    now += 4 * minuteMs;
    expect(open().begin('hotel', 5 * minuteMs)).toBe(minuteMs);
    now += minuteMs;
    expect(open().begin('hotel', 5 * minuteMs)).toBe(0);
    expect(open().begin('café', 5 * minuteMs)).toBe(5 * minuteMs);
    now += 54 * minuteMs;
    expect(open().begin('hotel', 5 * minuteMs)).toBe(0);
    now += minuteMs;
    expect(open().begin('hotel', 5 * minuteMs)).toBe(5 * minuteMs);
  });

  test('is two an hour for all networks together, whatever they say that they are', async () => {
    const path = join(await makeTemporaryFolder(), 'graces.json');
    let now = 1_000_000;
    const givenAt: number[] = [];
    // A hotspot that announces another name server as soon as the time is over.
    for (let second = 0; second < 7_200; second += 10) {
      const network = `wlan0 192.0.2.1 192.0.2.${Math.floor(second / 300)}`;
      const leftMs = openGraceBook(path, () => now).begin(network, 5 * minuteMs);
      if (leftMs > 0) givenAt.push(second);
      now += 10_000;
    }
    expect(givenAt.filter((second) => second < 3_600)).toHaveLength(60);
    expect(givenAt.filter((second) => second >= 3_600)).toHaveLength(60);
    expect(givenAt.filter((second) => second >= 600 && second < 3_600)).toEqual([]);
  });

  test('does not grow by a clock that is put back, and a damaged book is an empty one', async () => {
    const path = join(await makeTemporaryFolder(), 'graces.json');
    let now = 10_000_000;
    const book = openGraceBook(path, () => now);
    book.begin('hotel', minuteMs);
    now -= 5_000_000;
    expect(book.begin('hotel', minuteMs)).toBe(0);
    writeFileSync(path, '{"graces":');
    expect(openGraceBook(path, () => now).leftMs('hotel')).toBe(0);
  });
});

describe('while the device is shut', () => {
  const around: Around = {
    text: 'blocked: tunnel down',
    whenTunnelDown: 'closed',
    direct: 'exceptions',
    isPortalOpen: false,
    isPortal: ({ host, port }) => host === '192.0.2.1' && port === 80,
    isExcepted: ({ host }) => host === '192.0.2.9',
  };
  const at = { host: 'a.test', port: 443 };
  const direct = (rule: string) => ({ action: 'direct', rule }) as const;
  const tunnel = { action: 'tunnel', rule: 'default' } as const;

  test.each(['own-service', 'identity-provider login.test', 'allowed 10.0.0.0/8'])(
    'direct stays direct by %s',
    (rule) => expect(enforceRoute(direct(rule), at, around)).toEqual(direct(rule)),
  );

  test.each(['bypass a.test', 'vpn-gateway a.test', 'forwarding-off', 'process /bin/x'])(
    'nothing goes direct by %s',
    (rule) =>
      expect(enforceRoute(direct(rule), at, around)).toEqual({
        action: 'block',
        rule: 'blocked: tunnel down',
      }),
  );

  test('a captured flow goes to an excepted address, whatever it calls itself', () => {
    const flow = { host: 'evil.test', address: '192.0.2.9', port: 443 };
    expect(enforceRoute(tunnel, flow, around)).toEqual(direct('excepted 192.0.2.9'));
    const claimed = { host: '192.0.2.9', address: '192.0.2.8', port: 443 };
    expect(enforceRoute(tunnel, claimed, around)).toEqual(tunnel);
  });

  test('the captive portal is gone to only while there is time', () => {
    const portal = { host: '192.0.2.1', port: 80 };
    expect(enforceRoute(tunnel, portal, around)).toEqual(tunnel);
    const open = { ...around, isPortalOpen: true };
    expect(enforceRoute(tunnel, portal, open)).toEqual(direct('captive-portal'));
    expect(enforceRoute(tunnel, { ...portal, port: 22 }, open)).toEqual(tunnel);
  });
});

describe('the strict table', () => {
  const wishes = {
    own: { uids: [61_001] },
    dnsServers: ['192.0.2.53', 'fe80::1%eth0'],
    identityProviders: ['login.test', '.sso.test', '*.cdn.test'],
    allow: ['printer.test', '10.0.0.0/8', '2001:db8::/32'],
    past: ['172.16.0.0-172.31.255.255'],
    portal: { endpoints: [{ host: '192.0.2.1', port: 8_081 }], leftMs: 90_500 },
  };
  const addresses: Record<string, string[]> = {
    'login.test': ['192.0.2.20', '2001:db8:1::20'],
    'sso.test': ['192.0.2.21'],
    'printer.test': ['192.0.2.40'],
  };

  test('holds the addresses of names, each where it belongs', async () => {
    const book = createAddressBook({ resolve: async (host) => addresses[host] ?? [] });
    expect(namesOf(wishes)).not.toContain('*.cdn.test');
    await book.refresh(namesOf(wishes));
    const text = describeStrictTable(fenceContent(wishes, book));
    const elementsOf = (set: string) =>
      new RegExp(`set ${set} \\{[^}]*elements = \\{ ([^}]*) \\}`).exec(text)?.[1];
    expect(elementsOf('resolvers4')).toBe('192.0.2.53');
    expect(elementsOf('resolvers6')).toBe('fe80::1');
    expect(elementsOf('providers4')).toBe('192.0.2.20 timeout 3600s, 192.0.2.21 timeout 3600s');
    expect(elementsOf('providers6')).toBe('2001:db8:1::20 timeout 3600s');
    expect(elementsOf('hosts4')).toBe('192.0.2.40 timeout 3600s');
    expect(elementsOf('ranges4')).toBe('10.0.0.0/8, 172.16.0.0-172.31.255.255');
    expect(elementsOf('ranges6')).toBe('2001:db8::/32');
    expect(elementsOf('portal4')).toBe('192.0.2.1 . 8081 timeout 91s');
    expect(text).toContain('meta skuid 61001 accept');
  });

  test('takes in no text that is not an address', () => {
    const evil = '192.0.2.1 }; flush ruleset; add set inet x y { ';
    const text = describeStrictTable({
      own: { uids: [1] },
      dnsServers: [evil],
      providers: [{ address: evil, leftSeconds: 1 }],
      hosts: [{ address: evil, leftSeconds: 1 }],
      ranges: [evil, `10.0.0.0/${evil}`, `10.0.0.1-${evil}`, '10.0.0.0/8/8', '::1-10.0.0.1'],
      portal: [{ address: evil, port: 1, leftSeconds: 1 }],
    });
    expect(text).not.toContain('elements');
    expect(text).not.toContain('flush');
  });

  test('opens to the agent alone whatever the network says where collector and edges are', () => {
    const book = createAddressBook({ resolve: async () => ['192.0.2.30'] });
    const chains = describeStrictTable(fenceContent(wishes, book)).split('  chain ');
    // Sets a packet may match by its destination: none is of an address that only the agent needs.
    const setsOf = (chain = '') => [...new Set(chain.match(/@[a-z]+/g))].sort();
    const sets = ['@hosts', '@portal', '@providers', '@ranges', '@resolvers'];
    expect(chains.map(setsOf)).toEqual([[], sets, sets]);
    const first = chains[1]?.indexOf('meta skuid 61001 accept') ?? -1;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(chains[1]?.indexOf('reject') ?? -1);
  });

  test('lets out what policy sends direct on every port, and only that', () => {
    const ranges = rangesPast({
      mode: 'tunnel',
      bypass: ['198.51.100.0/24', 'name.test'],
      whenTunnelDown: 'closed',
      pinnedEdge: '',
      traffic: { addresses: { exclude: ['203.0.113.0/24:25:tcp'] } },
    });
    expect(ranges).toContain('198.51.100.0-198.51.100.255');
    expect(ranges).toContain('10.0.0.0-10.255.255.255');
    expect(ranges.join()).not.toContain('203.0.113');
  });

  test('remembers an address for an hour past the last answer that had it', async () => {
    let now = 0;
    let answer = ['192.0.2.20'];
    const book = createAddressBook({ now: () => now, resolve: async () => answer });
    await book.refresh(['login.test']);
    answer = ['192.0.2.21'];
    now += 1_800_000;
    await book.refresh(['login.test']);
    expect(book.addressesOf('login.test').map(({ address }) => address)).toHaveLength(2);
    now += 1_800_000;
    await book.refresh(['login.test']);
    expect(book.addressesOf('login.test')).toEqual([{ address: '192.0.2.21', leftSeconds: 3_600 }]);
  });
});

describe('a network that has an API for its portal (RFC 8908)', () => {
  const serve = async (status: number, text: string) => {
    const authority = await createAuthority('authority of a hotel', 1);
    const keyed = await issueWithKey(authority, {
      commonName: 'portal',
      notAfter: Date.now() + 3_600_000,
      dnsNames: ['localhost'],
      usages: ['server'],
    });
    const asked: string[] = [];
    const server = createServer(
      { cert: keyed.certificatePem, key: keyed.privateKeyPem },
      (request, answer) => {
        asked.push(request.headers.accept ?? '');
        answer.writeHead(status, { 'content-type': 'application/captive+json' }).end(text);
      },
    );
    await new Promise<void>((done) => server.listen(0, 'localhost', done));
    onTestFinished(() => new Promise<void>((done) => server.close(() => done())));
    const url = `https://localhost:${(server.address() as AddressInfo).port}/api?device=7`;
    return { url, ca: authority.certificatePem, asked };
  };

  test('is asked, and believed when its certificate is', async () => {
    const said = '{"captive":true,"user-portal-url":"https://portal.test/in?id=7","seconds":1}';
    const { url, ca, asked } = await serve(200, said);
    expect(await askPortalApi(url)).toBeNull();
    const answer = await askPortalApi(url, { ca });
    expect(answer).toEqual({ isCaptive: true, url: 'https://portal.test/in?id=7' });
    expect(asked).toEqual(['application/captive+json']);
  });

  test.each([
    [404, '{"captive":true}'],
    [200, '{"captive":"yes"}'],
    [200, 'x'.repeat(100_000)],
  ])('is not believed when it answers %i %.20s', async (status, text) => {
    const { url, ca } = await serve(status, text);
    expect(await askPortalApi(url, { ca })).toBeNull();
    expect(await askPortalApi(url.replace('https', 'http'), { ca })).toBeNull();
  });

  test('makes it a portal unless the collector itself was heard, without the user’s own part', () => {
    const links = { hasAddress: true, hasCarrier: true, withoutCarrier: [], portal: null };
    const said = { isCaptive: true, url: 'https://portal.test/in?id=7' };
    const at = 'http://collector.test/generate_204';
    expect(judge({ error: 'no answer' }, at, links, said)).toMatchObject({
      state: 'captive-portal',
      portal: 'https://portal.test',
    });
    expect(judge({ status: 204 }, at, links, said).state).toBe('ok');
    expect(judge({ error: 'no answer' }, at, links, { ...said, isCaptive: false }).state).toBe(
      'unknown',
    );
  });

  test('a portal by 511 or redirect says where to log in', () => {
    const links = { hasAddress: true, hasCarrier: true, withoutCarrier: [], portal: null };
    const at = 'http://collector.test/generate_204';
    expect(judge({ status: 511 }, at, links)).toMatchObject({
      state: 'captive-portal',
      portal: null,
    });
    const redirect = { status: 302, location: 'http://192.0.2.1:8081/login?id=7' };
    expect(judge(redirect, at, links)).toMatchObject({ portal: 'http://192.0.2.1:8081' });
  });
});

test('a token that is left in the state folder is there until it is taken', async () => {
  const folder = await makeTemporaryFolder();
  expect(readNewToken(folder)).toBeUndefined();
  await leaveNewToken(folder, 'wse1.x');
  expect(readNewToken(folder)).toBe('wse1.x');
  await removeNewToken(folder);
  await removeNewToken(folder);
  expect(readNewToken(folder)).toBeUndefined();
});
