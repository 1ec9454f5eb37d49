import { describe, expect, test } from 'vitest';
import { checkOrganisation } from '#collector/control/organisation-check.ts';

const mistakesIn = (application: object, more: object = {}) => {
  const given = { id: 'crm', name: 'CRM', hosts: ['crm.test'], probes: [], ...application };
  const checked = checkOrganisation({ version: 1, applications: [given], ...more });
  return checked.ok ? [] : checked.mistakes;
};

describe('a probe’s target', () => {
  test.each([
    ['host', { type: 'tcp', host: 'db.test:5432', port: 5432 }, /port.*db\.test alone/],
    ['host', { type: 'tcp', host: 'https://db.test', port: 5432 }, /it is a URL/],
    ['host', { type: 'tcp', host: '', port: 5432 }, /empty/],
    ['host', { type: 'tls', host: 'mail.test:993' }, /port/],
    ['serverName', { type: 'tls', host: 'mail.test', serverName: '*.mail.test' }, /not a pattern/],
    ['host', { type: 'path', host: 'https://crm.test/' }, /it is a URL/],
    ['host', { type: 'path', host: '10.0.0.0/8' }, /not a pattern/],
    ['host', { type: 'voice', host: 'edge.test:862' }, /port/],
    ['name', { type: 'dns', name: 'crm test' }, /no name to look up/],
    ['name', { type: 'dns', name: 'https://crm.test' }, /no name to look up/],
    ['name', { type: 'dns', name: 'crm.test:53' }, /no name to look up/],
    ['server', { type: 'dns', name: 'crm.test', server: 'dot://192.0.2.53' }, /tls:\/\/HOST/],
    ['server', { type: 'dns', name: 'crm.test', server: 'ns.test' }, /expected ADDRESS/],
    [
      'compareWith/1',
      { type: 'dns', name: 'crm.test', compareWith: ['192.0.2.53', 'quic://192.0.2.53'] },
      /no name server/,
    ],
    [
      'headers/X Trace',
      { type: 'http', url: 'https://crm.test/', headers: { 'X Trace': '1' } },
      /no header’s name/,
    ],
    [
      'headers/X~1Trace:',
      { type: 'http', url: 'https://crm.test/', headers: { 'X/Trace:': '1' } },
      /no header’s name/,
    ],
    [
      'headers/X-Trace',
      { type: 'http', url: 'https://crm.test/', headers: { 'X-Trace': 'a\r\nHost: b' } },
      /one line/,
    ],
  ])('%s of %j is refused, with the fix', (field, probe, says) => {
    const mistakes = mistakesIn({ probes: [probe] });
    expect(mistakes.map(({ pointer }) => pointer)).toEqual([`/applications/0/probes/0/${field}`]);
    expect(mistakes[0]?.message).toMatch(says);
  });

  test('is taken where it is one', () => {
    const probes = [
      { type: 'tcp', host: 'db.test', port: 5432 },
      { type: 'tls', host: '2001:db8::1', serverName: 'mail.test' },
      { type: 'path', host: '192.0.2.7' },
      { type: 'voice' },
      { type: 'dns', name: '_sip._tcp.crm.test', recordType: 'SRV', server: 'tls://dns.test' },
      { type: 'dns', name: '2001:db8::1', recordType: 'PTR', compareWith: ['[2001:db8::53]:53'] },
      { type: 'dns', name: '.', recordType: 'NS', server: 'https://dns.test/dns-query' },
      { type: 'http', url: 'https://crm.test/', headers: { 'X-Trace': 'é', Accept: '*/*' } },
    ];
    expect(mistakesIn({ probes })).toEqual([]);
  });
});

describe('hosts', () => {
  test('of applications and access rules are patterns', () => {
    const mistakes = mistakesIn(
      { hosts: ['.crm.test', 'https://crm.test/'] },
      { access: [{ id: 'a', action: 'block', hosts: ['10.0.0.0/40'] }] },
    );
    expect(mistakes.map(({ pointer }) => pointer)).toEqual([
      '/applications/0/hosts/1',
      '/access/0/hosts/0',
    ]);
  });
});
