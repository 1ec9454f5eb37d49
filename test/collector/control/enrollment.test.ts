import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  collectorServerName,
  type EnrollmentResponse,
  edgeServerName,
} from '#contract/enrollment.ts';
import type { DeviceConfig, EdgeConfig, SignedConfig } from '#contract/policy.ts';
import {
  certificateFingerprint,
  createRequest,
  issueWithKey,
  verifyText,
} from '#runtime/certificates.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { type CollectorLab, type Holder, startCollectorLab } from '#test/support/collector-lab.ts';

let lab: CollectorLab;
beforeAll(async () => {
  lab = await startCollectorLab();
}, 120_000);
afterAll(() => lab.stop(), 60_000);

const renewal = async () => ({
  version: 1,
  certificateRequest: (await createRequest('x')).requestPem,
  programVersion: '0.2.0',
});

describe('trust', () => {
  test('the token names the CA, and the listener’s certificate is from it', async () => {
    const token = await lab.makeToken({ role: 'device' });
    const ca = await lab.device('/v1/ca');
    expect(certificateFingerprint(ca.text)).toBe(token.split('.')[3]);

    const { port } = new URL(lab.deviceUrl);
    const socket = connect({ port: Number(port), ca: ca.text, servername: collectorServerName });
    await new Promise((resolve, reject) =>
      socket.once('secureConnect', resolve).once('error', reject),
    );
    expect(socket.authorized).toBe(true);
    expect(socket.getProtocol()).toBe('TLSv1.3');
    socket.destroy();
  });

  test('TLS 1.2 is refused', async () => {
    const { port } = new URL(lab.deviceUrl);
    const socket = connect({
      port: Number(port),
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.2',
    });
    await expect(
      new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject)),
    ).rejects.toThrow(/version|alert/i);
  });
});

describe('enrolling', () => {
  test('gives a device a certificate with its URI, for clients only, for seven days', async () => {
    const { holder, answer } = await lab.enrollWith(await lab.makeToken({ role: 'device' }));
    const certificate = new X509Certificate(holder.certificatePem);
    expect(certificate.subjectAltName).toBe(`URI:urn:whyslow:device:${holder.id}`);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    const { notAfter } = answer.json as unknown as EnrollmentResponse;
    expect(Date.parse(certificate.validTo)).toBe(notAfter);
    expect(notAfter - Date.now()).toBeGreaterThan(6.9 * 86_400_000);
    expect(notAfter - Date.now()).toBeLessThan(7.1 * 86_400_000);
  });

  test('gives an edge its name as id, and a certificate to serve and to ask with', async () => {
    const edge = await lab.enrollEdge('fra-1');
    const certificate = new X509Certificate(edge.certificatePem);
    expect(edge.id).toBe('fra-1');
    expect(certificate.subjectAltName).toContain(`DNS:${edgeServerName('fra-1')}`);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  });

  test('of many at once with a one-use token exactly one succeeds', async () => {
    const token = await lab.makeToken({ role: 'device', uses: 1 });
    const answers = await Promise.all(Array.from({ length: 8 }, () => lab.enrollWith(token)));
    const statuses = answers.map(({ answer }) => answer.status).sort();
    expect(statuses).toEqual([200, ...Array.from({ length: 7 }, () => 403)]);
    const devices = (await lab.operator('/v1/devices')).json['items'] as { id: string }[];
    const ids = answers.map(({ holder }) => holder.id);
    expect(devices.filter(({ id }) => ids.includes(id))).toHaveLength(1);
  });

  test('a bad certificate request does not use the token up', async () => {
    const token = await lab.makeToken({ role: 'device', uses: 1 });
    const bad = await lab.enrollWith(token, { certificateRequest: 'not PEM' });
    expect(bad.answer.json).toMatchObject({
      status: 400,
      type: 'urn:whyslow:problem:certificate-request-refused',
    });
    expect((await lab.enrollWith(token)).answer.status).toBe(200);
  });

  const swap = (token: string, part: number, text: string) =>
    token
      .split('.')
      .map((each, index) => (index === part ? text : each))
      .join('.');

  test.each([
    {
      name: 'an unknown token',
      make: async () => swap(await lab.makeToken({ role: 'device' }), 1, 'AAAAAAAAAAAA'),
      says: /not one of this tenant/,
    },
    {
      name: 'a wrong secret',
      make: async () => swap(await lab.makeToken({ role: 'device' }), 2, 'A'.repeat(43)),
      says: /not one of this tenant/,
    },
    {
      name: 'a token for edges',
      make: () => lab.makeToken({ role: 'edge' }),
      says: /another role/,
    },
    {
      name: 'a cancelled token',
      make: async () => {
        const token = await lab.makeToken({ role: 'device' });
        await lab.operator(`/v1/enrollment-tokens/${token.split('.')[1]}/cancel`, {
          method: 'POST',
        });
        return token;
      },
      says: /as often as it may/,
    },
    {
      name: 'an expired token',
      make: async () => {
        const token = await lab.makeToken({ role: 'device', expiresInSeconds: 1 });
        await new Promise((resolve) => setTimeout(resolve, 1_100));
        return token;
      },
      says: /expired/,
    },
  ])('$name is refused', async ({ make, says }) => {
    const { answer } = await lab.enrollWith(await make());
    expect(answer.status).toBe(403);
    expect(answer.json['type']).toBe('urn:whyslow:problem:enrollment-refused');
    expect(answer.json['detail']).toMatch(says);
  });

  test.each([
    ['a name that is no slug', { name: 'Frankfurt 1' }, '/name'],
    ['a name too long for its probe’s id', { name: 'a'.repeat(60) }, '/name'],
    ['no place', { edge: undefined }, '/edge'],
  ])('an edge with %s is told which field', async (_name, changes, pointer) => {
    const edge = { host: '127.0.0.1', port: 4433, location: '' };
    const token = await lab.makeToken({ role: 'edge' });
    const { answer } = await lab.enrollWith(token, { role: 'edge', name: 'ok', edge, ...changes });
    expect(answer.status).toBe(400);
    expect(answer.json['errors']).toMatchObject([{ pointer }]);
  });

  test('text that no engine can keep is refused, not a fault', async () => {
    const token = await lab.makeToken({ role: 'device' });
    for (const name of ['a\0b', '\u001b[2Ja', 'a\nb', 'a\u009b31m', '\u202etxt.exe']) {
      const { answer } = await lab.enrollWith(token, { name });
      expect(answer.json).toMatchObject({ status: 400, errors: [{ pointer: '/name' }] });
    }
    const { answer } = await lab.enrollWith(token, { platform: 'linux\u001b[31m' });
    expect(answer.json).toMatchObject({ status: 400, errors: [{ pointer: '/platform' }] });
  });
});

describe('identity', () => {
  test('without a certificate there is no config', async () => {
    const answer = await lab.device('/v1/config');
    expect(answer.json).toMatchObject({
      status: 401,
      type: 'urn:whyslow:problem:certificate-required',
    });
  });

  test('a certificate of another CA with the right name is refused', async () => {
    const device = await lab.enrollDevice();
    const foreign = await createTestAuthority('whyslow tenant CA');
    const forged = await issueWithKey(foreign, {
      commonName: device.id,
      notAfter: Date.now() + 86_400_000,
      uris: [`urn:whyslow:device:${device.id}`],
      usages: ['client'],
    });
    const answer = await lab.device('/v1/config', { as: { id: device.id, ...forged } });
    expect(answer.status).toBe(401);
  });

  test('a revoked device is refused at once, everywhere', async () => {
    const device = await lab.enrollDevice();
    expect((await lab.device('/v1/config', { as: device })).status).toBe(200);
    const revoked = await lab.operator(`/v1/devices/${device.id}/revoke`, { method: 'POST' });
    expect(revoked.status).toBe(204);
    for (const [path, body] of [
      ['/v1/config', undefined],
      ['/v1/renew', await renewal()],
      ['/v1/ingest', { version: 1 }],
    ] as const) {
      const method = body === undefined ? 'GET' : 'POST';
      const answer = await lab.device(path, { as: device, method, body });
      expect(answer.json, path).toMatchObject({
        status: 403,
        type: 'urn:whyslow:problem:identity-refused',
      });
    }
    const edge = await lab.enrollEdge('ams-1');
    const config = await readConfig<EdgeConfig>(edge);
    expect(config.revokedDevices).toContain(device.id);
  });

  test('renewal gives the same identity a new certificate; the old one still works', async () => {
    const device = await lab.enrollDevice();
    const { requestPem, privateKeyPem } = await createRequest('x');
    const answer = await lab.device('/v1/renew', {
      as: device,
      method: 'POST',
      body: { version: 1, certificateRequest: requestPem, programVersion: '0.2.0' },
    });
    const { id, certificate } = answer.json as unknown as EnrollmentResponse;
    expect(id).toBe(device.id);
    const renewed = { id, certificatePem: certificate, privateKeyPem };
    expect((await lab.device('/v1/config', { as: renewed })).status).toBe(200);
    expect((await lab.device('/v1/config', { as: device })).status).toBe(200);
    const row = (await lab.operator(`/v1/devices/${device.id}`)).json;
    expect(row).toMatchObject({ programVersion: '0.2.0', revokedAt: null });
  });

  test('an edge that renews says where devices reach it now, its reflector too', async () => {
    const edge = await lab.enrollEdge('osl-1', 1_003);
    const device = await lab.enrollDevice();
    const entry = async () =>
      (await readConfig<DeviceConfig>(device)).edges.find(({ id }) => id === 'osl-1');
    expect(await entry()).not.toHaveProperty('reflectorPort');
    const place = {
      host: '192.0.2.5',
      port: 1_004,
      location: 'Oslo',
      reflectorPort: 862,
      position: { latitude: 59.9, longitude: 10.7 },
    };
    const answer = await lab.device('/v1/renew', {
      as: edge,
      method: 'POST',
      body: {
        version: 1,
        certificateRequest: (await createRequest('x')).requestPem,
        programVersion: '0.2.0',
        edge: place,
      },
    });
    expect(answer.status).toBe(200);
    expect(await entry()).toMatchObject(place);
    expect((await lab.operator('/v1/edges/osl-1')).json).toMatchObject({ reflectorPort: 862 });
  });

  test('an edge that enrols again replaces its former self', async () => {
    const first = await lab.enrollEdge('par-1', 1_001);
    await new Promise((resolve) => setTimeout(resolve, 2_100)); // certificates date in seconds
    const second = await lab.enrollEdge('par-1', 1_002);
    expect((await lab.device('/v1/config', { as: second })).status).toBe(200);
    const refused = await lab.device('/v1/config', { as: first });
    expect(refused.json).toMatchObject({
      status: 403,
      detail: expect.stringMatching(/enrolled again/),
    });
    const edges = (await lab.operator('/v1/edges')).json['items'] as { id: string; port: number }[];
    expect(edges.filter(({ id }) => id === 'par-1')).toMatchObject([{ port: 1_002 }]);
  });
});

const readConfig = async <T>(as: Holder): Promise<T> => {
  const answer = await lab.device('/v1/config', { as });
  return JSON.parse((answer.json as unknown as SignedConfig).payload) as T;
};

describe('config', () => {
  test('is signed by the CA, named by its revision, and not sent twice', async () => {
    const device = await lab.enrollDevice();
    const answer = await lab.device('/v1/config', { as: device });
    const { payload, signature } = answer.json as unknown as SignedConfig;
    const ca = (await lab.device('/v1/ca')).text;
    expect(await verifyText(ca, payload, signature)).toBe(true);
    expect(await verifyText(ca, `${payload} `, signature)).toBe(false);
    const config = JSON.parse(payload) as DeviceConfig;
    expect(config.deviceId).toBe(device.id);
    expect(config.captivePortalUrl).toBe(`${lab.operatorUrl}/generate_204`);
    expect(answer.headers['etag']).toBe(`"${config.revision}"`);

    const headers = { 'if-none-match': `"${config.revision}"` };
    const again = await lab.device('/v1/config', { as: device, headers });
    expect([again.status, again.text]).toEqual([304, '']);

    await lab.enrollEdge('new-edge');
    const changed = await lab.device('/v1/config', { as: device, headers });
    expect(changed.status).toBe(200);
    expect((await readConfig<DeviceConfig>(device)).edges.map(({ id }) => id)).toContain(
      'new-edge',
    );
  });
});

// Last: from here on this address has to wait.
test('an address that guesses tokens has to wait', async () => {
  const good = await lab.makeToken({ role: 'device' });
  const bad = good.replace(/^(wse1\.[^.]+)\.[^.]+/, `$1.${'A'.repeat(43)}`);
  let guesses = 0;
  let answer = (await lab.enrollWith(bad)).answer;
  while (answer.status === 403 && guesses < 30) {
    answer = (await lab.enrollWith(bad)).answer;
    guesses += 1;
  }
  expect(answer.status).toBe(429);
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  expect((await lab.enrollWith(good)).answer.status).toBe(429);
});
