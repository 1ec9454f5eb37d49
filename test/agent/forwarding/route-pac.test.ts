import { expect, it, test } from 'vitest';
import {
  compileRoutePolicy,
  decideRoute,
  type FlowFacts,
  isForPac,
} from '#agent/forwarding/route.ts';

const policy = compileRoutePolicy(
  {
    mode: 'tunnel',
    bypass: ['.bypass.test'],
    whenTunnelDown: 'closed',
    pinnedEdge: '',
    identityProviders: ['login.test'],
    privateHosts: ['wiki.test'],
    onNetwork: { trusted: 'none' },
    traffic: { names: { exclude: ['excluded.test'], excludeWins: true } },
  },
  {
    services: [{ host: 'collector.test', port: 443 }],
    listeners: [{ host: '127.0.0.1', port: 9 }],
  },
);
const pac = { action: 'tunnel' as const, edges: ['b'], rule: 'pac PROXY b' };
const direct = { action: 'direct' as const, edges: [], rule: 'pac DIRECT' };
const flow = (host: string, port = 443): FlowFacts => ({ host, port });

it.each([
  ['collector.test', 443, false],
  ['127.0.0.1', 9, false],
  ['login.test', 443, false],
  ['a.bypass.test', 443, false],
  ['wiki.test', 443, false],
  ['excluded.test', 443, true],
  ['192.168.1.5', 631, true],
  ['app.test', 443, true],
])('%s:%i is for the PAC file to decide: %j', (host, port, isAsked) => {
  expect(isForPac(flow(host, port), policy)).toBe(isAsked);
  const { rule } = decideRoute(flow(host, port), policy, 'off-trusted', pac);
  expect(rule === pac.rule).toBe(isAsked);
});

test('on a network that the agent keeps out of, no PAC file is asked', () => {
  expect(isForPac(flow('app.test'), policy, 'trusted')).toBe(false);
});

test('a PAC file that says nothing leaves it to the rules after it', () => {
  expect(decideRoute(flow('excluded.test'), policy).action).toBe('direct');
});

test('a name that a program only claims leads nowhere past the tunnel by a PAC file', () => {
  const claimed = { ...flow('video.test'), address: '203.0.113.9', isNameClaimed: true };
  expect(decideRoute(claimed, policy, 'off-trusted', direct)).toEqual({
    action: 'tunnel',
    rule: 'default',
  });
  const known = { ...claimed, isNameClaimed: false };
  expect(decideRoute(known, policy, 'off-trusted', direct)).toEqual(direct);
});
