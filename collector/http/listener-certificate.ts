import type { Server as TlsServer } from 'node:https';
import { isIP } from 'node:net';
import { collectorServerName } from '#contract/enrollment.ts';
import { issueWithKey, type KeyedCertificate } from '#runtime/certificates.ts';
import { listenerLifetimeMs } from '../control/certificate-lifetimes.ts';
import type { App } from './app.ts';

const renewEveryMs = 24 * 3_600_000;

/** The device listener's certificate: for our own name, and for the address people type. */
export const issueListenerCertificate = (
  authority: KeyedCertificate,
  listenHost: string,
  now: number,
): Promise<KeyedCertificate> => {
  const isAddress = isIP(listenHost) !== 0;
  const isWildcard = listenHost === '0.0.0.0' || listenHost === '::';
  return issueWithKey(authority, {
    commonName: collectorServerName,
    notAfter: now + listenerLifetimeMs,
    dnsNames: [collectorServerName, 'localhost', ...(isAddress ? [] : [listenHost])],
    addresses: [
      ...new Set(['127.0.0.1', '::1', ...(isAddress && !isWildcard ? [listenHost] : [])]),
    ],
    usages: ['server'],
  });
};

/** A collector that runs for months stays reachable: the listener gets a new certificate daily. */
export const startCertificateRenewal = (
  app: App,
  authority: KeyedCertificate,
  options: {
    listenHost: string;
    now: () => number;
    onRenewed: (certificatePem: string) => void;
    onError: (error: unknown) => void;
  },
) => {
  const renew = async () => {
    const next = await issueListenerCertificate(authority, options.listenHost, options.now());
    (app.server as unknown as TlsServer).setSecureContext({
      cert: next.certificatePem,
      key: next.privateKeyPem,
      ca: authority.certificatePem,
      minVersion: 'TLSv1.3',
    });
    options.onRenewed(next.certificatePem);
  };
  const timer = setInterval(() => void renew().catch(options.onError), renewEveryMs);
  return { stop: () => clearInterval(timer) };
};
