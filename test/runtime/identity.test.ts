import { X509Certificate } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createAuthority } from '#runtime/certificates.ts';
import { ConfigError } from '#runtime/config.ts';
import { type IdentityOptions, loadOrEnroll, renewalTime } from '#runtime/identity.ts';
import { silentLog } from '#runtime/log.ts';
import { startCollectorEndpoint } from '#test/support/collector-endpoint.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const setUp = async (options: { identityLifeMs?: number } = {}) => {
  const collector = await startCollectorEndpoint(options);
  onTestFinished(() => collector.stop());
  const folder = await makeTemporaryFolder();
  const ask = (changes: Partial<IdentityOptions> = {}): IdentityOptions => ({
    folder,
    collectorUrl: collector.url,
    token: collector.createToken(),
    role: 'device',
    name: 'laptop-7',
    platform: 'linux x64',
    programVersion: '0.1.0',
    log: silentLog(),
    ...changes,
  });
  const load = async (changes: Partial<IdentityOptions> = {}) => {
    const holder = await loadOrEnroll(ask(changes));
    onTestFinished(() => holder.stop());
    return holder;
  };
  return { collector, folder, load };
};

describe('enrolment', () => {
  test('gives a certificate for a key that never leaves the device', async () => {
    const { collector, folder, load } = await setUp();
    const { id, certificatePem, privateKeyPem } = (await load()).current();
    const certificate = new X509Certificate(certificatePem);
    expect(certificate.subjectAltName).toContain(`urn:whyslow:device:${id}`);
    expect(
      certificate.verify(new X509Certificate(collector.authority.certificatePem).publicKey),
    ).toBe(true);
    expect(privateKeyPem).toContain('BEGIN PRIVATE KEY');
    expect((await stat(join(folder, 'identity.json'))).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });

  test('is done once: the kept identity is used without a token and without the collector', async () => {
    const { collector, load } = await setUp();
    const first = (await load()).current();
    await collector.stop();
    const second = (await load({ token: undefined })).current();
    expect(second.id).toBe(first.id);
    expect(second.privateKeyPem).toBe(first.privateKeyPem);
  });

  test('does not show the token to a collector whose CA is not the one the token names', async () => {
    const { collector, load } = await setUp();
    collector.presentCa((await createAuthority('somebody else')).certificatePem);
    await expect(load()).rejects.toThrow(/CA fingerprint differs/);
    expect(collector.requests.map(({ path }) => path)).toEqual(['/v1/ca']);
  });

  test('does not show the token to a listener that presents the right CA without its key', async () => {
    const { collector, load } = await setUp();
    const impostor = await startCollectorEndpoint();
    onTestFinished(() => impostor.stop());
    impostor.presentCa(collector.authority.certificatePem);
    const giveUp = AbortSignal.timeout(300);
    await expect(load({ collectorUrl: impostor.url, signal: giveUp })).rejects.toThrow();
    expect(impostor.requests.map(({ path }) => path)).not.toContain('/v1/enroll');
  });

  test.each([
    ['a malformed token', { token: 'wse1.nonsense' }, /malformed.*whyslow token/],
    ['no token', { token: undefined }, /not enrolled yet.*whyslow token/],
    ['a plain address', { collectorUrl: 'http://127.0.0.1:1' }, /must be the https/],
  ])('says what to do about %s', async (_, changes, message) => {
    const { load } = await setUp();
    await expect(load(changes)).rejects.toThrow(message);
  });

  test('says that a token is used up and that a new one is needed', async () => {
    const { collector, load } = await setUp();
    const token = collector.createToken(0);
    const refusal = await load({ token }).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(ConfigError);
    expect((refusal as Error).message).toMatch(/used up.*whyslow token/);
  });

  test('takes the token from a file, and does without the file afterwards', async () => {
    const { collector, folder, load } = await setUp();
    const tokenFile = join(folder, '..', `${Date.now()}-token`);
    await expect(load({ token: undefined, tokenFile })).rejects.toThrow(
      `not enrolled yet: enrollmentTokenFile ${tokenFile} is missing or empty`,
    );
    await writeFile(tokenFile, '\n');
    await expect(load({ token: undefined, tokenFile })).rejects.toThrow(/missing or empty/);
    await writeFile(tokenFile, `${collector.createToken()}\n`);
    const { id } = (await load({ token: undefined, tokenFile })).current();
    await rm(tokenFile);
    expect((await load({ token: undefined, tokenFile })).current().id).toBe(id);
  });

  test('waits for a collector that is not ready yet', async () => {
    const { collector, load } = await setUp();
    collector.order('/v1/ca', { status: 503, body: '' });
    collector.order('/v1/enroll', { status: 503, body: { title: 'starting' } });
    expect((await load()).current().role).toBe('device');
  });

  test('starts anew when the token is from another collector', async () => {
    const { folder, load } = await setUp();
    const first = (await load()).current();
    const other = await startCollectorEndpoint();
    onTestFinished(() => other.stop());
    const second = (await load({ collectorUrl: other.url, token: other.createToken() })).current();
    expect(second.id).not.toBe(first.id);
    expect(second.caCertificatePem).toBe(other.authority.certificatePem);
    expect(JSON.parse(await readFile(join(folder, 'identity.json'), 'utf8')).id).toBe(second.id);
  });

  test('names a damaged identity file and what to do with it', async () => {
    const { folder, load } = await setUp();
    await writeFile(join(folder, 'identity.json'), '{"role":"device"');
    await expect(load()).rejects.toThrow(/identity\.json is damaged; remove it/);
  });
});

describe('renewal', () => {
  test('comes at two thirds of the life, up to a twentieth of it earlier', () => {
    const life = { issuedAt: 0, notAfter: 600 };
    expect(renewalTime(life, () => 0)).toBe(400);
    expect(renewalTime(life, () => 1)).toBe(370);
  });

  test('is asked for with the old certificate and makes a new key', async () => {
    const { collector, load } = await setUp({ identityLifeMs: 12_000 });
    const holder = await load();
    const before = holder.current();
    const renewals: string[] = [];
    holder.onChange(({ id }) => renewals.push(id));
    collector.order('/v1/renew', { status: 503, body: '' });
    await waitUntil(() => renewals.length > 0, 28_000);
    const after = holder.current();
    expect(after.id).toBe(before.id);
    expect(after.privateKeyPem).not.toBe(before.privateKeyPem);
    expect(after.notAfter).toBeGreaterThan(before.notAfter);
  });

  test('comes at once for an edge whose place changed, and tells it', async () => {
    const { collector, load } = await setUp();
    const place = { host: 'fra.test', port: 8_443, location: 'Frankfurt' };
    const edge = { role: 'edge', name: 'fra-1', edge: place } as const;
    const first = await load(edge);
    await first.stop();
    const same = await load(edge);
    await same.stop();
    expect(collector.places).toEqual([]);
    const moved = { ...place, reflectorPort: 862 };
    const second = await load({ ...edge, edge: moved });
    await waitUntil(() => collector.places.length > 0, 20_000);
    expect(collector.places).toEqual([moved]);
    await second.stop();
    await load({ ...edge, edge: moved });
    expect(collector.places).toHaveLength(1);
  });
});
