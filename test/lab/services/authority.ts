import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createAuthority,
  type IssueOptions,
  issueWithKey,
  type KeyedCertificate,
} from '#runtime/certificates.ts';
import { hostName, type ServedNode } from './service.ts';

/** The certificate all devices, browsers and tools of the lab are to trust. */
export const authorityFile = (folder: string): string => join(folder, 'ca.pem');

/** Found again in the folder after a restart: what trusts it goes on to. */
export const openAuthority = async (folder: string): Promise<KeyedCertificate> => {
  const certificateFile = authorityFile(folder);
  const keyFile = join(folder, 'ca.key');
  if (existsSync(certificateFile) && existsSync(keyFile)) {
    return {
      certificatePem: readFileSync(certificateFile, 'utf8'),
      privateKeyPem: readFileSync(keyFile, 'utf8'),
    };
  }
  const made = await createAuthority('whyslow lab CA', 365);
  writeFileSync(keyFile, made.privateKeyPem, { mode: 0o600 });
  writeFileSync(certificateFile, made.certificatePem);
  return made;
};

export type ServerCertificates = Record<'good' | 'expired' | 'wrong-name', KeyedCertificate>;

const dayMs = 86_400_000;

/** A server's certificate for its names and addresses, and two with one thing wrong each. */
export const issueCertificates = async (
  authority: KeyedCertificate,
  { name, names, addresses }: ServedNode,
): Promise<ServerCertificates> => {
  const dnsNames = [...names, hostName(name)];
  const issue = (change: Partial<IssueOptions>) =>
    issueWithKey(authority, {
      commonName: dnsNames[0] ?? name,
      notAfter: Date.now() + 90 * dayMs,
      dnsNames,
      addresses,
      usages: ['server'],
      ...change,
    });
  const [good, expired, wrongName] = await Promise.all([
    issue({}),
    issue({ notAfter: Date.now() - 60_000 }),
    issue({ commonName: 'elsewhere.test', dnsNames: ['elsewhere.test'], addresses: [] }),
  ]);
  return { good, expired, 'wrong-name': wrongName };
};
