import type { ServerCertificate } from '#contract/body/connection.ts';
import type { TrustRoot } from './trust.ts';

type Chain = NonNullable<ServerCertificate['chain']>;

/**
 * Whether a chain looks made by an inspecting proxy. Nobody who inspects has a public root to sign
 * under, so a chain under one is the server's own. Under any other the name of a vendor says it; a
 * root that only this device trusts may be an inspecting proxy's as well as a private application's:
 * the same request the other way tells them apart.
 */
export const findInspection = (
  chain: Chain,
  root: TrustRoot,
): NonNullable<ServerCertificate['inspection']> | null => {
  if (root === 'public') return null;
  const issuers = chain.map(({ issuer }) => issuer);
  const named = issuers.find((issuer) => vendors.test(issuer));
  if (named !== undefined) return { sign: 'vendor-name', name: named };
  if (root === 'unknown') return null;
  return { sign: 'private-root', name: issuers.at(-1) ?? '' };
};

/** Names in the CAs that these products make: web gateways, firewalls, virus scanners, debuggers. */
const vendors = new RegExp(
  [
    'zscaler',
    'netskope',
    'palo ?alto',
    'forti(net|gate|proxy|sase)',
    'forcepoint',
    'websense',
    'blue ?coat',
    'cisco (umbrella|secure|ironport)',
    'ironport',
    'check ?point',
    'sophos',
    'mcafee',
    'skyhigh',
    'trellix',
    'menlo security',
    'iboss',
    'barracuda',
    'watchguard',
    'sonicwall',
    'cato networks',
    'cloudflare (managed|for teams|gateway)|gateway ca - cloudflare',
    'smoothwall',
    'lightspeed',
    'securly',
    'untangle',
    'kaspersky',
    'eset ssl',
    'avast|avg web',
    'bitdefender',
    'mitmproxy',
    'portswigger',
    'charles proxy',
    'fiddler',
    'squid',
  ].join('|'),
  'i',
);
