import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { DeviceFacts, PostureFacts } from '#contract/access.ts';
import type { AccessRule, EdgeConfig } from '#contract/policy.ts';
import { compileAccess } from '#edge/access.ts';
import { createCategoryReader } from '#edge/categories.ts';
import { compareVersions, compileTime } from '#edge/rule-conditions.ts';
import { emptyPolicy } from '#test/support/edge-lab.ts';

const rule = (id: string, rest: Partial<AccessRule>): AccessRule => ({
  id,
  action: 'block',
  hosts: ['*'],
  ports: [],
  devices: [],
  ...rest,
});

const posture: PostureFacts = {
  diskEncrypted: 'yes',
  firewallOn: 'unknown',
  screenLock: 'unknown',
  platform: 'linux',
  osName: 'debian',
  osVersion: '12.4',
  agentVersion: '0.1.0',
};

const eva = randomUUID();
const nobody = randomUUID();
const devices: DeviceFacts[] = [
  { id: eva, userId: 'eva@example.org', groups: ['sales'], labels: ['loaner'], posture },
];

const decide = (
  rules: AccessRule[],
  flow: { device?: string; host?: string; port?: number; protocol?: 'tcp' | 'udp' | 'ip' } = {},
  rest: { config?: Partial<EdgeConfig>; list?: string; nowMs?: number } = {},
): string => {
  const reader = createCategoryReader();
  reader.push(rest.list ?? '');
  const access = compileAccess(
    { ...emptyPolicy('e'), devices, access: rules, ...rest.config },
    { categories: reader.end(), now: () => rest.nowMs ?? Date.now() },
  );
  const { device = eva, host = 'work.test', port = 443, protocol = 'tcp' } = flow;
  return access.decide(device, { host, port, protocol }).rule;
};

describe('a rule may ask', () => {
  it('who uses the device, by user or group; a device nobody is named for meets neither', () => {
    const rules = [
      rule('eva', { users: ['eva@example.org'], hosts: ['a.test'] }),
      rule('sales', { groups: ['hr', 'sales'], hosts: ['b.test'] }),
    ];
    expect(decide(rules, { host: 'a.test' })).toBe('eva');
    expect(decide(rules, { host: 'b.test' })).toBe('sales');
    expect(decide(rules, { host: 'a.test', device: nobody })).toBe('default');
    expect(decide(rules, { host: 'b.test', device: nobody })).toBe('default');
  });

  it.each([
    [{ labels: ['loaner'] }, 'rule'],
    [{ labels: ['kiosk'] }, 'default'],
    [{ platforms: ['linux'] }, 'rule'],
    [{ platforms: ['win32'] }, 'default'],
    [{ diskEncrypted: true }, 'rule'],
    [{ diskEncrypted: false }, 'default'],
    [{ osVersionBelow: '12.10' }, 'rule'],
    [{ osVersionBelow: '12.4' }, 'default'],
    [{ agentVersionBelow: '1' }, 'rule'],
    // Unknown: meets a rule that blocks, unless the rule says otherwise.
    [{ firewallOn: false }, 'rule'],
    [{ firewallOn: true }, 'rule'],
    [{ firewallOn: false, unknown: 'does-not-match' }, 'default'],
  ] as const)('the state of the device: %j → %s', (asked, expected) => {
    const condition = { ...asked } as unknown as NonNullable<AccessRule['posture']>;
    expect(decide([rule('rule', { posture: condition })])).toBe(expected);
  });

  it('the state of the device, of which what is not known lets nobody further', () => {
    const allow = rule('safe', { action: 'allow', posture: { firewallOn: true } });
    const rest = rule('rest', {});
    expect(decide([allow, rest])).toBe('rest');
    expect(decide([{ ...allow, posture: { firewallOn: true, unknown: 'matches' } }, rest])).toBe(
      'safe',
    );
    expect(decide([allow, rest], { device: nobody })).toBe('rest');
  });

  it('the application, on its ports', () => {
    const config = { applications: [{ appId: 'crm', hosts: ['.crm.test'], ports: [443] }] };
    const rules = [rule('crm', { applications: ['crm'] })];
    expect(decide(rules, { host: 'www.crm.test' }, { config })).toBe('crm');
    expect(decide(rules, { host: 'www.crm.test', port: 8443 }, { config })).toBe('default');
    expect(decide(rules, { host: 'other.test' }, { config })).toBe('default');
  });

  it('the category, by the longest listed domain a name is under', () => {
    const list = 'example.test games\nwork.example.test business,tools\n';
    const rules = [
      rule('games', { categories: ['games'] }),
      rule('tools', { categories: ['tools'] }),
    ];
    expect(decide(rules, { host: 'www.example.test' }, { list })).toBe('games');
    expect(decide(rules, { host: 'a.work.example.test' }, { list })).toBe('tools');
    expect(decide(rules, { host: 'notexample.test' }, { list })).toBe('default');
  });

  it('protocol and port together', () => {
    const rules = [rule('quic', { protocols: ['udp'], ports: [443] })];
    expect(decide(rules, { protocol: 'udp' })).toBe('quic');
    expect(decide(rules, { protocol: 'tcp' })).toBe('default');
    expect(decide(rules, { protocol: 'udp', port: 53 })).toBe('default');
  });

  it('several things at once, and then all have to hold', () => {
    const list = 'crm.test business\n';
    const config = { applications: [{ appId: 'crm', hosts: ['.crm.test'], ports: [] }] };
    const both = rule('both', {
      hosts: ['*', 'x.test'],
      applications: ['crm'],
      categories: ['business'],
      groups: ['sales'],
    });
    expect(decide([both], { host: 'crm.test' }, { list, config })).toBe('both');
    expect(decide([both], { host: 'crm.test' }, { config })).toBe('default');
    expect(decide([both], { host: 'crm.test', device: nobody }, { list, config })).toBe('default');
  });
});

describe('the time of a rule', () => {
  const at = (text: string) => Date.parse(text);
  const office = {
    weekdays: ['mon', 'fri'] as ('mon' | 'fri')[],
    from: '09:00',
    to: '17:30',
    zone: 'Europe/Berlin',
  };

  it.each([
    // 2026-11-23 is a Monday; Berlin is an hour ahead of UTC then, two in July.
    [office, '2026-11-23T07:59:00Z', false],
    [office, '2026-11-23T08:00:00Z', true],
    [office, '2026-11-23T16:29:59Z', true],
    [office, '2026-11-23T16:30:00Z', false],
    [office, '2026-11-24T10:00:00Z', false],
    [office, '2026-07-20T07:00:00Z', true],
    [{ from: '22:00', to: '06:00', weekdays: ['fri'], zone: 'UTC' }, '2026-11-27T23:00:00Z', true],
    [{ from: '22:00', to: '06:00', weekdays: ['fri'], zone: 'UTC' }, '2026-11-28T05:59:00Z', true],
    [{ from: '22:00', to: '06:00', weekdays: ['fri'], zone: 'UTC' }, '2026-11-28T06:00:00Z', false],
    [{ from: '22:00', to: '06:00', weekdays: ['fri'], zone: 'UTC' }, '2026-11-27T05:00:00Z', false],
    [{ weekdays: ['mon'], zone: 'Pacific/Auckland' }, '2026-11-22T11:30:00Z', true],
    [{ zone: 'UTC' }, '2026-11-22T11:30:00Z', true],
  ])('%j at %s: %s', (time, now, expected) => {
    const isNow = compileTime(time as Parameters<typeof compileTime>[0]);
    expect(isNow?.(at(now))).toBe(expected);
  });

  it('is asked at every flow; a zone this machine does not know never comes, and is told', () => {
    const rules = [rule('office', { time: { ...office } })];
    expect(decide(rules, {}, { nowMs: at('2026-11-23T10:00:00Z') })).toBe('office');
    expect(decide(rules, {}, { nowMs: at('2026-11-23T20:00:00Z') })).toBe('default');
    const access = compileAccess({
      ...emptyPolicy('e'),
      access: [rule('lost', { time: { zone: 'Atlantis/Main' }, categories: ['games'] })],
    });
    expect(access.decide(eva, { host: 'a.test', port: 1 }).rule).toBe('default');
    expect(access.warnings).toEqual([
      'rule lost: the time zone Atlantis/Main is not known here: never applied',
      'rules name categories that no list here has: games',
    ]);
  });
});

it('the first of all that match decides, whatever it is found by', () => {
  const config = { applications: [{ appId: 'crm', hosts: ['crm.test'], ports: [] }] };
  const list = 'crm.test business';
  const byHost = rule('host', { hosts: ['.test'] });
  const byApplication = rule('application', { applications: ['crm'] });
  const byCategory = rule('category', { categories: ['business'] });
  const forAny = rule('any', {});
  const orders = [
    [byHost, byApplication, byCategory, forAny],
    [byApplication, byCategory, forAny, byHost],
    [byCategory, forAny, byHost, byApplication],
    [forAny, byHost, byApplication, byCategory],
  ];
  for (const rules of orders) {
    expect(decide(rules, { host: 'crm.test' }, { config, list })).toBe(rules[0]?.id);
  }
});

it('addresses match ranges, in either form of an IPv4 address', () => {
  const rules = [
    rule('net', { hosts: ['10.1.0.0/16', '2001:db8::/33'] }),
    rule('one', { hosts: ['192.0.2.7', '::1'] }),
  ];
  for (const [host, expected] of [
    ['10.1.255.1', 'net'],
    ['::ffff:10.1.255.1', 'net'],
    ['10.2.0.1', 'default'],
    ['2001:db8:7fff::1', 'net'],
    ['2001:db8:8000::1', 'default'],
    ['192.0.2.7', 'one'],
    ['0:0:0:0:0:0:0:1', 'one'],
    ['name.test', 'default'],
  ] as const) {
    expect(decide(rules, { host }), host).toBe(expected);
  }
});

it('versions are compared number by number', () => {
  expect(compareVersions('12.4', '12.10')).toBeLessThan(0);
  expect(compareVersions('12', '12.0')).toBe(0);
  expect(compareVersions('22.04.3-lts', '22.4')).toBeGreaterThan(0);
});

describe('a category list', () => {
  const read = (...pieces: string[]) => {
    const reader = createCategoryReader();
    for (const piece of pieces) reader.push(piece);
    return reader.end();
  };

  it('has a line for each domain; comments, case, other scripts and dots in front do not matter', () => {
    const list = read(
      '# of today\r\nExample.TEST games,fun # both\n\nbü',
      'cher.test  books\n.x.test x',
    );
    expect(list.find('a.b.example.test')).toEqual(['fun', 'games']);
    expect(list.find('xn--bcher-kva.test')).toEqual(['books']);
    expect(list.find('x.test')).toEqual(['x']);
    expect(list.find('test')).toEqual([]);
    expect(list.find('')).toEqual([]);
    expect([...list.names].sort()).toEqual(['books', 'fun', 'games', 'x']);
  });

  it('puts the categories of a domain named twice together, and counts it', () => {
    const list = read('a.test one\nb.test two\na.test two\n');
    expect(list.find('a.test')).toEqual(['one', 'two']);
    expect(list).toMatchObject({ domainCount: 2, duplicateCount: 1 });
  });

  it('is refused whole for one wrong line, which is named with what is wrong', () => {
    expect(() => read('a.test one\nhttp://b.test two\nc.test\nd.test A\n10.0.0.1 x\n')).toThrow(
      'line 2: “http://b.test”: it is a URL: write its host alone, b.test; ' +
        'line 3: “c.test” has no category after it; ' +
        'line 4: “A” is no category: lower-case letters; ' +
        'line 5: an address: only names have categories',
    );
    expect(() => read('a b c\n'.repeat(10))).toThrow('10 lines in all');
  });

  it('finds each of very many, and nothing else', () => {
    const names = Array.from({ length: 20_000 }, (_, i) => `d${i}.s${i % 7}.test`);
    const list = read(names.map((name, i) => `${name} c${i % 50}`).join('\n'));
    expect(list.domainCount).toBe(20_000);
    expect(names.every((name, i) => list.find(name)[0] === `c${i % 50}`)).toBe(true);
    expect(names.every((name) => list.find(`x${name}`).length === 0)).toBe(true);
    expect(names.every((name, i) => list.find(`x.${name}`)[0] === `c${i % 50}`)).toBe(true);
  });
});
