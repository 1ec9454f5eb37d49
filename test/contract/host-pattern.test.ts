import { describe, expect, it } from 'vitest';
import {
  compileHostPatterns,
  hostMistake,
  hostPatternMistake,
  isHost,
} from '#contract/host-pattern.ts';

describe('host patterns', () => {
  it.each([
    ['example.com', 'example.com', true],
    ['example.com', 'EXAMPLE.com.', true],
    ['example.com', 'www.example.com', false],
    ['*.example.com', 'www.example.com', true],
    ['*.example.com', 'a.b.example.com', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'badexample.com', false],
    ['.example.com', 'example.com', true],
    ['.example.com', 'a.example.com', true],
    ['.example.com', 'notexample.com', false],
    ['.example.com', 'a.example.com\u3002', true],
    ['*', 'anything.test', true],
    ['*', '::1', true],
    ['bücher.test', 'xn--bcher-kva.test', true],
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.0.0.0/8', '::ffff:10.0.0.1', true],
    ['10.0.0.0/8', '10.example.com', false],
    ['192.0.2.7', '192.0.2.7', true],
    ['2001:db8::/32', '[2001:db8::1]', true],
    ['::1', '0:0:0:0:0:0:0:1', true],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['10.0.0.0/99', '10.0.0.1', false],
  ])('%s against %s: %s', (pattern, host, matches) => {
    expect(compileHostPatterns([pattern])(host)).toBe(matches ? pattern : undefined);
  });

  it('names the pattern that matched, however long the list', () => {
    const many = Array.from({ length: 10_000 }, (_, i) => `*.host${i}.test`);
    expect(compileHostPatterns(many)('www.host9999.test')).toBe('*.host9999.test');
    expect(compileHostPatterns(['10.0.0.0/8', '10.1.0.0/16'])('10.1.2.3')).toBe('10.0.0.0/8');
  });
});

describe('a host', () => {
  const label = 'a'.repeat(63);
  it.each([
    ['a.test', true],
    ['a.test.', true],
    ['_dmarc.b\u00fccher.test', true],
    ['127.0.0.1', true],
    ['[::1]', true],
    ['fe80::1%eth0', true],
    [`${label}.test`, true],
    [`${label}a.test`, false],
    [[label, label, label, 'a'.repeat(61)].join('.'), true],
    [[label, label, label, 'a'.repeat(62)].join('.'), false],
    ['', false],
    ['.', false],
    ['a.test..', false],
    ['a..test', false],
    ['.a.test', false],
    ['a.test\u3002\u3002', false],
    ['a.test\0', false],
    ['a.test\u0085', false],
    ['a b.test', false],
    ['a.test%x', false],
  ])('%j: %s', (host, is) => {
    expect(isHost(host)).toBe(is);
  });
});

describe('a host pattern as people write it', () => {
  it.each([
    ['*'],
    ['example.com'],
    ['Example.COM.'],
    ['*.example.com'],
    ['.example.com'],
    ['bücher.test'],
    ['_dmarc.example.com'],
    ['localhost'],
    ['192.0.2.7'],
    ['10.0.0.0/8'],
    ['2001:db8::/32'],
    ['[2001:db8::1]'],
  ])('%s is one', (text) => {
    expect(hostPatternMistake(text)).toBeUndefined();
  });

  it.each([
    ['https://login.example.com/', /it is a URL.*login\.example\.com$/],
    ['login.example.com/path', /no path/],
    ['login.example.com:443', /port.*write login\.example\.com alone/],
    ['a.test b.test', /blanks/],
    [' a.test', /blanks/],
    ['', /empty/],
    ['203.0.113.0/99', /IPv4 addresses ends in \/0 to \/32/],
    ['10.0.0.0/40', /\/32/],
    ['2001:db8::/129', /\/128/],
    ['10.0.0.0/', /\/32/],
    ['10.0.0', /no complete IPv4/],
    ['300.1.1.1', /no complete IPv4/],
    ['ex*mple.com', /star/],
    ['*example.com', /star/],
    ['*.*.example.com', /star/],
    ['a..test', /no name/],
    ['-a.test', /no name/],
    [`${'a'.repeat(64)}.test`, /no name/],
    ['user@a.test', /“@”/],
  ])('%j is none, and is told why', (text, says) => {
    expect(hostPatternMistake(text)).toMatch(says);
    expect(hostMistake(text)).toMatch(says);
  });

  it.each([
    ['*', /not a pattern/],
    ['.example.com', /not a pattern/],
    ['10.0.0.0/8', /not a pattern/],
    ['[2001:db8::1]', /brackets/],
  ])('%s is no single host', (text, says) => {
    expect(hostMistake(text)).toMatch(says);
  });
});
