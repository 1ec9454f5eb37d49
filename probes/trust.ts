import { readFileSync } from 'node:fs';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';

/**
 * TLS contexts by what they trust: Node's own roots, the system's (an organisation's inspection CA
 * stands there, and the user's browser trusts it), and the extra ones. Made once: reading some 300
 * certificates takes tens of milliseconds, which must not stand in anybody's handshake.
 */
export const createTrust = (systemBundles: readonly string[] = commonBundles) => {
  const contexts = new Map<string, SecureContext>();
  return {
    contextFor(extraCa: readonly string[]): SecureContext {
      const key = extraCa.join('\n');
      const known = contexts.get(key);
      if (known) return known;
      const ca = [...new Set([...rootCertificates, ...readSystemRoots(systemBundles)]), ...extraCa];
      const made = createSecureContext({ ca });
      contexts.set(key, made);
      return made;
    },
  };
};

/** Debian and its kin; Fedora and its kin; SUSE; Alpine. The first that exists is read. */
const commonBundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

const readSystemRoots = (bundles: readonly string[]): string[] => {
  for (const bundle of bundles) {
    try {
      return (
        readFileSync(bundle, 'utf8').match(
          /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g,
        ) ?? []
      );
    } catch {
      // Not this family of systems: try the next.
    }
  }
  return [];
};
