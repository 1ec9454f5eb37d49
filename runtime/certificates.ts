import 'reflect-metadata';
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto as Crypto);

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** A certificate and its key, PEM. */
export type KeyedCertificate = { certificatePem: string; privateKeyPem: string };

const toPem = (der: ArrayBuffer, label: string): string => {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
};

const importPrivateKey = (pem: string): Promise<CryptoKey> =>
  webcrypto.subtle.importKey(
    'pkcs8',
    Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64'),
    algorithm,
    true,
    ['sign'],
  ) as Promise<CryptoKey>;

const makeKeys = () =>
  webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<CryptoKeyPair>;

const exportKey = async (key: CryptoKey): Promise<string> =>
  toPem(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');

/** 128-bit random serial, positive as RFC 5280 wants it. */
const makeSerial = (): string => {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0] ?? 0) & 0x7f || 1;
  return bytes.toString('hex');
};

/** A certificate authority of its own: P-256, self-signed, `days` valid. */
export const createAuthority = async (name: string, days = 3650): Promise<KeyedCertificate> => {
  const keys = await makeKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: makeSerial(),
    name: `CN=${name}`,
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + days * 86_400_000),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 1, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    certificatePem: `${certificate.toString('pem')}\n`,
    privateKeyPem: await exportKey(keys.privateKey),
  };
};

/** A fresh P-256 key with a PKCS#10 request for it; the key stays where it was made. */
export const createRequest = async (
  commonName: string,
): Promise<{ requestPem: string; privateKeyPem: string }> => {
  const keys = await makeKeys();
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [commonName] }],
    keys,
    signingAlgorithm: algorithm,
  });
  return {
    requestPem: `${request.toString('pem')}\n`,
    privateKeyPem: await exportKey(keys.privateKey),
  };
};

export type IssueOptions = {
  commonName: string;
  notAfter: number;
  /** subjectAltName entries. */
  dnsNames?: readonly string[];
  addresses?: readonly string[];
  uris?: readonly string[];
  usages: readonly ('client' | 'server')[];
};

export type Issued = { certificatePem: string; serial: string; notAfter: number };

/** The request is not one: unreadable, of another kind of key, or not signed by its own. */
export class BadCertificateRequest extends Error {
  override name = 'BadCertificateRequest';
}

/**
 * Signs a certificate for the key in `requestPem`. Only the key is taken from the request: names
 * and usages are the issuer's to give. Throws BadCertificateRequest.
 */
export const issueFromRequest = async (
  authority: KeyedCertificate,
  requestPem: string,
  options: IssueOptions,
): Promise<Issued> => {
  let request: x509.Pkcs10CertificateRequest;
  try {
    request = new x509.Pkcs10CertificateRequest(requestPem);
    refuseOtherKeys(request.publicKey.algorithm);
    if (!(await request.verify())) throw new Error('its signature does not match its key');
  } catch (error) {
    throw new BadCertificateRequest(`certificate request refused: ${(error as Error).message}`);
  }
  return issue(authority, await request.publicKey.export(), options);
};

/** Before anything is computed with it: keys of any other kind or size may be weak, or costly. */
const refuseOtherKeys = (of: Algorithm): void => {
  const { name, namedCurve } = of as Algorithm & { namedCurve?: string };
  if (name === algorithm.name && namedCurve === algorithm.namedCurve) return;
  throw new Error('its key is not ECDSA P-256: make one of that kind');
};

/** Key and certificate in one step, for servers that hold both (collector listener, test origins). */
export const issueWithKey = async (
  authority: KeyedCertificate,
  options: IssueOptions,
): Promise<KeyedCertificate & Issued> => {
  const keys = await makeKeys();
  const issued = await issue(authority, keys.publicKey, options);
  return { ...issued, privateKeyPem: await exportKey(keys.privateKey) };
};

const issue = async (
  authority: KeyedCertificate,
  publicKey: CryptoKey,
  options: IssueOptions,
): Promise<Issued> => {
  const issuer = new x509.X509Certificate(authority.certificatePem);
  const serial = makeSerial();
  const names: x509.JsonGeneralNames = [
    ...(options.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(options.addresses ?? []).map((value) => ({ type: 'ip' as const, value })),
    ...(options.uris ?? []).map((value) => ({ type: 'url' as const, value })),
  ];
  const usages = {
    client: x509.ExtendedKeyUsage.clientAuth,
    server: x509.ExtendedKeyUsage.serverAuth,
  };
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial,
    subject: [{ CN: [options.commonName] }] as unknown as string,
    issuer: issuer.subject,
    // An hour back: a device whose clock is a little slow must still accept it.
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(options.notAfter),
    publicKey,
    signingKey: await importPrivateKey(authority.privateKeyPem),
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(options.usages.map((usage) => usages[usage])),
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return { certificatePem: `${certificate.toString('pem')}\n`, serial, notAfter: options.notAfter };
};

/** base64url of SHA-256 over the certificate's DER: how a token names the CA to trust. */
export const certificateFingerprint = (pem: string): string =>
  createHash('sha256')
    .update(new Uint8Array(new x509.X509Certificate(pem).rawData))
    .digest('base64url');

/** Signs text with a CA's key: base64 of ECDSA P-256/SHA-256, IEEE P1363 form. */
export const signText = async (privateKeyPem: string, text: string): Promise<string> => {
  const key = await importPrivateKey(privateKeyPem);
  const signature = await webcrypto.subtle.sign(algorithm, key, Buffer.from(text, 'utf8'));
  return Buffer.from(signature).toString('base64');
};

export const verifyText = async (
  certificatePem: string,
  text: string,
  signature: string,
): Promise<boolean> => {
  const key = await new x509.X509Certificate(certificatePem).publicKey.export();
  return webcrypto.subtle.verify(
    algorithm,
    key,
    Buffer.from(signature, 'base64'),
    Buffer.from(text, 'utf8'),
  );
};

/** URI subjectAltNames of a certificate as Node's TLS gives them (`URI:…, DNS:…`). */
export const uriNames = (subjectAltName: string | undefined): string[] =>
  (subjectAltName ?? '')
    .split(', ')
    .filter((name) => name.startsWith('URI:'))
    .map((name) => name.slice(4));
