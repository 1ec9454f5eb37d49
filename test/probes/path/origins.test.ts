import { describe, expect, it } from 'vitest';
import { parseOrigins } from '#probes/path/origins.ts';

const table = [
  '# start	end	asn	country	name',
  '198.51.100.0	198.51.100.255	64500	DE	EXAMPLE-NET Example GmbH',
  '192.0.2.0	192.0.2.127	64501	NL	FIRST-HALF',
  '192.0.2.128	192.0.2.255	0	None	Not routed',
  '2001:db8::	2001:db8:0:ffff:ffff:ffff:ffff:ffff	64502	US	SIX',
].join('\n');

describe('a table of who owns addresses', () => {
  const origins = parseOrigins(`${table}\n`);

  it.each([
    ['192.0.2.0', { asn: 64501, asName: 'FIRST-HALF', country: 'NL' }],
    ['192.0.2.127', { asn: 64501, asName: 'FIRST-HALF', country: 'NL' }],
    ['192.0.2.128', { asn: null, asName: null, country: null }],
    ['198.51.100.7', { asn: 64500, asName: 'EXAMPLE-NET Example GmbH', country: 'DE' }],
    ['2001:db8::7', { asn: 64502, asName: 'SIX', country: 'US' }],
    ['198.51.99.255', null],
    ['198.51.101.0', null],
    ['2001:db9::1', null],
    ['0.0.0.0', null],
  ])('finds the range that %s is in', (address, owner) => {
    expect(origins.of(address)).toEqual(owner);
  });

  it.each([
    ['192.0.2.0/24	64500', 'line 6: expected start, end, asn, country and name between tabs'],
    ['192.0.2.0	192.0.2.255	AS64500	DE	X', 'line 6: expected start'],
    ['192.0.2.0	192.0.2.256	64500	DE	X', 'line 6: no range goes from 192.0.2.0 to 192.0.2.256'],
    ['192.0.2.9	192.0.2.1	64500	DE	X', 'line 6: no range'],
    ['192.0.2.0	2001:db8::1	64500	DE	X', 'line 6: no range'],
  ])('names the line that is none: %s', (line, words) => {
    expect(() => parseOrigins(`${table}\n${line}`)).toThrow(words);
  });
});
