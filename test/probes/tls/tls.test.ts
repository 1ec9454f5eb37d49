import { createServer } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TlsBody } from '#contract/body/connection.ts';
import { check } from '#contract/check.ts';
import type { TlsProbe } from '#contract/plan.ts';
import { createTlsProber } from '#probes/tls/tls.ts';
import { issueWithKey } from '#runtime/certificates.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { startConnectProxy } from '#test/support/connect-proxy.ts';
import { probeContext, tlsProbe } from '#test/support/probe-context.ts';

const dayMs = 86_400_000;
const prober = createTlsProber();
const ends: (() => unknown)[] = [];
let authority: Awaited<ReturnType<typeof createTestAuthority>>;

beforeAll(async () => {
  authority = await createTestAuthority();
});
afterAll(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A TLS server that says nothing once the handshake is done. */
const start = async (daysLeft: number, options: TlsOptions = {}): Promise<number> => {
  const { certificatePem: cert, privateKeyPem: key } = await issueWithKey(authority, {
    commonName: 'mail.test',
    notAfter: Date.now() + daysLeft * dayMs,
    dnsNames: ['mail.test', 'localhost'],
    addresses: ['127.0.0.1'],
    usages: ['server'],
  });
  const server = createTlsServer({ cert, key, ...options }, (socket) =>
    socket.on('error', () => {}),
  );
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  ends.push(() => server.close());
  return (server.address() as { port: number }).port;
};

const run = async (
  port: number,
  changes: Partial<TlsProbe> = {},
  context = probeContext({ extraCa: [authority.certificatePem] }),
) => {
  const outcome = await prober.run(tlsProbe('127.0.0.1', port, changes), context);
  expect(check(TlsBody, outcome.body)).toMatchObject({ ok: true });
  return outcome;
};

describe('a tls probe', () => {
  it('shows what was agreed on and every certificate, without a byte over it', async () => {
    const port = await start(90, { ALPNProtocols: ['h2'] });
    const { body, failure, availability } = await run(port);
    expect({ failure, availability }).toEqual({ failure: null, availability: 1 });
    expect(body).toMatchObject({
      serverName: '127.0.0.1',
      alpn: 'h2',
      trusted: true,
      expiresSoon: false,
      warnDays: 14,
      certificate: { subject: 'mail.test', protocol: 'TLSv1.3', nameMatches: true, root: 'extra' },
    });
    expect(body.cipher).toMatch(/^TLS_AES_/);
    expect(body.tlsMs).toBeGreaterThan(0);
    expect(body.durationMs).toBeCloseTo((body.connectMs ?? 0) + (body.tlsMs ?? 0), 3);
    const { chain = [] } = body.certificate ?? {};
    expect(chain.map(({ subject, issuer }) => [subject, issuer])).toEqual([
      ['mail.test', 'whyslow test CA'],
      ['whyslow test CA', 'whyslow test CA'],
    ]);
    for (const { notBefore, notAfter } of chain) expect(notAfter).toBeGreaterThan(notBefore);
  });

  it('counts the days of the first to expire, which need not be the leaf', async () => {
    // The test CA itself lasts 30 days.
    const { body } = await run(await start(90));
    expect(body.certificate?.daysLeft).toBeGreaterThan(29);
    expect(body.certificate?.daysLeft).toBeLessThanOrEqual(30);
  });

  it.each([
    [10, 14, true],
    [20, 14, false],
    [20, 25, true],
  ])('with %d days left and a limit of %d warns: %j, and works', async (days, warnDays, soon) => {
    const { body, availability, failure } = await run(await start(days), { warnDays });
    expect({ availability, failure }).toEqual({ availability: 1, failure: null });
    expect(body.expiresSoon).toBe(soon);
  });

  it('shows an expired certificate and fails', async () => {
    const { body, failure, availability } = await run(await start(-1 / 24));
    expect(availability).toBe(0);
    expect(failure?.type).toBe('tls.cert.date_invalid');
    expect(body).toMatchObject({ expiresSoon: true, trusted: false, cipher: null });
    expect(body.certificate?.daysLeft).toBeLessThan(0);
  });

  it('asks for the name it is told and checks that one', async () => {
    const port = await start(90);
    const good = await run(port, { serverName: 'mail.test' });
    expect(good.body).toMatchObject({ serverName: 'mail.test', trusted: true });
    const { failure, body } = await run(port, { serverName: 'other.test' });
    expect(failure?.type).toBe('tls.cert.name_invalid');
    expect(body).toMatchObject({ trusted: true, certificate: { nameMatches: false } });
  });

  it('does not trust an unknown authority, and shows it', async () => {
    const { body, failure } = await run(await start(90), {}, probeContext());
    expect(failure?.type).toBe('tls.cert.authority_invalid');
    expect(body).toMatchObject({
      trusted: false,
      certificate: { issuer: 'whyslow test CA', root: 'unknown', nameMatches: true },
    });
  });

  it('names a protocol that is too old for both', async () => {
    const options = {
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ciphers: 'ALL:@SECLEVEL=0',
    } as const;
    const { failure, body } = await run(await start(90, options));
    expect(failure?.type).toBe('tls.version_or_cipher_mismatch');
    expect(body).toMatchObject({ certificate: null, trusted: null, expiresSoon: null });
  });

  it('says that a port speaks no TLS', async () => {
    const server = createServer((socket) => socket.on('error', () => {}).end('220 mail.test\r\n'));
    server.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    ends.push(() => server.close());
    const { failure } = await run((server.address() as { port: number }).port);
    expect(failure).toMatchObject({ phase: 'tls' });
  });

  it('goes through the tunnel', async () => {
    const port = await start(90);
    const proxy = await startConnectProxy();
    ends.push(() => proxy.stop());
    const context = probeContext({ proxy, extraCa: [authority.certificatePem] });
    const { body, failure } = await run(port, {}, context);
    expect(failure).toBeNull();
    expect(body).toMatchObject({ connectMs: null, trusted: true });
    expect(body.proxyConnectMs).toBeGreaterThan(0);
  });
});
