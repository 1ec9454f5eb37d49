import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CollectorLab, startCollectorLab } from '#test/support/collector-lab.ts';

let lab: CollectorLab;
beforeAll(async () => {
  lab = await startCollectorLab();
}, 120_000);
afterAll(() => lab.stop(), 60_000);

test('a viewer sees whom a webhook tells, not the address’s path, nor in any difference', async () => {
  const hook = {
    id: 'chat',
    url: 'https://chat.test:8443/hooks/T0-SECRET?key=SECRET-TOO',
    secret: `whsec_${'A'.repeat(43)}=`,
  };
  const put = (url: string) =>
    lab.operator('/v1/organisation', {
      method: 'PUT',
      body: { version: 1, applications: [], webhooks: [{ ...hook, url }] },
    });
  expect((await put(hook.url)).status).toBe(200);
  // Only what is hidden changes: a difference all the same.
  expect((await put(`${hook.url}-SECRET-AS-WELL`)).json).toMatchObject({
    changed: true,
    changes: [{ pointer: '/webhooks/chat/url', after: 'https://chat.test:8443/…' }],
  });

  const made = await lab.operator('/v1/operators', {
    method: 'POST',
    body: { name: 'kim', role: 'viewer' },
  });
  const token = String(made.json['token']);
  for (const path of ['/v1/organisation', '/v1/organisation/versions/1', '/v1/audit']) {
    const { status, text } = await lab.operator(path, { token });
    expect([200, 403], path).toContain(status);
    expect(text, path).not.toContain('SECRET');
  }
  const { text } = await lab.operator('/v1/organisation', { token });
  expect(text).toContain('https://chat.test:8443/…');
  expect((await lab.operator('/v1/organisation')).text).toContain('/hooks/T0-SECRET');
});
