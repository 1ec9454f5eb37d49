import { statSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { problemTypes } from '#collector/http/problems.ts';
import { schemaSet } from '#contract/schema-set.ts';
import { type CollectorLab, startCollectorLab } from '#test/support/collector-lab.ts';

let lab: CollectorLab;
beforeAll(async () => {
  lab = await startCollectorLab();
}, 120_000);
afterAll(() => lab.stop(), 60_000);

const admin = { method: 'POST' } as const;
const makeOperator = async (role: 'viewer' | 'admin') => {
  const made = await lab.operator('/v1/operators', { ...admin, body: { name: 'kim', role } });
  return made.json as { id: string; token: string };
};

describe('letting in', () => {
  test('the first start leaves an admin’s token in a file for this user only', async () => {
    expect(statSync(join(lab.folder, 'operator-token')).mode & 0o777).toBe(0o600);
    expect((await lab.operator('/v1/operators')).status).toBe(200);
  });

  test.each([
    ['no token', null, '/v1/devices'],
    ['a wrong token', `wso1.${'A'.repeat(43)}`, '/v1/devices'],
    ['no token', null, '/'],
    ['no token', null, '/v1/applications'],
  ])('with %s there is nothing to see', async (_name, token, path) => {
    const answer = await lab.operator(path, { token });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toContain('Bearer');
  });

  test('a viewer sees and changes nothing; revoked, it does not see either', async () => {
    const viewer = await makeOperator('viewer');
    const { token } = viewer;
    expect((await lab.operator('/v1/devices', { token })).status).toBe(200);
    const refused = await lab.operator('/v1/enrollment-tokens', {
      ...admin,
      token,
      body: { role: 'device' },
    });
    expect(refused.json).toMatchObject({ status: 403, type: 'urn:whyslow:problem:role-required' });
    expect((await lab.operator(`/v1/operators/${viewer.id}/revoke`, admin)).status).toBe(204);
    expect((await lab.operator('/v1/devices', { token })).status).toBe(401);
  });

  test('the link makes the token a cookie that reads, changes nothing and holds no token', async () => {
    const entered = await lab.operator(`/enter?token=${lab.operatorToken}`, { token: null });
    expect(entered.status).toBe(303);
    expect(entered.headers['location']).toBe('/');
    const cookie = String(entered.headers['set-cookie']);
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict/);
    expect(cookie).not.toContain(String(lab.operatorToken));
    const headers = { cookie: cookie.split(';')[0] ?? '' };
    expect((await lab.operator('/', { token: null, headers })).status).toBe(200);
    const change = { ...admin, token: null, headers, body: { role: 'device' } };
    const refused = await lab.operator('/v1/enrollment-tokens', change);
    expect(refused.json).toMatchObject({ type: 'urn:whyslow:problem:bearer-required' });

    const forged = { cookie: headers.cookie.replace(/.$/, (last) => (last === '0' ? '1' : '0')) };
    expect((await lab.operator('/', { token: null, headers: forged })).status).toBe(401);
    const later = { cookie: headers.cookie.replace(/\.(\d{13})\./, '.4102444800000.') };
    expect((await lab.operator('/', { token: null, headers: later })).status).toBe(401);
  });

  test('a name that was made to point here is refused (DNS rebinding)', async () => {
    const status = await new Promise((resolve, reject) => {
      const headers = { host: 'evil.test', authorization: `Bearer ${lab.operatorToken}` };
      httpRequest(`${lab.operatorUrl}/v1/devices`, { headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(421);
  });
});

describe('errors are problem details', () => {
  test.each([
    ['an unknown route', '/nope', 'GET', 404],
    ['an unknown schema', '/v1/schemas/nope', 'GET', 404],
    ['a path that is no text', '/%zz', 'GET', 400],
    ['an id that is none', '/v1/devices/abc', 'GET', 400],
    ['a limit out of range', '/v1/verdicts?limit=0', 'GET', 400],
    ['a body that is missing', '/v1/operators', 'POST', 400],
    ['a device that is not there', '/v1/devices/018f5f5e-0000-4000-8000-000000000001', 'GET', 404],
  ])('%s', async (_name, path, method, status) => {
    const answer = await lab.operator(path, { method });
    expect(answer.headers['content-type']).toContain('application/problem+json');
    const name = String(answer.json['type']).replace('urn:whyslow:problem:', '');
    expect(problemTypes).toHaveProperty(name);
    expect(answer.json).toMatchObject({ status });
    expect(answer.status).toBe(status);
    expect(answer.text).not.toMatch(/node_modules|FST_|at .*\.ts/);
  });

  test('what is not HTTP too', async () => {
    const { hostname, port } = new URL(lab.operatorUrl);
    const text = await new Promise<string>((resolve, reject) => {
      let received = '';
      const socket = connect(Number(port), hostname, () => socket.write('what is this\r\n\r\n'));
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        received += chunk;
      });
      socket.on('end', () => resolve(received)).on('error', reject);
    });
    expect(text).toMatch(/^HTTP\/1\.1 400/);
    expect(text).toContain('urn:whyslow:problem:bad-request');
  });

  test('broken JSON and YAML say so', async () => {
    const yaml = await lab.operator('/v1/organisation', { method: 'PUT', body: 'a: [1\nb: }' });
    expect(yaml.json).toMatchObject({
      status: 400,
      detail: expect.stringMatching(/YAML: .*line/s),
    });
    const json = await lab.operator('/v1/organisation', {
      method: 'PUT',
      body: '{',
      headers: { 'content-type': 'application/json' },
    });
    expect(json.json).toMatchObject({ status: 400, type: 'urn:whyslow:problem:bad-request' });
  });
});

describe('without a token', () => {
  test('health, readiness and the captive-portal check answer', async () => {
    const ready = await lab.operator('/readyz', { token: null });
    expect(ready.json).toMatchObject({ engines: { store: 'duckdb', state: 'pglite' } });
    expect((await lab.operator('/healthz', { token: null })).status).toBe(200);
    const probe = await lab.operator('/generate_204', { token: null });
    expect([probe.status, probe.text]).toEqual([204, '']);
  });

  test('every message’s JSON Schema stands alone', async () => {
    for (const name of Object.keys(schemaSet)) {
      const { json } = await lab.operator(`/v1/schemas/${name}`, { token: null });
      expect(json).toMatchObject({ $id: `urn:whyslow:contract:1:${name}`, title: name });
      expect(JSON.stringify(json), name).not.toContain('"$ref"');
    }
  });

  test('OpenAPI 3.1 describes both listeners, and every reference in it leads somewhere', async () => {
    const { json } = await lab.operator('/openapi.json', { token: null });
    const document = json as {
      openapi: string;
      paths: Record<string, { servers: { url: string }[] } & Record<string, unknown>>;
      components: { schemas: Record<string, unknown> };
    };
    expect(document.openapi).toMatch(/^3\.1\./);
    expect(document.paths['/v1/ingest']?.servers[0]?.url).toBe(lab.deviceUrl);
    expect(document.paths['/v1/organisation']?.servers[0]?.url).toBe(lab.operatorUrl);
    expect(Object.keys(document.paths).length).toBeGreaterThan(20);
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(['Organisation', 'EnrollmentRequest', 'Verdict', 'ProblemDetails']),
    );
    const text = JSON.stringify(document);
    for (const [, name = ''] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      expect(document.components.schemas).toHaveProperty(name);
    }
    expect(text).not.toMatch(/x-name|"\$ref":"(?!#\/components\/schemas\/)/);
    for (const [path, item] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(item)) {
        if (method === 'servers') continue;
        expect(operation, `${method} ${path}`).toHaveProperty('responses');
      }
    }
  });
});

describe('the organisation', () => {
  const yaml = `
version: 1
applications:
  - id: crm
    name: CRM
    hosts: [crm.test]
    probes: [{ type: http, url: 'https://crm.test/', headers: { authorization: 'Bearer s3cret' } }]
`;

  test('is tried, applied, told apart, put back, and audited without secrets', async () => {
    const put = { method: 'PUT', body: yaml };
    const tried = await lab.operator('/v1/organisation?dry-run=1', put);
    expect(tried.json).toMatchObject({ version: 0, changed: true });
    expect((await lab.operator('/v1/organisation')).json['version']).toBe(0);

    expect((await lab.operator('/v1/organisation', put)).json).toMatchObject({ version: 1 });
    expect((await lab.operator('/v1/organisation', put)).json).toMatchObject({
      version: 1,
      changed: false,
      changes: [],
    });
    const renamed = { method: 'PUT', body: yaml.replace('name: CRM', 'name: Sales') };
    const stale = await lab.operator('/v1/organisation', {
      ...renamed,
      headers: { 'if-match': '"0"' },
    });
    expect(stale.status).toBe(412);
    const applied = await lab.operator('/v1/organisation', {
      ...renamed,
      headers: { 'if-match': '"1"' },
    });
    expect(applied.json).toMatchObject({
      version: 2,
      changes: [{ pointer: '/applications/crm/name', before: 'CRM', after: 'Sales' }],
    });
    const restored = await lab.operator('/v1/organisation/versions/1/restore', admin);
    expect(restored.json).toMatchObject({ version: 3, changed: true });
    const now = (await lab.operator('/v1/organisation')).json;
    expect(now['document']).toMatchObject({ applications: [{ name: 'CRM' }] });

    const audit = await lab.operator('/v1/audit');
    expect(audit.text).toContain('organisation.restored-1');
    expect(audit.text).not.toContain('s3cret');
    const { token } = await makeOperator('viewer');
    const seen = await lab.operator('/v1/organisation', { token });
    expect(seen.text).toContain('crm.test');
    expect(seen.text).not.toContain('s3cret');
  });
});
