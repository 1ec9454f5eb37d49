import { describe, expect, test } from 'vitest';
import { compileDeviceConfig, compileEdgeConfig } from '#collector/control/compile-configs.ts';
import { checkOrganisation } from '#collector/control/organisation-check.ts';
import { diffDocuments } from '#collector/control/organisation-diff.ts';
import { check } from '#contract/check.ts';
import type { Organisation } from '#contract/organisation.ts';
import { DeviceConfig, EdgeConfig } from '#contract/policy.ts';

const http = { type: 'http', url: 'https://crm.test/' } as const;
const crm = { id: 'crm', name: 'CRM', hosts: ['crm.test'], probes: [http] };
const secret = `whsec_${'A'.repeat(43)}=`;
const hook = { id: 'desk', url: 'https://desk.test/', secret };

describe('a declared configuration', () => {
  test.each([
    ['nothing', null, '', /object/],
    ['a misspelt field', { version: 1, aplications: [] }, '/aplications', /Unexpected/],
    [
      'a probe of no known type',
      [{ ...crm, probes: [{ type: 'htp' }] }],
      '/applications/0/probes/0/type',
      /http, path/,
    ],
    [
      'a probe without its URL',
      [{ ...crm, probes: [{ type: 'http' }] }],
      '/applications/0/probes/0/url',
      /missing/,
    ],
    [
      'a misspelt probe field',
      [{ ...crm, probes: [{ ...http, intervall: 1 }] }],
      '/applications/0/probes/0/intervall',
      /Unexpected/,
    ],
    [
      'a URL that is none',
      [{ ...crm, probes: [{ type: 'http', url: 'https://[' }] }],
      '/applications/0/probes/0/url',
      /not a URL/,
    ],
    ['two applications of one id', [crm, crm], '/applications/1/id', /already the id/],
    [
      'two probes of one id',
      [
        {
          ...crm,
          probes: [
            { ...http, id: 'a' },
            { ...http, id: 'a' },
          ],
        },
      ],
      '/applications/0/probes/1/id',
      /already the id/,
    ],
    [
      'a probe id that another’s other way has',
      [
        {
          ...crm,
          probes: [
            { ...http, id: 'a' },
            { ...http, id: 'a-direct', via: 'direct' },
          ],
        },
      ],
      '/applications/0/probes/1/id',
      /as “a” does/,
    ],
    [
      'a trace through the tunnel',
      [{ ...crm, probes: [{ type: 'path', host: 'crm.test', via: 'both' }] }],
      '/applications/0/probes/0/via',
      /goes direct/,
    ],
    [
      'ids too long together',
      [{ ...crm, id: 'a'.repeat(60), probes: [{ ...http, id: 'probe' }] }],
      '/applications/0/probes/0/id',
      /too long/,
    ],
    ['the reserved id', [{ ...crm, id: 'whyslow-edge' }], '/applications/0/id', /reserved/],
    [
      'a private application without hosts',
      [{ ...crm, hosts: [], private: true }],
      '/applications/0/hosts',
      /names its hosts/,
    ],
    ['text no engine keeps', [{ ...crm, name: 'a\0' }], '/applications/0/name', /without NUL/],
    [
      'a webhook for nobody',
      { version: 1, applications: [crm], webhooks: [{ ...hook, applications: ['erp'] }] },
      '/webhooks/0/applications/0',
      /no application/,
    ],
    [
      'a short webhook secret',
      { version: 1, applications: [], webhooks: [{ ...hook, secret: 'whsec_abc' }] },
      '/webhooks/0/secret',
      /expected whsec_ and base64/,
    ],
    [
      'a name in a webhook’s URL',
      { version: 1, applications: [], webhooks: [{ ...hook, url: 'https://me:pw@desk.test/' }] },
      '/webhooks/0/url',
      /take it out/,
    ],
    [
      'two webhooks of one id',
      { version: 1, applications: [], webhooks: [hook, hook] },
      '/webhooks/1/id',
      /already the id/,
    ],
  ])('with %s is refused, by field and with the fix', (_name, given, pointer, says) => {
    const document = Array.isArray(given) ? { version: 1, applications: given } : given;
    const checked = checkOrganisation(document);
    expect(checked.ok).toBe(false);
    if (checked.ok) return;
    const mistake = checked.mistakes.find((each) => each.pointer === pointer);
    expect(mistake, JSON.stringify(checked.mistakes)).toBeDefined();
    expect(mistake?.message).toMatch(says);
  });

  test('a probe id given twice is one mistake', () => {
    const probes = [
      { ...http, id: 'a' },
      { ...http, id: 'a' },
    ];
    const checked = checkOrganisation({ version: 1, applications: [{ ...crm, probes }] });
    const mistakes = checked.ok ? [] : checked.mistakes;
    expect(mistakes.map(({ pointer }) => pointer)).toEqual(['/applications/0/probes/1/id']);
  });

  test('more probes than a plan holds are refused', () => {
    const applications = Array.from({ length: 300 }, (_, index) => ({ ...crm, id: `a${index}` }));
    const checked = checkOrganisation({ version: 1, applications });
    expect(checked).toMatchObject({ ok: false, mistakes: [{ pointer: '/applications' }] });
  });
});

describe('a difference', () => {
  const document = { version: 1, applications: [crm], webhooks: [hook] };

  test('is told by id, not by position, and without secrets', () => {
    const erp = { ...crm, id: 'erp' };
    const next = {
      ...document,
      applications: [erp, { ...crm, name: 'Customers' }],
      webhooks: [{ ...hook, secret: `whsec_${'B'.repeat(43)}=` }],
    };
    const changes = diffDocuments(document, next);
    expect(changes.map(({ pointer }) => pointer)).toEqual([
      '/applications/crm/name',
      '/applications/erp',
      '/webhooks/desk/secret',
    ]);
    expect(JSON.stringify(changes)).not.toContain('whsec_');
  });

  test('shows an order that changed, for the first matching access rule wins', () => {
    const rule = (id: string) => ({ id, action: 'block', hosts: ['*'] });
    const changes = diffDocuments(
      { access: [rule('a'), rule('b')] },
      { access: [rule('b'), rule('a')] },
    );
    expect(changes).toEqual([{ pointer: '/access', before: ['a', 'b'], after: ['b', 'a'] }]);
  });

  test('of equal documents there is none, whatever the order of their keys', () => {
    expect(diffDocuments({ a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 })).toEqual([]);
  });
});

describe('compiled', () => {
  const organisation: Organisation = {
    version: 1,
    applications: [
      {
        ...crm,
        private: true,
        addresses: { 'crm.test': '127.0.0.1' },
        probes: [
          { type: 'http', url: 'https://crm.test:8443/', intervalSeconds: 5 },
          { type: 'http', url: 'https://crm.test/', via: 'direct' },
          { type: 'page-load', url: 'https://crm.test/' },
          { type: 'path', host: 'crm.test', protocol: 'tcp', port: 443 },
          { type: 'dns', name: 'crm.test' },
        ],
      },
    ],
    access: [{ id: 'no-video', action: 'block', hosts: ['.video.test'] }],
  };
  const deviceInput = {
    organisation,
    deviceId: '018f5f5e-0000-4000-8000-000000000001',
    edges: [{ id: 'fra-1', host: '192.0.2.1', port: 4433, location: 'Frankfurt' }],
    captivePortalUrl: 'http://127.0.0.1:1/generate_204',
    issuedAt: 1_800_000_000_000,
  };

  test('a device gets every probe with its defaults, both ways where both say something', () => {
    const config = compileDeviceConfig(deviceInput);
    expect(check(DeviceConfig, config)).toMatchObject({ ok: true });
    const plan = config.plan.probes.map(({ id, via, intervalMs }) => [id, via, intervalMs]);
    expect(plan).toEqual([
      ['crm-http', 'tunnel', 5_000],
      ['crm-http-direct', 'direct', 5_000],
      ['crm-http-2', 'direct', 60_000],
      ['crm-page-load', 'tunnel', 300_000],
      ['crm-path', 'direct', 300_000],
      ['crm-dns', 'direct', 60_000],
      ['edge-path-fra-1', 'direct', 300_000],
    ]);
    expect(config.edges[0]?.serverName).toBe('fra-1.edge.whyslow.internal');
    expect(config.forwarding).toMatchObject({ mode: 'tunnel', whenTunnelDown: 'open' });
  });

  test('the way to the edge is looked over for its path MTU where any path is', () => {
    const toEdge = (mtu: object) => {
      const probes = [{ type: 'path' as const, host: 'crm.test', ...mtu }];
      const applications = [{ ...crm, probes }];
      const input = { ...deviceInput, organisation: { ...organisation, applications } };
      return compileDeviceConfig(input).plan.probes.find(({ id }) => id === 'edge-path-fra-1');
    };
    expect(toEdge({ mtu: true })).toMatchObject({ host: '192.0.2.1', mtu: true });
    // An agent from before it takes this plan.
    expect(toEdge({})).not.toHaveProperty('mtu');
  });

  test('with forwarding off every probe goes direct, once', () => {
    const off = { ...organisation, forwarding: { mode: 'off' as const } };
    const { plan } = compileDeviceConfig({ ...deviceInput, organisation: off });
    expect(plan.probes.map(({ via }) => via)).toEqual(plan.probes.map(() => 'direct'));
    expect(plan.probes).toHaveLength(6);
  });

  test('the revision is of the content: time does not change it, an edge does', () => {
    const { revision } = compileDeviceConfig(deviceInput);
    expect(compileDeviceConfig({ ...deviceInput, issuedAt: 1 }).revision).toBe(revision);
    expect(compileDeviceConfig({ ...deviceInput, edges: [] }).revision).not.toBe(revision);
  });

  test('connections, handshakes and calls get their defaults', () => {
    const calls = {
      ...crm,
      id: 'calls',
      probes: [
        { type: 'tcp' as const, host: 'db.test', port: 5432 },
        { type: 'tls' as const, host: 'mail.test', port: 993, warnDays: 30 },
        { type: 'voice' as const },
        { type: 'voice' as const, host: 'stamp.test', streamSeconds: 2 },
      ],
    };
    const applications = { ...organisation, applications: [calls] };
    const edges = deviceInput.edges.map((edge) => ({ ...edge, reflectorPort: 862 }));
    const config = compileDeviceConfig({ ...deviceInput, edges, organisation: applications });
    expect(check(DeviceConfig, config)).toMatchObject({ ok: true });
    expect(config.edges[0]?.reflectorPort).toBe(862);
    expect(config.plan.probes.slice(0, 5)).toMatchObject([
      { id: 'calls-tcp', via: 'tunnel', intervalMs: 60_000, family: 'any' },
      { id: 'calls-tcp-direct', via: 'direct' },
      { id: 'calls-tls', via: 'tunnel', port: 993, serverName: '', warnDays: 30 },
      { id: 'calls-voice', via: 'direct', host: '', packetsPerSecond: 50, packetBytes: 172 },
      { id: 'calls-voice-2', host: 'stamp.test', port: 862, streamMs: 2_000, playoutMs: 60 },
    ]);
    // Off the tunnel there is no edge to call.
    const off = { ...applications, forwarding: { mode: 'off' as const } };
    const ids = compileDeviceConfig({ ...deviceInput, organisation: off }).plan.probes;
    expect(ids.map(({ id }) => id)).not.toContain('calls-voice');
    expect(ids.map(({ id }) => id)).toContain('calls-voice-2');
  });

  test('an edge gets rules, private applications, revoked devices and one target an application', () => {
    const revokedDevices = [deviceInput.deviceId];
    const input = { organisation, edgeId: 'fra-1', revokedDevices, issuedAt: 1_800_000_000_000 };
    const config = compileEdgeConfig(input);
    expect(check(EdgeConfig, config)).toMatchObject({ ok: true });
    expect(config.onward).toEqual([
      { appId: 'crm', host: 'crm.test', port: 8443, intervalMs: 5_000 },
    ]);
    expect(config.access[0]).toMatchObject({ id: 'no-video', ports: [], devices: [] });
    expect(config.privateApplications[0]).toMatchObject({
      appId: 'crm',
      addresses: { 'crm.test': '127.0.0.1' },
    });
    expect(config.revokedDevices).toEqual(revokedDevices);
  });
});
