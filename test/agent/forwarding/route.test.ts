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
    ['Collector.test.', 8443, 'direct', 'own-service'],
    ['collector.test', 443, 'tunnel', 'default'],
    ['localhost', 9000, 'block', 'own-listener'],
    ['[::1]', 9000, 'block', 'own-listener'],
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
