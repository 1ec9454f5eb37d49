import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHttpProber } from '#probes/http/http.ts';
import { findInspection } from '#probes/inspection.ts';
import { createTrust } from '#probes/trust.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { startOrigin } from '#test/support/origin.ts';
import { httpProbe, probeContext } from '#test/support/probe-context.ts';

const prober = createHttpProber();
const folder = mkdtempSync(join(tmpdir(), 'whyslow-chain-'));
const dayMs = 86_400_000;
afterAll(async () => {
  await prober.stop();
  rmSync(folder, { recursive: true, force: true });
});

const certificateOf = async (url: string, extraCa: string[]) => {
  const { body, availability } = await prober.run(httpProbe(url), probeContext({ extraCa }));
  return { availability, certificate: body.certificate };
};

/** A root, an intermediate that ends first, and a leaf, made by OpenSSL as an organisation would. */
const makeChain = () => {
  const at = (name: string) => join(folder, name);
  const openssl = (...words: string[]) => execFileSync('openssl', words, { stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const ca = ['-addext', 'basicConstraints=critical,CA:TRUE'];
  openssl(
    'req',
    '-x509',
    ...key,
    ...ca,
    '-keyout',
    at('root.key'),
    '-out',
    at('root.pem'),
    '-days',
    '900',
    '-subj',
    '/O=Example Corp/CN=Example Root',
  );
  const sign = (name: string, subject: string, by: string, days: string, extensions: string) => {
    writeFileSync(at(`${name}.ext`), extensions);
    openssl(
      'req',
      ...key,
      '-keyout',
      at(`${name}.key`),
      '-out',
      at(`${name}.csr`),
      '-subj',
      subject,
    );
    openssl(
      'x509',
      '-req',
      '-in',
      at(`${name}.csr`),
      '-CA',
      at(`${by}.pem`),
      '-CAkey',
      at(`${by}.key`),
      '-out',
      at(`${name}.pem`),
      '-days',
      days,
      '-extfile',
      at(`${name}.ext`),
    );
  };
  sign(
    'issuing',
    '/O=Example Corp/CN=Example Issuing',
    'root',
    '20',
    'basicConstraints=critical,CA:TRUE',
  );
  sign('leaf', '/CN=app.test', 'issuing', '90', 'subjectAltName=IP:127.0.0.1');
  const read = (name: string) => execFileSync('cat', [at(name)], { encoding: 'utf8' });
  return {
    cert: read('leaf.pem') + read('issuing.pem'),
    key: read('leaf.key'),
    root: read('root.pem'),
  };
};

describe('certificate facts', () => {
  let chain: ReturnType<typeof makeChain>;
  const server = createServer((_, response) => response.end('ok'));
  let url: string;
  beforeAll(async () => {
    chain = makeChain();
    server.setSecureContext({ cert: chain.cert, key: chain.key });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  it('tells every certificate of the chain, with the root, and which of them ends first', async () => {
    for (let run = 0; run < 2; run++) {
      const { certificate, availability } = await certificateOf(url, [chain.root]);
      expect(availability).toBe(1);
      expect(certificate).toMatchObject({
        subject: 'app.test',
        issuer: 'Example Issuing, Example Corp',
        nameMatches: true,
        root: 'extra',
        inspection: { sign: 'private-root', name: 'Example Root, Example Corp' },
      });
      expect(certificate?.chain?.map(({ subject }) => subject)).toEqual([
        'app.test',
        'Example Issuing, Example Corp',
        'Example Root, Example Corp',
      ]);
      for (const link of certificate?.chain ?? []) {
        expect(link.notBefore).toBeLessThanOrEqual(Date.now());
        expect(link.notAfter).toBeGreaterThan(Date.now() + 19 * dayMs);
      }
      expect(certificate?.daysLeft).toBeGreaterThan(19);
      expect(certificate?.daysLeft).toBeLessThan(20.01);
    }
  });

  it('does not know the root of a chain that nobody here trusts', async () => {
    const { certificate, availability } = await certificateOf(url, []);
    expect(availability).toBe(0);
    expect(certificate).toMatchObject({ root: 'unknown', inspection: null, nameMatches: true });
    expect(certificate?.chain).toHaveLength(2);
  });

  it('says that the name does not match, and that an expired one has no days left', async () => {
    const authority = await createTestAuthority();
    const other = await startOrigin({ authority, certificate: 'other-name' });
    const old = await startOrigin({ authority, certificate: 'expired' });
    const trusted = [authority.certificatePem];
    expect((await certificateOf(other.url, trusted)).certificate?.nameMatches).toBe(false);
    expect((await certificateOf(old.url, trusted)).certificate?.daysLeft).toBeLessThanOrEqual(0);
    await Promise.all([other.stop(), old.stop()]);
  });

  it('knows an inspecting proxy by the name of its maker', async () => {
    const authority = await createTestAuthority('Zscaler Intermediate Root CA (example.net)');
    const origin = await startOrigin({ authority });
    for (const extraCa of [[authority.certificatePem], []]) {
      expect((await certificateOf(origin.url, extraCa)).certificate?.inspection).toEqual({
        sign: 'vendor-name',
        name: 'Zscaler Intermediate Root CA (example.net)',
      });
    }
    await origin.stop();
  });

  it('tells a root of the system’s store from one of the extra ones', async () => {
    const authority = await createTestAuthority('Company CA');
    const bundle = join(folder, 'bundle.pem');
    writeFileSync(bundle, `# ours\n${authority.certificatePem}`);
    const { X509Certificate } = await import('node:crypto');
    const leaf = new X509Certificate((await authority.server()).certificatePem);
    const rootIn = (trust: ReturnType<typeof createTrust>, extra: string[]) =>
      trust.contextFor(extra).rootOf([leaf]).root;
    expect(rootIn(createTrust([bundle]), [])).toBe('system');
    expect(rootIn(createTrust([]), [authority.certificatePem])).toBe('extra');
    expect(rootIn(createTrust([]), [])).toBe('unknown');
  });

  it('finds a public root among Node’s, and then suspects nobody', async () => {
    const { rootCertificates } = await import('node:tls');
    const { X509Certificate } = await import('node:crypto');
    const context = createTrust([]).contextFor([]);
    for (const pem of rootCertificates.slice(0, 5)) {
      expect(context.rootOf([new X509Certificate(pem)]).root).toBe('public');
    }
    const one = { subject: 'shop.test', issuer: 'Fortinet CA2', notBefore: 0, notAfter: 0 };
    expect(findInspection([one], 'public')).toBeNull();
    expect(findInspection([one], 'system')).toMatchObject({ sign: 'vendor-name' });
    expect(findInspection([{ ...one, issuer: 'Shop CA' }], 'unknown')).toBeNull();
  });
});
