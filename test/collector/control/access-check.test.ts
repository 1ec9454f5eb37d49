import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileDeviceConfig, compileEdgeConfig } from '#collector/control/compile-configs.ts';
import { checkOrganisation } from '#collector/control/organisation-check.ts';
import { parseYaml } from '#collector/control/organisation-yaml.ts';
import type { PostureFacts } from '#contract/access.ts';
import { check } from '#contract/check.ts';
import type { Organisation } from '#contract/organisation.ts';
import { EdgeConfig } from '#contract/policy.ts';

const organisation = (changes: Partial<Organisation>): Organisation => ({
  version: 1,
  applications: [
    {
      id: 'crm',
      name: 'CRM',
      hosts: ['.crm.test'],
      probes: [
        { type: 'http', url: 'https://login.test/crm' },
        { type: 'path', follow: 'http' },
        { type: 'voice', host: 'reflector.test' },
      ],
    },
  ],
  users: [
    { id: 'eva@example.org', groups: ['sales'] },
    { id: 'adam', groups: ['hr'] },
  ],
  ...changes,
});

const access = (rule: object) =>
  organisation({
    access: [{ id: 'rule', action: 'block', ...rule }] as Organisation['access'] & {},
  });

describe('an access rule', () => {
  it.each([
    [
      { applications: ['crn'] },
      '/applications/0: no application “crn” in this document; there is crm',
    ],
    [
      { users: ['eva'] },
      '/users/0: no user “eva” in this document; there are adam, eva@example.org',
    ],
    [{ groups: ['it'] }, '/groups/0: no user of group “it” in this document; there are hr, sales'],
    [
      { time: { zone: 'Berlin' } },
      '/time/zone: “Berlin” is no time zone: expected an IANA name, as Europe/Berlin or UTC',
    ],
    [{ time: { zone: 'UTC', from: '24:00' } }, '/time/from: expected HH:MM, 00:00 to 23:59'],
    [
      { ports: [443], protocols: ['ip'] },
      '/ports: packets of protocol ip have no port: leave one out',
    ],
    [
      { hosts: ['http://a.test'] },
      '/hosts/0: “http://a.test”: it is a URL: write its host alone, a.test',
    ],
  ])('is refused where it cannot mean anything: %j', (rule, message) => {
    const checked = checkOrganisation(access(rule));
    expect(
      checked.ok ? [] : checked.mistakes.map((one) => `${one.pointer}: ${one.message}`),
    ).toEqual([`/access/0${message}`]);
  });

  it('may name what is declared, and any category: only edges know these', () => {
    const rule = {
      users: ['adam'],
      groups: ['sales'],
      applications: ['crm'],
      categories: ['whatever'],
      time: { weekdays: ['mon'], from: '22:00', to: '06:00', zone: 'Europe/Berlin' },
      posture: { diskEncrypted: false, unknown: 'does-not-match' },
    };
    expect(checkOrganisation(access(rule))).toMatchObject({ ok: true });
  });
});

describe('what an edge is told of devices', () => {
  const posture: PostureFacts = {
    diskEncrypted: 'yes',
    firewallOn: 'no',
    screenLock: 'unknown',
    platform: 'linux',
    osName: 'debian',
    osVersion: '12',
    agentVersion: '0.1.0',
  };
  const [one, two, three] = [randomUUID(), randomUUID(), randomUUID()];
  const devices = [
    { id: one, userId: 'eva@example.org', labels: ['loaner'], posture },
    { id: two, userId: 'gone', labels: [] },
    { id: three, userId: null, labels: [] },
  ];
  const compile = (document: Organisation) => {
    const about = {
      organisation: document,
      edgeId: 'fra1',
      revokedDevices: [],
      issuedAt: Date.now(),
    };
    const config = compileEdgeConfig({ ...about, devices });
    expect(check(EdgeConfig, config)).toMatchObject({ ok: true });
    return config;
  };

  it('is nothing where no rule asks for it', () => {
    expect(compile(organisation({}))).toMatchObject({
      devices: [],
      privacy: { flows: 'counts', users: false },
      applications: [{ appId: 'crm', hosts: ['.crm.test', 'login.test'], ports: [] }],
    });
  });

  it.each([
    [access({ groups: ['sales'] }), { userId: 'eva@example.org', groups: ['sales'] }],
    [organisation({ privacy: { users: true } }), { userId: 'eva@example.org', groups: ['sales'] }],
    [access({ posture: { labels: ['loaner'] } }), { labels: ['loaner'] }],
    [access({ posture: { firewallOn: true } }), { posture }],
  ])('is what some rule or the privacy switch asks for, and no more', (document, facts) => {
    expect(compile(document).devices).toEqual([{ id: one, ...facts }]);
  });

  it('leaves edges that do not ask for it a config as it was', () => {
    const about = { edgeId: 'fra1', revokedDevices: [], issuedAt: Date.now() };
    const config = compileEdgeConfig({ organisation: organisation({}), ...about });
    for (const key of ['applications', 'devices', 'privacy'])
      expect(config).not.toHaveProperty(key);
  });
});

it.each([
  [{ hosts: ['.a.test'] }, ['.a.test']],
  [{ applications: ['crm'] }, ['.crm.test', 'login.test']],
  [{ categories: ['updates'] }, ['*']],
])('a device follows an edge past the tunnel where a rule says so: %j → %j', (rule, hosts) => {
  const compile = (action: string) =>
    compileDeviceConfig({
      organisation: access({ ...rule, action }),
      deviceId: randomUUID(),
      edges: [],
      captivePortalUrl: '',
      issuedAt: Date.now(),
    }).forwarding.directByEdge;
  expect(compile('direct')).toEqual(hosts);
  expect(compile('block')).toBeUndefined();
});

it('the example of access rules can be applied', () => {
  const file = join(import.meta.dirname, '../../../examples/access.yaml');
  expect(checkOrganisation(parseYaml(readFileSync(file, 'utf8')))).toMatchObject({ ok: true });
});
