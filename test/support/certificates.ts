import {
  createAuthority,
  type Issued,
  issueWithKey,
  type KeyedCertificate,
} from '#runtime/certificates.ts';

/** A throw-away CA for one test file, and server certificates from it for loopback. */
export const createTestAuthority = async (
  name = 'whyslow test CA',
): Promise<
  KeyedCertificate & {
    /** Valid for the given names, localhost, 127.0.0.1 and ::1. */
    server(...dnsNames: string[]): Promise<KeyedCertificate & Issued>;
  }
> => {
  const authority = await createAuthority(name, 30);
  return {
    ...authority,
    server: (...dnsNames) =>
      issueWithKey(authority, {
        commonName: dnsNames[0] ?? 'localhost',
        notAfter: Date.now() + 7 * 86_400_000,
        dnsNames: [...dnsNames, 'localhost'],
        addresses: ['127.0.0.1', '::1'],
        usages: ['server'],
      }),
  };
};
