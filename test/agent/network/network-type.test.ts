import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { classifyNetwork, type NetworkFacts } from '#agent/network/network-type.ts';
import { type LocalFacts, readLocalFacts } from '#agent/network/read-facts.ts';
import { watchNetworkType } from '#agent/network/watch-network.ts';
import type { TrustedNetwork } from '#contract/forwarding.ts';
import { silentLog } from '#runtime/log.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const office: NetworkFacts = {
  defaultInterface: 'eth0',
  vpnInterfaces: [],
  addresses: ['10.20.3.4', 'fe80::1'],
  gateway: '10.20.3.1',
  dnsServers: ['10.20.0.53'],
  searchDomains: ['Corp.Test.'],
  egressAddress: '198.51.100.7',
  hostAddresses: { 'inside.corp.test': ['10.20.0.9'] },
};
const network = (criteria: Partial<TrustedNetwork>): TrustedNetwork => ({
  id: 'hq',
  match: 'all',
  ...criteria,
});

describe('the type of a network', () => {
  it.each<[string, Partial<TrustedNetwork>]>([
    ['its DNS server', { dnsServers: ['192.0.2.1', '10.20.0.53'] }],
    ['its search domain', { searchDomains: ['corp.test'] }],
    ['a name only it knows', { hosts: { 'inside.corp.test': ['10.20.0.0/24'] } }],
    ['its range', { ranges: ['10.20.0.0/16'] }],
    ['its gateway', { gateways: ['10.20.3.1'] }],
    ['its egress address', { egress: ['198.51.100.0/28'] }],
  ])('is trusted by %s, and not by another', (_, criteria) => {
    expect(classifyNetwork(office, [network(criteria)])).toMatchObject({
      type: 'trusted',
      networkId: 'hq',
    });
    const elsewhere: NetworkFacts = {
      ...office,
      addresses: ['192.168.1.2'],
      gateway: '192.168.1.1',
      dnsServers: ['192.168.1.1'],
      searchDomains: [],
      egressAddress: '203.0.113.9',
      hostAddresses: { 'inside.corp.test': ['203.0.113.1'] },
    };
    const found = classifyNetwork(elsewhere, [network(criteria)]);
    expect(found.type).toBe('off-trusted');
  });

  it('asks for all criteria or for any', () => {
    const half = { ranges: ['10.20.0.0/16'], gateways: ['192.0.2.1'] };
    expect(classifyNetwork(office, [network(half)]).type).toBe('off-trusted');
    const any = classifyNetwork(office, [network({ ...half, match: 'any' })]);
    expect(any).toEqual({ type: 'trusted', networkId: 'hq', reason: 'hq: address' });
  });

  it('is not trusted by a name that also resolves to something else, or by no criterion', () => {
    const hosts = { 'inside.corp.test': ['10.20.0.9'] };
    const both = { ...office, hostAddresses: { 'inside.corp.test': ['10.20.0.9', '192.0.2.4'] } };
    expect(classifyNetwork(both, [network({ hosts })]).type).toBe('off-trusted');
    expect(classifyNetwork(office, [network({})]).type).toBe('off-trusted');
  });

  it('is VPN when a VPN owns the default route, split VPN when it owns others, even inside', () => {
    const trusted = [network({ ranges: ['10.20.0.0/16'] })];
    const full = { ...office, defaultInterface: 'tun0', vpnInterfaces: ['tun0'] };
    expect(classifyNetwork(full, trusted)).toMatchObject({ type: 'vpn', networkId: null });
    const split = classifyNetwork({ ...office, vpnInterfaces: ['wg0'] }, trusted);
    expect(split.type).toBe('split-vpn');
    expect(split.reason).toContain('wg0');
  });
});

/** A sysfs of interfaces, as the kernel lays it out. */
const folderOf = (files: Record<string, string>): string => {
  const folder = mkdtempSync(join(tmpdir(), 'whyslow-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
};

it('VPN interfaces are those that are up, not ours, and no virtual machine’s', () => {
  const up = (name: string, type: string, more: Record<string, string> = {}) =>
    Object.fromEntries(
      Object.entries({ type, flags: '0x1091', carrier: '1', ...more }).map(([file, text]) => [
        `${name}/${file}`,
        `${text}\n`,
      ]),
    );
  const links = folderOf({
    ...up('eth0', '1'),
    ...up('tun0', '65534', { tun_flags: '0x1001' }),
    ...up('wg0', '65534'),
    ...up('wg1', '65534', { flags: '0x1090' }),
    ...up('tun9', '65534', { tun_flags: '0x1001', carrier: '0' }),
    ...up('vnet0', '1', { tun_flags: '0x1002', 'brport/state': '3' }),
    ...up('whyslow0', '65534', { tun_flags: '0x1001' }),
    'resolv.conf':
      'search old.test\n# nameserver 192.0.2.1\nnameserver 10.20.0.53\nsearch corp.test lab.test\n',
  });
  const facts = readLocalFacts(
    { links, resolvConfs: [join(links, 'none'), join(links, 'resolv.conf')] },
    { interfaceName: 'eth0', gateway: '10.20.3.1' },
    {},
  );
  expect(facts).toEqual({
    defaultInterface: 'eth0',
    vpnInterfaces: ['tun0', 'wg0'],
    addresses: [],
    gateway: '10.20.3.1',
    dnsServers: ['10.20.0.53'],
    searchDomains: ['corp.test', 'lab.test'],
  });
});

it('a change of network is told once, with the names of the new one', async () => {
  let local: LocalFacts = office;
  const told: string[] = [];
  const watch = watchNetworkType({
    read: () => local,
    resolve: async (host) =>
      local.gateway === '10.20.3.1' && host === 'inside.corp.test' ? ['10.20.0.9'] : [],
    onChange: ({ type }, before) => told.push(`${before.type} → ${type}`),
    intervalMs: 10,
    log: silentLog(),
  });
  onTestFinished(() => watch.stop());
  expect(watch.current().type).toBe('off-trusted');
  watch.setTrusted([network({ hosts: { 'inside.corp.test': ['10.20.0.9'] } })]);
  await waitUntil(() => watch.current().type === 'trusted');
  local = { ...office, gateway: '192.168.1.1', addresses: ['192.168.1.2'] };
  await waitUntil(() => watch.current().type === 'off-trusted');
  expect(told).toEqual(['off-trusted → trusted', 'trusted → off-trusted']);
});
