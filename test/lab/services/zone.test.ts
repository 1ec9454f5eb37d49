import { describe, expect, it } from 'vitest';
import type { ServedNode } from './service.ts';
import { makeZone, resolve, reverseName } from './zone.ts';

describe('the reverse name of an address', () => {
  it.each([
    ['11.0.61.1', '1.61.0.11.in-addr.arpa'],
    ['::1', `1.${'0.'.repeat(31)}ip6.arpa`],
    ['3ffe:0:61::1', `1.${'0.'.repeat(19)}1.6.0.0.0.0.0.0.e.f.f.3.ip6.arpa`],
    [
      '3FFE:1:2:3:4:5:6:789',
      '9.8.7.0.6.0.0.0.5.0.0.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.e.f.f.3.ip6.arpa',
    ],
  ])('%s is %s', (address, name) => {
    expect(reverseName(address)).toBe(name);
  });
});

describe('the zone', () => {
  const router: ServedNode = {
    name: 'ia1',
    role: 'router',
    namespace: 'unused',
    addresses: ['11.0.11.1', '3ffe:0:11::1'],
    allAddresses: ['11.0.11.1', '11.255.0.1'],
    names: [],
  };
  const zone = makeZone([router]);
  const ask = (name: string, type: string) => {
    const { rcode, records } = resolve(zone, {}, { name, type });
    return [rcode, ...records.map((record) => ('data' in record ? record.data : undefined))];
  };

  it('knows a node by its name and every of its addresses', () => {
    expect(ask('IA1.lab.test', 'A')).toEqual(['NOERROR', '11.0.11.1']);
    expect(ask('ia1.lab.test', 'AAAA')).toEqual(['NOERROR', '3ffe:0:11::1']);
    expect(ask('1.0.255.11.in-addr.arpa', 'PTR')).toEqual(['NOERROR', 'ia1.lab.test']);
    expect(ask('ia1.lab.test', 'MX')).toEqual(['NOERROR']);
    expect(ask('2.0.255.11.in-addr.arpa', 'PTR')).toEqual(['NXDOMAIN']);
  });
});
