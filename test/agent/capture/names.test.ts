import { expect, it } from 'vitest';
import { createConfirm } from '#agent/capture/confirm.ts';
import { createNames } from '#agent/capture/names.ts';
import { createSettleName } from '#agent/capture/settle-name.ts';
import { nameFlow } from '#agent/capture/tcp.ts';
import { compileRoutePolicy, decideRoute, type FlowFacts } from '#agent/forwarding/route.ts';

it('a name is known for as long as programs keep addresses, and the latest counts', () => {
  let nowMs = 0;
  const names = createNames(() => nowMs);
  names.remember('A.example.com.', '2001:DB8::1', 1);
  names.remember('b.example.com', '2001:db8::1', 1_200);
  expect(names.nameOf('2001:db8::1')).toBe('b.example.com');
  expect(names.leads('a.example.com', '2001:db8::1')).toBe(true);
  nowMs = 601_000;
  expect(names.leads('a.example.com', '2001:db8::1')).toBe(false);
  expect(names.nameOf('2001:db8::1')).toBe('b.example.com');
  nowMs = 1_201_000;
  expect(names.nameOf('2001:db8::1')).toBeUndefined();
});

it('memory is bounded, and what was used last stays', () => {
  const names = createNames(() => 0);
  for (let each = 0; each < 30_000; each++) {
    names.remember('x.example.com', `203.${each >> 16}.${(each >> 8) & 255}.${each & 255}`, 60);
  }
  expect(names.nameOf('203.0.0.0')).toBeUndefined();
  expect(names.nameOf('203.0.117.47')).toBe('x.example.com');
});

it('an address that stands for a name is the same for the name, and another for another', () => {
  const names = createNames();
  const addresses = Array.from({ length: 2_000 }, (_, each) => names.standIn(`n${each}.corp.test`));
  expect(new Set(addresses).size).toBe(2_000);
  expect(names.standIn('N7.corp.test')).toBe(addresses[7]);
  expect(names.nameOf(addresses[7] ?? '')).toBe('n7.corp.test');
  expect(addresses.every(names.isStandIn)).toBe(true);
  expect(createNames().standIn('n7.corp.test')).toBe(addresses[7]);
});

const wanted = { host: '203.0.113.7', port: 443 };
const known = () => {
  const names = createNames();
  names.remember('app.example.com', wanted.host, 60);
  return names;
};
const flow = { ...wanted, address: wanted.host };

it('of all names that lead to an address the latest comes first, and of too many the address stands for the rest', () => {
  let nowMs = 0;
  const names = createNames(() => nowMs);
  const name = (each: number) => `n${each}.example.com`;
  const many = Array.from({ length: 16 }, (_, each) => name(each));
  for (const each of many) names.remember(each, '203.0.113.7', 60);
  expect(names.namesOf('203.0.113.7')).toEqual(many.toReversed());
  names.remember('login.example.com', '203.0.113.7', 1_200);
  const known = names.namesOf('203.0.113.7');
  expect(known[0]).toBe('login.example.com');
  expect(known.at(-1)).toBe('203.0.113.7');
  expect(known).toHaveLength(17);
  nowMs = 601_000;
  expect(names.namesOf('203.0.113.7')).toEqual(['login.example.com']);
});

it.each([
  [['login.test'], 'login.test'],
  [['login.test', 'a.bypass.test'], 'login.test'],
  [['login.test', 'app.test'], 'app.test'],
  [['app.test', 'login.test'], 'app.test'],
  [['b.test', 'login.test', 'app.test'], 'b.test'],
  [
    ['login.test', ...Array.from({ length: 20 }, (_, each) => `x${each}.login.test`)],
    '203.0.113.7',
  ],
])(
  'a flow that says no name, to where %j lead, the first asked for last, is for %s',
  async (all, host) => {
    const policy = compileRoutePolicy(
      {
        mode: 'tunnel',
        bypass: ['.bypass.test'],
        identityProviders: ['.login.test'],
        whenTunnelDown: 'closed',
        pinnedEdge: '',
      },
      { services: [], listeners: [] },
    );
    const names = createNames();
    for (const name of all.toReversed()) names.remember(name, wanted.host, 60);
    const decide = async (flow: FlowFacts) => decideRoute(flow, policy);
    const settled = await createSettleName(decide)(nameFlow(wanted, undefined, names));
    expect(settled).toEqual({ ...flow, host });
    // Direct only where that is what every name says.
    const isDirect = all.length <= 2 && all.every((name) => /login|bypass/.test(name));
    expect((await decide(settled)).action).toBe(isDirect ? 'direct' : 'tunnel');
  },
);

it.each([
  ['a name that a DNS answer confirms', 'app.example.com', { ...flow, host: 'app.example.com' }],
  [
    'a name that nothing confirms',
    'other.example.com',
    { ...flow, host: 'other.example.com', isNameClaimed: true },
  ],
  ['no name, where one leads there', undefined, { ...flow, host: 'app.example.com' }],
  ['an address for a name', '203.0.113.7', wanted],
  ['what is no name', 'a b', { ...flow, host: 'app.example.com' }],
])('a flow that says %s is for …', (_, said, expected) => {
  expect(nameFlow(wanted, said, known())).toEqual(expected);
});

it('a flow to an address that stands for a name is for that name alone, whatever it says', () => {
  const names = known();
  const host = names.standIn('wiki.corp.test');
  expect(nameFlow({ host, port: 80 }, 'x.test', names)).toEqual({
    host: 'wiki.corp.test',
    port: 80,
  });
});

it('a name the flow says of itself sends it direct once the device’s name server says so too', async () => {
  const asked: string[] = [];
  const names = createNames();
  const confirm = createConfirm({
    names,
    route: ({ host, isNameClaimed }) =>
      host === 'login.example.com' && isNameClaimed !== true
        ? { action: 'direct', rule: 'identity-provider login.example.com' }
        : { action: 'tunnel', rule: 'default' },
    resolve: async (name) => {
      asked.push(name);
      return ['203.0.113.7'];
    },
  });
  const claimed = { ...flow, host: 'login.example.com', isNameClaimed: true };
  expect(await confirm(claimed)).toEqual({ ...flow, host: 'login.example.com' });
  expect(names.leads('login.example.com', wanted.host)).toBe(true);
  const elsewhere = { ...claimed, address: '203.0.113.9' };
  expect(await confirm(elsewhere)).toBe(elsewhere);
  expect(await confirm(elsewhere)).toBe(elsewhere);
  // Asked once for each, and never for a name that is carried anyway.
  const carried = { ...claimed, host: 'app.example.com' };
  expect(await confirm(carried)).toBe(carried);
  expect(asked).toEqual(['login.example.com', 'login.example.com']);
});
