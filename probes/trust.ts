import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import type { trustRoots } from '#contract/body/connection.ts';
import { createIssuerSearch } from './issuer-search.ts';

export type TrustRoot = (typeof trustRoots)[number];

/** What a handshake trusts, and where that trust comes from. */
export type TrustContext = {
  secureContext: SecureContext;
  /** The root under which a chain (leaf first) stands, if it is known here. */
  rootOf(chain: readonly X509Certificate[]): {
    root: TrustRoot;
    certificate: X509Certificate | undefined;
  };
};

/**
 * TLS contexts by what they trust: Node's own roots, the system's (an organisation's inspection CA
 * stands there, and the user's browser trusts it), and the extra ones. Made once: reading some 300
 * certificates takes tens of milliseconds, which must not stand in anybody's handshake.
 */
export const createTrust = (systemBundles: readonly string[] = commonBundles) => {
  const contexts = new Map<string, TrustContext>();
  return {
    contextFor(extraCa: readonly string[]): TrustContext {
      const key = extraCa.join('\n');
      const known = contexts.get(key);
      if (known) return known;
      const made = makeContext(readSystemRoots(systemBundles), extraCa);
      contexts.set(key, made);
      return made;
    },
  };
};

const makeContext = (system: readonly string[], extraCa: readonly string[]): TrustContext => {
  // OpenSSL passes over what it cannot read: better said here than at every handshake.
  for (const pem of extraCa) new X509Certificate(pem);
  const ca = [...new Set([...rootCertificates, ...system]), ...extraCa];
  const sources = [
    { root: 'public', findIssuer: createIssuerSearch(rootCertificates) },
    { root: 'system', findIssuer: createIssuerSearch(system) },
    { root: 'extra', findIssuer: createIssuerSearch(extraCa) },
  ] as const;
  return {
    secureContext: createSecureContext({ ca }),
    rootOf(chain) {
      for (const { root, findIssuer } of sources) {
        for (const link of chain) {
          const certificate = findIssuer(link);
          if (certificate) return { root, certificate };
        }
      }
      return { root: 'unknown', certificate: undefined };
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
