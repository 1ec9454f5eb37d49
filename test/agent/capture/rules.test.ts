import { expect, it } from 'vitest';
import { findOwnTraffic, type ProcessFacts } from '#agent/capture/own-traffic.ts';
import { type CaptureRules, captureCommands } from '#agent/capture/rules.ts';
import { decideScope, pastAgent } from '#agent/capture/scope.ts';
import { compileRoutePolicy, decideRoute, type FlowFacts } from '#agent/forwarding/route.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';

const nothing = { four: [], six: [] };
const rules: CaptureRules = {
  table: 'inet t',
  own: { uids: [990] },
  past: { tcp: { four: ['10.0.0.0-10.255.255.255'], six: [] }, udp: nothing },
  tcpPort: 15_001,
  dns: [{ server: '2001:db8::53', udpPort: 1, tcpPort: 2 }],
  udp: { port: 15_002 },
};
const linesOf = (changes: Partial<CaptureRules>, chain: string) =>
  captureCommands({ ...rules, ...changes })
    .split(/; (?=add|flush)/)
    .filter((line) => line.startsWith(`add rule inet t ${chain} `))
    .map((line) => line.slice(`add rule inet t ${chain} `.length));

it('the agent’s own traffic, loopback and what goes direct are let by before anything is taken', () => {
  expect(linesOf({}, 'to_agent')).toEqual([
    'meta skuid 990 accept',
    'oifname "lo" accept',
    'ip6 daddr 2001:db8::53 udp dport 53 redirect to :1',
    'ip6 daddr 2001:db8::53 tcp dport 53 redirect to :2',
    'ip daddr { 10.0.0.0-10.255.255.255 } accept',
    'fib daddr type != unicast accept',
    'tcp flags & (fin | syn | rst | ack) == syn redirect to :15001',
  ]);
  expect(linesOf({}, 'mark_udp').at(-1)).toBe('meta l4proto udp meta mark set 119');
  expect(linesOf({}, 'divert_udp')).toHaveLength(2);
  expect(linesOf({ udp: 'reject-quic' }, 'no_quic').at(-1)).toContain('udp dport 443 reject');
  expect(linesOf({ udp: undefined, tcpPort: undefined, dns: [] }, '').join()).not.toMatch(
    /redirect to|reject|mark/,
  );
});

const policy: ForwardingPolicy = {
  mode: 'tunnel',
  bypass: ['203.0.113.0/24', 'printer.example.com'],
  whenTunnelDown: 'open',
  pinnedEdge: '',
  traffic: {
    addresses: {
      include: ['192.168.7.0/24:443:tcp', '0.0.0.0/0', '::/0'],
      exclude: ['198.51.100.0/24:25:tcp', '198.51.100.7'],
    },
  },
};
const route = (flow: FlowFacts) =>
  decideRoute(
    flow,
    compileRoutePolicy(policy, { services: [{ host: '0.0.0.0', port: 1 }], listeners: [] }),
  );

it('the kernel lets by what the decision sends direct on every port, and nothing else', () => {
  const { four, six } = pastAgent(policy, route, 'tcp');
  expect(four).toEqual([
    '10.0.0.0-10.255.255.255',
    '169.254.0.0-169.254.255.255',
    '172.16.0.0-172.31.255.255',
    '192.168.0.0-192.168.6.255',
    '192.168.8.0-192.168.255.255',
    '198.51.100.7-198.51.100.7',
    '203.0.113.0-203.0.113.255',
    '224.0.0.0-239.255.255.255',
    '255.255.255.255-255.255.255.255',
  ]);
  expect(six.join()).toContain('fe80::');
  // The include is for TCP: for UDP its range stays local.
  expect(pastAgent(policy, route, 'udp').four).toContain('192.168.0.0-192.168.255.255');
});

it.each([
  [undefined, 'no policy yet', false],
  [{ mode: 'off' as const }, 'forwarding is off', false],
  [{ mode: 'tunnel' as const }, 'network trusted: tunnel', true],
  [
    { mode: 'tunnel' as const, onNetwork: { trusted: 'local-proxy' as const } },
    'network trusted: local-proxy',
    false,
  ],
  [
    { mode: 'tunnel' as const, onNetwork: { trusted: 'none' as const } },
    'network trusted: none',
    false,
  ],
])('by the policy %j on a trusted network: %s', (given, reason, isWanted) => {
  expect(decideScope(given, { type: 'trusted' })).toEqual({ isWanted, reason });
});

it('a name that only the flow itself says leads nowhere past the tunnel; a confirmed one does', () => {
  const named = { host: 'printer.example.com', port: 443, address: '8.8.8.8' };
  expect(route(named)).toMatchObject({ action: 'direct' });
  expect(route({ ...named, isNameClaimed: true })).toEqual({
    action: 'tunnel',
    rule: 'include 0.0.0.0/0',
  });
  expect(route({ ...named, isNameClaimed: true, address: '203.0.113.9' })).toEqual({
    action: 'direct',
    rule: 'bypass 203.0.113.0/24',
  });
});

it('a rule about addresses holds for a captured flow with a name', () => {
  expect(route({ host: 'x.test', port: 25, address: '198.51.100.1' }).action).toBe('direct');
  expect(route({ host: 'x.test', port: 443, address: '198.51.100.1' }).action).toBe('tunnel');
});

const facts: ProcessFacts = {
  uid: 990,
  passwd: [
    'root:x:0:0:root:/root:/bin/bash',
    'whyslow:x:990:990::/var/lib/whyslow:/usr/sbin/nologin',
    'ann:x:1000:1000:Ann:/home/ann:/bin/bash',
  ].join('\n'),
  cgroup: '0::/system.slice/whyslow-agent.service\n',
  cgroupPrefix: '',
};
const own = (
  changes: Partial<ProcessFacts>,
  config: Partial<Parameters<typeof findOwnTraffic>[0]> = {},
) =>
  findOwnTraffic(
    { ownTrafficBy: 'user', notCapturedUsers: [], ...config },
    { ...facts, ...changes },
  );

it('an agent with a user of its own is told by it, also where systemd invented the user', () => {
  expect(own({})).toEqual({ uids: [990] });
  expect(own({ uid: 61_184 })).toEqual({ uids: [61_184] });
  expect(own({}, { notCapturedUsers: ['ann', '1001'] })).toEqual({ uids: [990, 1_000, 1_001] });
});

it.each([
  [{ uid: 0 }, {}, /runs as root.*user of its own/],
  [{ uid: 1_000 }, {}, /runs as ann/],
  [{}, { notCapturedUsers: ['bob'] }, /notCapturedUsers\[0\]: this machine has no user bob/],
  [{ cgroup: '0::/\n' }, { ownTrafficBy: 'cgroup' as const }, /shares its control group/],
  [{ cgroup: '0::/user.slice/session-3.scope\n' }, { ownTrafficBy: 'cgroup' as const }, /shares/],
  [{ cgroup: '1:cpu:/\n' }, { ownTrafficBy: 'cgroup' as const }, /no unified control groups/],
])(
  'an agent whose traffic cannot be told from that of programs does not start: %j %j',
  (changes, config, message) => {
    expect(() => own(changes, config)).toThrow(message);
  },
);

it('as root it is told by its service’s control group', () => {
  expect(own({ uid: 0, cgroupPrefix: 'unified/' }, { ownTrafficBy: 'cgroup' })).toEqual({
    uids: [],
    cgroup: { path: 'unified/system.slice/whyslow-agent.service', level: 2 },
  });
});
