import { describe, expect, it } from 'vitest';
import { compileDeviceConfig } from '#collector/control/compile-configs.ts';
import { checkOrganisation } from '#collector/control/organisation-check.ts';
import { check } from '#contract/check.ts';
import { DeviceConfig } from '#contract/policy.ts';

const forwarding = {
  networks: [
    { id: 'hq', match: 'any', ranges: ['10.20.0.0/16'], hosts: { 'in.corp.test': ['10.20.0.9'] } },
  ],
  onNetwork: { trusted: 'local-proxy', vpn: 'enforce-proxy' },
  enforcedProxy: 'proxy.corp.test:3128',
  identityProviders: ['login.corp.test'],
  vpnGateways: ['vpn.corp.test'],
  bypassProcesses: ['/usr/bin/backup'],
  traffic: {
    names: { exclude: ['.update.test'] },
    addresses: { include: ['192.168.7.0/24:443:tcp'], exclude: ['[2001:db8::]/32:5000-5100:udp'] },
  },
} as const;
const wiki = { id: 'wiki', name: 'Wiki', hosts: ['10.9.8.7'], private: true, probes: [] };
const organisation = { version: 1, applications: [wiki], forwarding };

describe('a forwarding policy', () => {
  it('reaches the device as declared, with the private applications’ hosts', () => {
    const checked = checkOrganisation(organisation);
    if (!checked.ok) throw new Error(JSON.stringify(checked.mistakes));
    const config = compileDeviceConfig({
      organisation: checked.value,
      deviceId: '8b2f4c1e-5a3d-4e6f-9b7a-1c2d3e4f5a6b',
      edges: [],
      captivePortalUrl: '',
      issuedAt: 1_700_000_000_000,
    });
    expect(check(DeviceConfig, config)).toMatchObject({ ok: true });
    expect(config.forwarding).toMatchObject({ ...forwarding, privateHosts: ['10.9.8.7'] });
  });

  it.each([
    ['networks/0', { networks: [{ id: 'hq', match: 'any' }] }, /at least one of dnsServers/],
    [
      'networks/0/ranges/0',
      { networks: [{ id: 'hq', match: 'any', ranges: ['10.20.0.0/99'] }] },
      /neither an address nor a range/,
    ],
    [
      'networks/0/hosts/in.test/0',
      { networks: [{ id: 'hq', match: 'any', hosts: { 'in.test': ['in.test'] } }] },
      /neither an address/,
    ],
    [
      'networks/1/id',
      { networks: [forwarding.networks[0], forwarding.networks[0]] },
      /choose another/,
    ],
    [
      'traffic/addresses/exclude/0',
      { traffic: { addresses: { exclude: ['example.com'] } } },
      /no IP address/,
    ],
    ['enforcedProxy', { onNetwork: { trusted: 'enforce-proxy' } }, /name the proxy/],
    ['enforcedProxy', { enforcedProxy: 'proxy' }, /neither host:port/],
    ['enforcement/strict', { mode: 'off', enforcement: { strict: true } }, /no tunnel to enforce/],
    ['enforcement/allow/0', { enforcement: { strict: true, allow: ['a b'] } }, /no blanks/],
    ['pac/application', { pac: { application: 'var x = 1' } }, /no function FindProxyForURL/],
    [
      'pac/forwarding',
      { pac: { forwarding: 'function FindProxyForURL() { return "\x24{COUNTRY}" }' } },
      /line 1: \$\{COUNTRY\} is no macro/,
    ],
    ['bypass/1', { bypass: ['a.test', 'https://b.test/'] }, /it is a URL.*b\.test/],
    ['identityProviders/0', { identityProviders: ['https://login.test/'] }, /it is a URL/],
    ['vpnGateways/0', { vpnGateways: ['203.0.113.0/99'] }, /\/0 to \/32/],
    ['traffic/names/include/0', { traffic: { names: { include: ['a b'] } } }, /blanks/],
    ['traffic/names/exclude/0', { traffic: { names: { exclude: ['ex*mple.com'] } } }, /star/],
    [
      'networks/0/searchDomains/0',
      { networks: [{ id: 'hq', match: 'any', searchDomains: ['*.corp.test'] }] },
      /not a pattern/,
    ],
    [
      'networks/0/hosts/https:~1~1in.test',
      { networks: [{ id: 'hq', match: 'any', hosts: { 'https://in.test': ['10.0.0.1'] } }] },
      /it is a URL/,
    ],
    ['privateHosts', { privateHosts: ['a.test'] }, /unexpected|unknown|not expected/i],
  ])('with a mistake in %s is refused there', (pointer, given, says) => {
    const checked = checkOrganisation({ version: 1, applications: [], forwarding: given });
    expect(checked).toMatchObject({ ok: false });
    const mistakes = checked.ok ? [] : checked.mistakes;
    const found = mistakes.find((each) => each.pointer === `/forwarding/${pointer}`);
    expect(found, JSON.stringify(mistakes)).toBeDefined();
    expect(found?.message).toMatch(says);
  });
});
