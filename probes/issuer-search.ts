import { X509Certificate } from 'node:crypto';

/**
 * Finds the certificate, among a store's, that issued another. Reading a store of 150 as
 * certificates costs 100 ms, so it is searched as bytes for the issuer's name first, and only what
 * holds that name is read.
 */
export const createIssuerSearch = (pems: readonly string[]) => {
  let store: Buffer[] | undefined;
  return (certificate: X509Certificate): X509Certificate | undefined => {
    store ??= pems.flatMap(toDer);
    const name = issuerNameOf(certificate.raw);
    if (name === undefined) return undefined;
    for (const der of store) {
      if (!der.includes(name)) continue;
      const candidate = new X509Certificate(der);
      if (certificate.checkIssued(candidate) && certificate.verify(candidate.publicKey)) {
        return candidate;
      }
    }
    return undefined;
  };
};

/** A file may hold several. */
const toDer = (pem: string): Buffer[] =>
  [...pem.matchAll(/-----BEGIN CERTIFICATE-----([\s\S]+?)-----END CERTIFICATE-----/g)].map(
    ([, base64 = '']) => Buffer.from(base64, 'base64'),
  );

/** RFC 5280 §4.1: Certificate ⊃ TBSCertificate = [0] version?, serial number, algorithm, issuer, … */
const issuerNameOf = (der: Buffer): Buffer | undefined => {
  const tbs = readElement(der, readElement(der, 0).start);
  let at = tbs.start;
  if (der[at] === explicitVersion) at = readElement(der, at).end;
  at = readElement(der, at).end;
  at = readElement(der, at).end;
  const { end } = readElement(der, at);
  return end <= der.length && at < end ? der.subarray(at, end) : undefined;
};

const explicitVersion = 0xa0;

/** One DER element (X.690 §8.1): where its content starts and where it ends. */
const readElement = (der: Buffer, at: number): { start: number; end: number } => {
  const first = der[at + 1] ?? 0;
  if (first < 0x80) return { start: at + 2, end: at + 2 + first };
  const lengthBytes = Math.min(first & 0x7f, 4);
  const start = at + 2 + lengthBytes;
  return {
    start,
    end: start + (start <= der.length ? der.readUIntBE(at + 2, lengthBytes || 1) : 0),
  };
};
