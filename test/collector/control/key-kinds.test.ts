import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CollectorLab, startCollectorLab } from '#test/support/collector-lab.ts';

let lab: CollectorLab;
beforeAll(async () => {
  lab = await startCollectorLab();
}, 120_000);
afterAll(() => lab.stop(), 60_000);

/** A PKCS#10 request for a key of any kind, as openssl makes it. */
const requestFor = (...key: string[]): string =>
  execFileSync(
    'openssl',
    ['req', '-new', ...key, '-nodes', '-keyout', '/dev/null', '-subj', '/CN=x'],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );

test.each([
  ['RSA of 512 bits', ['-newkey', 'rsa:512']],
  ['RSA of 2048 bits', ['-newkey', 'rsa:2048']],
  ['P-384', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384']],
  ['Ed25519', ['-newkey', 'ed25519']],
])('a request with a key of %s is refused with the kind that is right', async (_name, key) => {
  const token = await lab.makeToken({ role: 'device', uses: 1 });
  const certificateRequest = requestFor(...key);
  const { answer } = await lab.enrollWith(token, { certificateRequest });
  expect(answer.json).toMatchObject({
    status: 400,
    type: 'urn:whyslow:problem:certificate-request-refused',
    detail: expect.stringMatching(/ECDSA P-256/),
  });
  // The token is not used up by it; openssl's P-256 is as good as ours.
  const right = requestFor('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256');
  const again = await lab.enrollWith(token, { certificateRequest: right });
  expect(again.answer.status).toBe(200);
});
