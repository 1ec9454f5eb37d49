import { describe, expect, it } from 'vitest';
import { fillPac, maxPacBytes, type PacValues, pacMistakes } from '#contract/pac.ts';

const script = (body: string) => `function FindProxyForURL(url, host) {\n  ${body}\n}\n`;
const values: PacValues = {
  GATEWAY: '192.0.2.1',
  GATEWAY_HOST: 'a.edge.test',
  SECONDARY_GATEWAY: '[2001:db8::1]',
  SECONDARY_GATEWAY_HOST: 'b.edge.test',
  LOCAL_PROXY: '127.0.0.1:9339',
  ZAPP_LOCAL_PROXY: '127.0.0.1:9339',
  TUNNEL: 'any.edge.test:443',
  TRUSTED_NETWORK: 'ON',
};

describe('a PAC file’s text', () => {
  it.each([
    [script(`return "PROXY \${GATEWAY}:443; PROXY \${TUNNEL}; DIRECT"`), []],
    [script(`var a = \`\${host}\`; return "DIRECT"`), []],
    [
      script(`return "PROXY \${COUNTRY_GATEWAY}:80"`),
      [/^line 2: \$\{COUNTRY_GATEWAY\} .*use \$\{GATEWAY\}/],
    ],
    [script(`return "PROXY \${GATEWAY_F3}:80"`), [/use \$\{GATEWAY\}/]],
    [script(`return "\${NO}"`), [/there are \$\{GATEWAY\}/]],
    [script(`return "PROXY \${ZAPP_TUNNEL2_BYPASS}"`), [/return "DIRECT" instead/]],
    ['var x = 1', [/no function FindProxyForURL/]],
    [script(`//${'x'.repeat(maxPacBytes)}`), [/at most 262144/]],
  ])('%#', (text, mistakes) => {
    expect(pacMistakes(text)).toEqual(mistakes.map((form) => expect.stringMatching(form)));
  });

  it('gets its macros filled in', () => {
    const text = `PROXY \${GATEWAY}:443; PROXY \${SECONDARY_GATEWAY}; \${TRUSTED_NETWORK} \${host}`;
    expect(fillPac(text, values)).toBe(`PROXY 192.0.2.1:443; PROXY [2001:db8::1]; ON \${host}`);
  });

  it.each(['a"; evil(); "', "a' + x", 'a b', '', 'http://a', 'a:1:2', 'a\nb', '$'])(
    'takes no value that could be script: %s',
    (value) => {
      expect(() => fillPac(`\${GATEWAY}`, { ...values, GATEWAY: value })).toThrow(/no value/);
    },
  );
});
