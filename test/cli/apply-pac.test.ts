import { expect, it, test } from 'vitest';
import { compilePacFiles } from '#cli/apply.ts';
import type { Organisation } from '#contract/organisation.ts';

const organisationWith = (pac: { forwarding?: string; application?: string }): Organisation => ({
  version: 1,
  applications: [],
  forwarding: { pac },
});

it.each([
  [
    'application',
    'function FindProxyForURL(url, host) {\n  if (host == "a.test" {\n}',
    /\/forwarding\/pac\/application.*SyntaxError.*line 2/s,
  ],
  ['forwarding', 'var FindProxyForURL = 1;', /\/forwarding\/pac\/forwarding.*no function/s],
  [
    'forwarding',
    'function FindProxyForURL() { return "PROXY \x24{COUNTRY}"; }',
    /\/forwarding\/pac\/forwarding.*line 1: \$\{COUNTRY\}/s,
  ],
])('`whyslow apply` refuses an %s PAC that cannot be used: %j', async (name, text, message) => {
  const organisation = organisationWith({ [name]: text });
  await expect(compilePacFiles('org.yaml', organisation)).rejects.toThrow(message);
});

test('`whyslow apply` takes PAC files that compile', async () => {
  const text = 'function FindProxyForURL(url, host) { return "PROXY \x24{LOCAL_PROXY}"; }';
  await compilePacFiles('org.yaml', organisationWith({ forwarding: text, application: text }));
});
