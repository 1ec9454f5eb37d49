import { describe, expect, it } from 'vitest';
import { makePac } from '#agent/forwarding/pac.ts';
import { compileRoutePolicy, decideRoute } from '#agent/forwarding/route.ts';
import { parseAuthority } from '#contract/authority.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';

const policy: ForwardingPolicy = {
  mode: 'tunnel',
  bypass: ['.idp.test', '10.0.0.0/8'],
  whenTunnelDown: 'closed',
  pinnedEdge: '',
};
const own = {
  services: [{ host: 'collector.test', port: 8443 }],
  listeners: [{ host: '127.0.0.1', port: 9000 }],
};

describe('the route of a flow', () => {
  it.each([
    ['app.test', 443, 'tunnel', 'default'],
    ['login.idp.test', 443, 'direct', 'bypass .idp.test'],
    ['10.1.2.3', 80, 'direct', 'bypass 10.0.0.0/8'],
    ['192.168.1.5', 631, 'direct', 'local address 192.168.0.0/16'],
    ['Collector.test.', 8443, 'direct', 'own-service'],
    ['collector.test', 443, 'tunnel', 'default'],
    ['localhost', 9000, 'block', 'own-listener'],
    ['[::1]', 9000, 'block', 'own-listener'],
    ['a.localhost', 9000, 'block', 'own-listener'],
    ['0.0.0.0', 9000, 'block', 'own-listener'],
    ['[::]', 9000, 'block', 'own-listener'],
    ['127.9.9.9', 9000, 'block', 'own-listener'],
    ['[::ffff:127.0.0.1]', 9000, 'block', 'own-listener'],
    ['127.0.0.1', 9001, 'tunnel', 'default'],
  ] as const)('%s:%i: %s by %s', (host, port, action, rule) => {
    const compiled = compileRoutePolicy(policy, own);
    expect(decideRoute({ host, port }, compiled)).toEqual({ action, rule });
  });

  it('is direct for everything while forwarding is off', () => {
    const off = compileRoutePolicy({ ...policy, mode: 'off' }, own);
    expect(decideRoute({ host: 'app.test', port: 443 }, off)).toEqual({
      action: 'direct',
      rule: 'forwarding-off',
    });
  });
});

it('a PAC file lets browsers go around a dead agent only when the policy is open', () => {
  const proxy = { host: '127.0.0.1', port: 9000 };
  const answerOf = (given: ForwardingPolicy) =>
    new Function(`${makePac(proxy, given)} return FindProxyForURL('http://a/', 'a');`)();
  expect(answerOf(policy)).toBe('PROXY 127.0.0.1:9000');
  expect(answerOf({ ...policy, whenTunnelDown: 'open' })).toBe('PROXY 127.0.0.1:9000; DIRECT');
  expect(answerOf({ ...policy, mode: 'off' })).toBe('DIRECT');
});

it.each([
  ['a.test:443', { host: 'a.test', port: 443 }],
  ['[::1]:80', { host: '::1', port: 80 }],
  ['a.test', undefined],
  ['a.test:0', undefined],
  ['a.test:65536', undefined],
  ['a.test.:443', { host: 'a.test.', port: 443 }],
  ['a.test..:443', undefined],
  ['user@a.test:80', undefined],
  ['::1:80', undefined],
  ['http://a.test:80', undefined],
  ['', undefined],
])('the authority %s', (text, destination) => {
  expect(parseAuthority(text)).toEqual(destination);
});

describe('the route of a flow by a detailed policy', () => {
  const detailed: ForwardingPolicy = {
    ...policy,
    onNetwork: { trusted: 'none', 'split-vpn': 'enforce-proxy' },
    identityProviders: ['login.corp.test'],
    vpnGateways: ['vpn.corp.test', '203.0.113.0/28'],
    bypassProcesses: ['/usr/bin/backup', 'teams'],
    privateHosts: ['192.168.50.10'],
    traffic: {
      names: { include: ['.video.test'], exclude: ['.video.test', '.update.test'] },
      addresses: {
        include: ['198.51.100.0/24', '192.168.7.0/24:443:tcp', '192.168.8.0/24'],
        exclude: [
          '198.51.100.0/24:5000-5100',
          '198.51.100.0/24:5000-5100:udp',
          '198.51.100.128/25',
          '192.168.8.0/24',
          '2001:db8::/32',
        ],
      },
    },
  };
  const compiled = compileRoutePolicy(detailed, own);
  const route = (host: string, more: Partial<Parameters<typeof decideRoute>[0]> = {}) =>
    decideRoute({ host, port: 443, ...more }, compiled);

  it.each([
    ['login.corp.test', {}, 'direct', 'identity-provider login.corp.test'],
    ['VPN.corp.test.', {}, 'direct', 'vpn-gateway vpn.corp.test'],
    ['203.0.113.5', { port: 500, protocol: 'udp' }, 'direct', 'vpn-gateway 203.0.113.0/28'],
    ['a.video.test', { process: '/usr/bin/backup' }, 'direct', 'process /usr/bin/backup'],
    ['a.video.test', { process: '/opt/teams' }, 'direct', 'process /opt/teams'],
    // In both lists: the include wins unless told otherwise.
    ['a.video.test', {}, 'tunnel', 'include .video.test'],
    ['x.update.test', {}, 'direct', 'exclude .update.test'],
    // Something is included by name, so other names are not.
    ['other.test', {}, 'direct', 'not included'],
    ['192.168.50.10', {}, 'tunnel', 'private 192.168.50.10'],
    ['198.51.100.9', {}, 'tunnel', 'include 198.51.100.0/24'],
    // The longer prefix wins.
    ['198.51.100.200', {}, 'direct', 'exclude 198.51.100.128/25'],
    // Of equal prefixes the one that says more wins.
    ['198.51.100.9', { port: 5_050 }, 'direct', 'exclude 198.51.100.0/24:5000-5100'],
    [
      '198.51.100.9',
      { port: 5_050, protocol: 'udp' },
      'direct',
      'exclude 198.51.100.0/24:5000-5100:udp',
    ],
    ['192.168.7.3', {}, 'tunnel', 'include 192.168.7.0/24:443:tcp'],
    ['192.168.7.3', { port: 80 }, 'direct', 'local address 192.168.0.0/16'],
    // A tie is included.
    ['192.168.8.1', {}, 'tunnel', 'include 192.168.8.0/24'],
    ['192.0.2.1', {}, 'direct', 'not included'],
    ['[2001:db8::5]', {}, 'direct', 'exclude 2001:db8::/32'],
    ['fe80::1', {}, 'direct', 'local address fe80::/10'],
  ] as const)('%s %o: %s by %s', (host, more, action, rule) => {
    expect(route(host, more)).toEqual({ action, rule });
  });

  it('keeps out of networks where the organisation says so', () => {
    const flow = { host: 'a.video.test', port: 443 };
    expect(decideRoute(flow, compiled, 'trusted')).toEqual({
      action: 'direct',
      rule: 'network trusted: none',
    });
    expect(decideRoute(flow, compiled, 'split-vpn').rule).toBe('network split-vpn: enforce-proxy');
    expect(decideRoute(flow, compiled, 'vpn').action).toBe('tunnel');
  });

  it('lets excludes win where told', () => {
    const strict = compileRoutePolicy(
      { ...detailed, traffic: { names: { ...detailed.traffic?.names, excludeWins: true } } },
      own,
    );
    expect(decideRoute({ host: 'a.video.test', port: 443 }, strict)).toEqual({
      action: 'direct',
      rule: 'exclude .video.test',
    });
  });
});
